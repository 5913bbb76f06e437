/** What the program publishes, and what it is told. */
import { present } from '../../../../src/core/assert.ts';
import { ClosedError } from '../../../../src/core/errors.ts';
import { UnroutableError } from '../../../../src/core/routing-errors.ts';
import type { DurabilityLevel } from '../../../../src/log/log-options.ts';
import { randomBelow } from '../../../../src/core/random.ts';
import type { Exchange } from '../../../../src/routing/exchange.ts';
import { pick } from '../plan.ts';
import { valueOf } from './log-ledger.ts';
import type { Answered, RoutingSession } from './routing-session.ts';
import { headersOf, type Published, type Source } from './routing-oracle.ts';

const ROUTING_KEYS = ['', 'a', 'a.b', 'a.x.c', 'b', 'x.b', 'a.b.c', 'b.b'];
const HEADERS = [null, null, { h: '1' }, { h: '2', k: 'x' }, { k: '' }];
const KEYS = [null, null, 'one', 'two', 'three', 'four'];
const LEVELS: readonly (DurabilityLevel | undefined)[] = ['sync', 'os', 'interval', undefined];
const RECORDS_MAX = 6;
const FLOOD_RECORDS = 20;
const FLOOD_BYTES = 700;
const NO_TIMEOUT_MS = 86_400_000;

export class RoutingPublishes {
  readonly #session: RoutingSession;
  /** By id of the exchange: another one may have the name later. */
  readonly #handles = new Map<number, Exchange<Uint8Array>>();
  /** Records whose place was told, by number. */
  readonly answered: Map<number, Answered>;

  constructor(session: RoutingSession, answered: Map<number, Answered>) {
    this.#session = session;
    this.answered = answered;
  }

  /** One record, as it comes. */
  async one(): Promise<void> {
    const { world } = this.#session;
    const { random, tally, oracle } = world;
    const { source, exchange } = (await this.#open()) ?? {};
    if (source === undefined || exchange === undefined) return;
    const record = this.#draw();
    const durability = pick(random, LEVELS);
    const mandatory = world.chance(0.2);
    const confirm = world.chance(0.2) ? 'routed' : 'logged';
    const { now, version } = oracle.timeline;
    const isChanging = this.#session.pendingModel !== null;
    const due = oracle.route(source.exchangeId, record, now);
    this.#countWays(source.exchangeId, record, due.length > 0);
    world.narrate(`publish #${record.id} ${record.routingKey} to ${source.name}, ${confirm}`);
    const answer = exchange.publish(valueOf(record.id, extraBytes(random)), {
      ...inputOf(record),
      durability,
      mandatory,
      confirm,
    });
    void this.#session.follow(
      answer.catch((error: unknown) => {
        if (!(error instanceof UnroutableError)) throw error;
        tally.add('unroutable');
        if (!mandatory) world.fault('mandatory', 'refused though nobody asked for that');
        const isStill = !isChanging && this.#session.pendingModel === null;
        const isSame = isStill && version === oracle.timeline.version;
        if (isSame && due.length > 0) world.fault('mandatory', `#${record.id} has a way`);
        return null;
      }),
      async (result) => {
        if (result === null) return;
        this.#answered(record, source, result);
        // Of a topic that was deleted meanwhile there is no name.
        const isStill = this.#session.pendingModel === null && version === oracle.timeline.version;
        if (mandatory && isStill && result.destinations.length === 0) {
          world.fault('mandatory', `#${record.id} goes nowhere`);
        }
        if (confirm === 'routed') await this.#arrived([record.id]);
      },
    );
  }

  /** Enough that logs have several segments. */
  flood(): Promise<void> {
    return this.batch(FLOOD_RECORDS, FLOOD_BYTES);
  }

