/** One open store that routes, and what is known of what it was asked. */
import {
  BackpressureError,
  ClosedError,
  DiskFullError,
  FailedError,
  IoError,
  NotFoundError,
} from '../../../../src/core/errors.ts';
import type { Log } from '../../../../src/log/log.ts';
import type { Store } from '../../../../src/store/store.ts';
import type { StoreQueue } from '../../../../src/store/store-queue.ts';
import { Life } from '../life.ts';
import { LogLedger } from './log-ledger.ts';
import { Destination, Source, type Backfill } from './routing-oracle.ts';
import type { RoutingModel } from './routing-model.ts';
import type { RoutingWorld } from './routing-world.ts';

const SOURCE_PREFIX = 'exchange:';
const QUIET_SECONDS_MAX = 90;

/** What a change answers that has not happened, and may not have: nothing is other than before. */
export const REFUSED = Symbol('refused');

export interface Answered {
  readonly exchangeId: number;
  readonly offset: number;
  /** Names. */
  readonly destinations: readonly string[];
  /** Whether it is to survive power cuts. */
  isSynced: boolean;
}

export class RoutingSession extends Life<RoutingWorld> {
  readonly store: Store;
  /** What a change that was not answered would have made. */
  pendingModel: RoutingModel | null = null;
  /** What a bind that was not answered asks of the past. */
  pendingBackfill: PendingBackfill | null = null;
  /** Whose deletion was asked for. */
  readonly goneTopicIds = new Set<number>();
  /** All sources that were trimmed; resolves always. */
  trimming: Promise<void> = Promise.resolve();
  /** Consumers, by topic id: one per queue. */
  readonly #queues = new Map<number, Promise<StoreQueue<Uint8Array>>>();
  #reading: Promise<void> = Promise.resolve();
  #prunedBelow: number;

  constructor(world: RoutingWorld, store: Store) {
    super(world);
    this.store = store;
    this.#prunedBelow = store.exchangeCatalog.history.prunedBelow;
  }

  override get hasMishap(): boolean {
    return super.hasMishap || this.world.isCapped;
  }

  /** Waits until every call was answered, but not for ever: some wait for what failed. */
  async settleWithin(seconds: number): Promise<boolean> {
    for (let left = seconds * 10; left > 0 && !this.isSettled; left--) await this.wait(100);
    return this.isSettled;
  }

  /** But for those whose deletion was asked for. */
  get destinations(): readonly Destination[] {
    const all = [...this.world.oracle.destinations.values()];
    return all.filter(({ topicId }) => !this.goneTopicIds.has(topicId));
  }

  hasTopic(name: string): boolean {
    const topic = this.store.topics().find((one) => one.name === name);
    return topic !== undefined && !this.goneTopicIds.has(topic.topicId);
  }

  partitionCount(name: string): number {
    return this.store.topics().find((one) => one.name === name)?.partitionCount ?? 0;
  }

  isQueue(name: string): boolean {
    return this.store.queues().some(({ topic }) => topic === name);
  }

  queueOf({ topicId, name }: Destination): Promise<StoreQueue<Uint8Array>> {
    const known = this.#queues.get(topicId) ?? this.store.queue(name, { create: false });
    this.#queues.set(topicId, known);
    return known;
  }

  wait(ms: number): Promise<void> {
    return new Promise((resolve) => void this.world.clock.setTimer(() => resolve(), ms));
  }

  override isExplained(error: unknown): boolean {
    if (error instanceof BackpressureError) return true;
    if (error instanceof DiskFullError && this.world.isCapped) this.world.tally.add('fullStores');
    const isFailure =
      error instanceof IoError ||
      error instanceof FailedError ||
      error instanceof ClosedError ||
      error instanceof DiskFullError;
    return isFailure && this.hasMishap;
  }

  /** A change of the topology, one at a time. @returns whether it was answered */
  async change<T>(what: string, next: RoutingModel, act: () => Promise<T>): Promise<boolean> {
    const { world } = this;
    const { timeline } = world.oracle;
    if (this.pendingModel !== null) return false; // What became of the last one is not known.
    world.narrate(what);
    this.pendingModel = next;
    timeline.asked(next.lines);
    let made = next;
    let starts: SourceStarts;
    try {
      if ((await act()) === REFUSED) made = world.model;
      // What follows upon the change is behind it.
      await this.store.exchangeCatalog.reconcile();
      starts = await this.sourceStarts();
    } catch (error) {
      this.explain(error);
      return false;
    }
    if (this.isOver) return false;
    world.model = made;
    this.pendingModel = null;
    timeline.asked(made.lines);
    timeline.adopt(this.store, what, true);
    if (timeline.now.hasCycle) world.tally.add('cycles');
    if (this.pendingBackfill !== null) this.beginBackfill(this.pendingBackfill, starts);
    this.pendingBackfill = null;
    world.tally.add('topologyChanges');
    return true;
  }

