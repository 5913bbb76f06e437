/** A store with an exchange, on a disk that can be stopped at any call, and what holds wherever it stops. */
import { present } from '../../../src/core/assert.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import type { Exchange } from '../../../src/routing/exchange.ts';
import type { Partition } from '../../../src/topic/partition.ts';
import type { FaultyFileSystem } from '../faulty-file-system.ts';
import { valueOf } from '../simulation/routing/log-ledger.ts';
import { checkOpened } from '../simulation/routing/opened-check.ts';
import type { ModelBinding } from '../simulation/routing/routing-model.ts';
import { RoutingSession, type Answered } from '../simulation/routing/routing-session.ts';
import { RoutingWorld } from '../simulation/routing/routing-world.ts';
import { Tally } from '../simulation/tally.ts';
import { prepareStore } from '../store-disk.ts';
import { seenOf, type SeenLog } from './seen-logs.ts';

const KEYS = ['a.b', 'b', 'a.c', 'b.b'];

export class RoutingLife {
  readonly world: RoutingWorld;
  /** By number of the record: what its publisher was told. */
  readonly answered = new Map<number, Answered>();
  #session: RoutingSession | null = null;
  #exchange: Exchange<Uint8Array> | null = null;
  /** Of all destinations. */
  #partitions: Partition[] = [];

  /** @param seed  of the ids that the store draws: those of two lives on one disk must differ */
  constructor(seed: number) {
    this.world = new RoutingWorld(seed, new Tally(), () => undefined);
  }

  get session(): RoutingSession {
    return present(this.#session, 'it was opened');
  }

  get exchange(): Exchange<Uint8Array> {
    return present(this.#exchange, 'it was opened');
  }

  /** What is held against the store after a crash now, whatever its disk: who was answered, and what was made. */
  knowledgeAfter(isPowerCut: boolean): string {
    const { model, oracle } = this.world;
    const { pendingModel = null, pendingBackfill = null } = this.#session ?? {};
    const answered = [...this.answered].filter(([, { isSynced }]) => isSynced || !isPowerCut);
    const told = answered.map(([id, { exchangeId, offset }]) => [id, exchangeId, offset]);
    const lines = [model, pendingModel].map((one) => (one === null ? null : [...one.lines]));
    const past = oracle.backfills.length;
    const isAsked = pendingBackfill !== null;
    return JSON.stringify([told, lines, oracle.timeline.version, past, isAsked]);
  }

  /** As far as readers see the destinations now. */
  get seen(): readonly SeenLog[] {
    return seenOf(this.#partitions);
  }

  prepare(): Promise<void> {
    return prepareStore(this.world.fileSystem);
  }

  async openStore(): Promise<RoutingSession> {
    const session = new RoutingSession(this.world, await this.world.open());
    this.#session = session;
    return session;
  }

  /** Opens the exchange, makes it if there is none, and knows all destinations. */
  async openExchange(session: RoutingSession, name: string): Promise<void> {
    const { world } = this;
    const { store } = session;
    const open = async (): Promise<void> => {
      this.#exchange = await store.exchange(name, { type: 'topic' });
    };
    const plan = { name, alternate: null, isInternal: false, isAutoDelete: false };
    const isThere = world.model.exchanges.some((one) => one.name === name);
    if (isThere) await open();
    else await session.change('create', world.model.with({ ...plan, type: 'topic' }), open);
    session.knowAll();
    this.#partitions = [];
    for (const { name: topic, ledgers } of world.oracle.destinations.values()) {
      const { partitions } = await store.topic(topic, { create: false });
      this.#partitions.push(...[...ledgers.keys()].map((number) => partitions.at(number)));
    }
  }

  async bind(session: RoutingSession, binding: ModelBinding): Promise<void> {
    const { world } = this;
    await session.change('bind', world.model.bound(binding), () => this.#bind(session, binding));
  }

  async bindPast(session: RoutingSession, binding: ModelBinding): Promise<void> {
    const { world } = this;
    const { now } = world.oracle.timeline;
    const knownIds = new Set(now.bindings.map(({ bindingId }) => bindingId));
    await session.change('bind the past', world.model.bound(binding), () => {
      session.pendingBackfill = { from: 'earliest', knownIds };
      return this.#bind(session, binding, { from: 'earliest' });
    });
  }

  async #bind(
    { store }: RoutingSession,
    { exchange, kind, to, pattern }: ModelBinding,
    options = {},
  ): Promise<void> {
    const handle = await store.exchange(exchange, { create: false });
    const destination = kind === 'exchange' ? { exchange: to } : to;
    await handle.bind(destination, { pattern }, options);
  }

  /** A record to publish. @param extraBytes  of the value of a record with this number */
  draw(extraBytes: (id: number) => number) {
    const { world } = this;
    const id = world.nextId();
    const routingKey = KEYS[id % KEYS.length] ?? '';
    world.oracle.published.set(id, { id, routingKey, key: null, headers: null });
    return { id, routingKey, value: valueOf(id, extraBytes(id)) };
  }

  /** Its publisher was answered. */
  told(id: number, offset: number, isSynced: boolean): void {
    const sources = [...this.world.oracle.sources.values()];
    const source = sources.find(({ name }) => name === this.exchange.name);
    const { exchangeId } = present(source, 'it was made');
    this.answered.set(id, { exchangeId, offset, destinations: [], isSynced });
  }

  /** Opens what a crash left, and waits for everything that is due. @returns what is wrong */
  async check(image: FaultyFileSystem, isPowerCut: boolean): Promise<readonly string[]> {
    const { world, answered } = this;
    if (isPowerCut) for (const [id, { isSynced }] of answered) if (!isSynced) answered.delete(id);
    world.clock = new ManualClock(world.clock.now());
    world.fileSystem = image;
    const outcome = await world.drive(this.#reopen());
    if (outcome.status === 'failed') throw outcome.error;
    return world.complaints();
  }

  async #reopen(): Promise<void> {
    const last = this.#session;
    const session = await this.openStore();
    const { store } = session;
    await store.exchangeCatalog.reconcile();
    await checkOpened(session, last, this.answered);
    await session.quiet('after a crash');
    await store.close();
  }
}