  /** Many at once. @param moreBytes  of each value, more than there are anyway */
  async batch(countMax = RECORDS_MAX, moreBytes = 0): Promise<void> {
    const { world } = this.#session;
    const { source, exchange } = (await this.#open()) ?? {};
    if (source === undefined || exchange === undefined) return;
    const count = 1 + randomBelow(world.random, countMax);
    const records = Array.from({ length: count }, () => this.#draw());
    const confirm = world.chance(0.2) ? 'routed' : 'logged';
    world.narrate(`publish #${records[0]?.id} and ${count - 1} more to ${source.name}, ${confirm}`);
    const inputs = records.map((record) => ({
      ...inputOf(record),
      value: valueOf(record.id, moreBytes + extraBytes(world.random)),
    }));
    const durability = pick(world.random, LEVELS);
    void this.#session.follow(
      exchange.publishBatch(inputs, { durability, confirm }),
      async ({ baseOffset, durability: reached, destinations }) => {
        for (const [at, record] of records.entries()) {
          const own = destinations[at] ?? [];
          const result = { offset: baseOffset + at, durability: reached, destinations: own };
          this.#answered(record, source, result);
        }
        if (confirm === 'routed') await this.#arrived(records.map(({ id }) => id));
      },
    );
  }

  /** A few to one exchange or two, all of them or none. */
  async together(): Promise<void> {
    const { world, store } = this.#session;
    const { oracle, random, tally } = world;
    const opened = [await this.#open(), await this.#open()].flatMap((one) => one ?? []);
    if (opened.length === 0 || this.#session.isOver) return;
    const parts = opened.map((one) => ({ record: this.#draw(), ...one }));
    const mandatory = world.chance(0.2);
    const confirm = world.chance(0.3) ? 'routed' : 'committed';
    const ids = parts.map(({ record: { id } }) => id);
    const what = parts.map(({ record: { id }, source }) => `#${id} to ${source.name}`);
    world.narrate(`transaction: ${what.join()}, ${confirm}`);
    const begun = oracle.transactions.begin(
      parts.map(({ record: { id }, source }) => ({ id, source })),
    );
    const answer = store.transaction(
      (tx) =>
        parts.map(({ record, exchange }) => {
          const options = { ...inputOf(record), mandatory };
          return tx.publish(exchange, valueOf(record.id, extraBytes(random)), options);
        }),
      { confirm, timeoutMs: NO_TIMEOUT_MS },
    );
    void this.#session.follow(
      answer.catch((error: unknown) => {
        const isUnroutable = error instanceof UnroutableError && mandatory;
        if (!isUnroutable && !isOfExchange(error)) throw error;
        begun.isRefused = true;
        tally.add('refusedTransactions');
        return null;
      }),
      async (published) => {
        if (published === null) return;
        for (const [at, { record, source }] of parts.entries()) {
          this.#answered(record, source, present(published[at]?.result ?? null, 'it is committed'));
        }
        tally.add('transactions');
        if (confirm === 'routed') await this.#arrived(ids);
      },
    );
  }

  async #open(): Promise<{ source: Source; exchange: Exchange<Uint8Array> } | null> {
    const { world, store } = this.#session;
    const takers = world.model.exchanges.filter(({ isInternal }) => !isInternal);
    if (takers.length === 0) return null;
    const { name } = pick(world.random, takers);
    try {
      const sources = [...world.oracle.sources.values()];
      const source = sources.find((one) => one.name === name && !one.isGone);
      if (source === undefined) return null;
      const { exchangeId } = source;
      const known = this.#handles.get(exchangeId);
      const exchange = known ?? (await store.exchange(name, { create: false }));
      this.#handles.set(exchangeId, exchange);
      return this.#session.isOver ? null : { source, exchange };
    } catch (error) {
      this.#session.explain(error);
      return null;
    }
  }

  #draw(): Published {
    const { world } = this.#session;
    const { random } = world;
    const record = {
      id: world.nextId(),
      routingKey: pick(random, ROUTING_KEYS),
      headers: pick(random, HEADERS),
      key: pick(random, KEYS),
    };
    world.oracle.published.set(record.id, record);
    return record;
  }

  #answered(
    { id }: Published,
    { exchangeId }: Source,
    result: {
      readonly offset: number;
      readonly durability: DurabilityLevel;
      readonly destinations: readonly string[];
    },
  ): void {
    const { offset, durability, destinations } = result;
    this.answered.set(id, { exchangeId, offset, destinations, isSynced: durability === 'sync' });
    this.#session.world.tally.add('publishes');
  }

  #countWays(exchangeId: number, record: Published, isRouted: boolean): void {
    const { tally, oracle } = this.#session.world;
    const { now } = oracle.timeline;
    const matching = (id: number) => now.matching(id, [record.routingKey], headersOf(record));
    if (!isRouted) return;
    const first = matching(exchangeId);
    if (first.some(({ target }) => target.kind === 'exchange')) tally.add('throughExchanges');
    if (first.length > 0) return;
    tally.add('byAlternate');
    const next = now.alternateOf(exchangeId);
    if (next !== null && matching(next).length === 0) tally.add('byAlternateChain');
  }

  /** Readers see them now, wherever they belong. */
  async #arrived(ids: readonly number[]): Promise<void> {
    const { world } = this.#session;
    const { oracle, tally } = world;
    await this.#session.look('a confirmation');
    if (this.#session.isOver) return;
    for (const id of ids) {
      const answered = this.answered.get(id);
      if (answered !== undefined) answered.isSynced = true;
      for (const name of answered?.destinations ?? []) {
        const to = [...oracle.destinations.values()].find((one) => one.name === name);
        // One that was made since may have the name.
        const isOther = world.reusedNames.has(name) || !this.#session.hasTopic(name);
        if (to === undefined || isOther || answered === undefined) continue;
        const isAllRead = to.ledgers.length === this.#session.partitionCount(name);
        if (!isAllRead) continue; // It may be in a partition that is new.
        // Who lets a destination off answers those who wait for it.
        const { exchangeId, offset } = answered;
        if (offset < oracle.letOffs.belowOffset(exchangeId, to.topicId)) continue;
        const isThere = to.ledgers.some(
          ({ records, unseenCount }) =>
            unseenCount > 0 || [...records.values()].some((one) => one.id === id),
        );
        if (!isThere) world.fault('routed', `#${id} was confirmed, and is not in ${name}`);
      }
    }
    tally.add('routed');
  }
}

/** Whether it says that an exchange was deleted meanwhile. */
function isOfExchange(error: unknown): boolean {
  return error instanceof ClosedError && error.details.resource === 'exchange';
}

function inputOf({ routingKey, headers, key }: Published) {
  return { routingKey, headers, key };
}

function extraBytes(random: { next(): number }): number {
  return Math.floor(random.next() ** 3 * 900);
}