  /** Where sources begin now; those that cannot be opened, where they did when somebody looked. */
  async sourceStarts(): Promise<SourceStarts> {
    const starts = new Map<number, number>();
    for (const { exchangeId, ledger } of this.world.oracle.sources.values()) {
      const partition = this.store.exchangeCatalog.sources.of(exchangeId);
      const start = await partition
        ?.use((log) => Promise.resolve(log.startOffset))
        .catch(() => ledger.start);
      starts.set(exchangeId, start ?? ledger.start);
    }
    return starts;
  }

  /** What there is after an opening: any change whose answer nobody heard is there, or not. */
  adopt(last: RoutingSession | null, starts: SourceStarts, when: string): void {
    const { world, store } = this;
    const { pendingModel: pending = null, pendingBackfill = null } = last ?? {};
    const { oracle } = world;
    const versionBefore = oracle.timeline.version;
    oracle.timeline.adopt(store, when, false);
    const { lines, version } = oracle.timeline;
    const isThere = pending !== null && [...pending.lines].every((line) => lines.has(line));
    if (pending !== null && isThere && pending.lines.size === lines.size) {
      world.model = pending;
      if (version > versionBefore && pendingBackfill !== null) {
        this.beginBackfill(pendingBackfill, starts);
      }
    }
    this.knowAll();
  }

  /** Takes up exchanges and topics that are new, and forgets those that are gone. */
  knowAll(): void {
    const { oracle, letters, letterWays } = this.world;
    const { identify } = letters;
    const topics = this.store.topics().filter(({ name }) => !name.startsWith(SOURCE_PREFIX));
    for (const { topicId, name, partitionCount } of topics) {
      const known = oracle.destinations.get(topicId) ?? new Destination(topicId, name);
      oracle.destinations.set(topicId, known);
      while (known.ledgers.length < partitionCount) {
        known.ledgers.push(new LogLedger(`${name}/${known.ledgers.length}`, identify));
      }
    }
    for (const topicId of oracle.destinations.keys()) {
      if (!topics.some((one) => one.topicId === topicId)) oracle.destinations.delete(topicId);
    }
    const exchanges = this.store.exchanges();
    for (const { exchangeId, name } of exchanges) {
      if (oracle.sources.has(exchangeId)) continue;
      oracle.sources.set(exchangeId, new Source(exchangeId, name, identify));
    }
    for (const source of oracle.sources.values()) {
      if (exchanges.some(({ exchangeId }) => exchangeId === source.exchangeId)) continue;
      source.isGone = true;
      // Letters may have come to the last, and gone with it.
      if ([...letterWays.values()].includes(source.name)) source.isBlind = true;
    }
  }

  /** What stands in a source and cannot be seen yet may not be seen any more: it may go with the source. */
  giveUpUnseen(): void {
    for (const source of this.world.oracle.sources.values()) {
      const log = this.store.exchangeCatalog.sources.of(source.exchangeId)?.opened;
      if (log !== undefined && log !== null && log.endOffset > source.ledger.end)
        source.isBlind = true;
    }
  }

  beginBackfill({ from, knownIds }: PendingBackfill, startOffsets: SourceStarts): void {
    const { oracle } = this.world;
    const { now, version } = oracle.timeline;
    const binding = now.bindings.find(({ bindingId }) => !knownIds.has(bindingId));
    if (binding === undefined) {
      this.world.fault('topology', 'a binding that was answered is not listed');
      return;
    }
    const fromOffsets = new Map<number, number>();
    const goneIds = new Set<number>();
    for (const { exchangeId, ledger, isGone } of oracle.sources.values()) {
      const isOwn = exchangeId === binding.exchangeId;
      if (from === 'earliest') fromOffsets.set(exchangeId, ledger.start);
      if (isGone) goneIds.add(exchangeId);
      if (from !== 'earliest' && isOwn) fromOffsets.set(exchangeId, from);
    }
    const backfill: Backfill = { binding, version, fromOffsets, startOffsets, goneIds };
    oracle.backfills.push(backfill);
    this.world.tally.add('backfills');
  }

  /** Reads what is new in all logs, or everything, and complains about what is wrong. */
  async look(when: string, isAll = false): Promise<void> {
    const { oracle, tally } = this.world;
    await this.#read(when, isAll);
    this.#countPrunings();
    // Whatever a change does before it is answered is not known yet.
    if (this.isOver || this.pendingModel !== null) return;
    oracle.check(when, false);
    tally.add('looks');
  }

  /** Waits until all that is due has arrived, and complains when it does not. */
  async quiet(when: string): Promise<void> {
    const { world } = this;
    const { oracle, tally } = world;
    await this.store.exchangeCatalog.reconcile();
    for (let left = QUIET_SECONDS_MAX; left > 0; left--) {
      await this.#read(when, false);
      if (this.isOver || oracle.problems(true).length === 0) break;
      await this.wait(1000);
    }
    await this.wait(3000); // Nothing comes behind it.
    await this.#read(when, true);
    if (this.isOver) return;
    oracle.check(`${when}, quiet`, true);
    tally.add('quietLooks');
    for (const { ledgers } of oracle.destinations.values()) {
      for (const { records } of ledgers) {
        tally.add('checkedCopies', records.size);
        const ids = [...records.values()].map(({ id }) => id);
        tally.add('letterCopies', ids.filter((id) => world.letters.isLetter(id)).length);
      }
    }
  }

  #countPrunings(): void {
    const { prunedBelow } = this.store.exchangeCatalog.history;
    if (prunedBelow > this.#prunedBelow) this.world.tally.add('prunings');
    this.#prunedBelow = prunedBelow;
  }

  /** One at a time: a ledger is at one place. */
  #read(when: string, isAll: boolean): Promise<void> {
    const reading = this.#reading.then(() => this.#readAll(when, isAll));
    this.#reading = reading.catch(() => undefined);
    return reading;
  }

  async #readAll(when: string, isAll: boolean): Promise<void> {
    const { oracle } = this.world;
    // Destinations first: what came from a source is in the source then.
    for (const { topicId, ledgers } of oracle.destinations.values()) {
      const name = this.store.topics().find((one) => one.topicId === topicId)?.name;
      if (name === undefined || this.goneTopicIds.has(topicId)) continue;
      const read = async (): Promise<void> => {
        const topic = await this.store.topic(name, { create: false });
        for (const [partition, ledger] of ledgers.entries()) {
          if (partition >= topic.partitionCount) continue;
          await topic.partitions.at(partition).use((log) => this.#see(ledger, log, when, isAll));
        }
      };
      await read().catch((error: unknown) => {
        const isGone = error instanceof ClosedError || error instanceof NotFoundError;
        if (!isGone || !this.goneTopicIds.has(topicId)) throw error; // Else it went meanwhile.
      });
    }
    for (const source of oracle.sources.values()) await this.#readSource(source, when, isAll);
  }

  async #readSource(source: Source, when: string, isAll: boolean): Promise<void> {
    const partition = this.store.exchangeCatalog.sources.of(source.exchangeId);
    if (partition === null) return;
    try {
      await partition.use((log) => this.#see(source.ledger, log, when, isAll));
    } catch (error) {
      if (!source.isGone || !(error instanceof ClosedError)) throw error;
    }
    if (source.ledger.unseenCount > 0) source.isBlind = true;
  }

  async #see(ledger: LogLedger, log: Log<Uint8Array>, when: string, isAll: boolean): Promise<void> {
    const { end, start } = ledger;
    const problems = await ledger.look(log, isAll);
    if (this.isOver) return;
    if (isAll || ledger.end > end) this.world.narrate(`  ${ledger.show(isAll ? 0 : end)}`);
    for (const problem of problems) this.world.fault('A10', `${when}: ${problem}`);
    const [name = ''] = ledger.name.split('/');
    if (ledger.start > start && end > 0 && this.isQueue(name)) this.world.tally.add('settledTrims');
  }
}

/** By id of the exchange. */
type SourceStarts = ReadonlyMap<number, number>;

export interface PendingBackfill {
  readonly from: 'earliest' | number;
  /** Bindings that were there before. */
  readonly knownIds: ReadonlySet<number>;
}
