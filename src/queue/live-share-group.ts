/** A share group that is used in this process: its partitions open, its leases of one owner epoch. */
import { checkInteger, checkObject, present } from '../core/assert.ts';
import type { Clock } from '../core/clock.ts';
import type { Random } from '../core/random.ts';
import { Mutex } from '../core/mutex.ts';
import { ReadOnlyError } from '../core/errors.ts';
import type { Codec } from '../codec/codec.ts';
import type { Journal } from '../journal/journal.ts';
import type { Committer } from '../journal/committer.ts';
import type { Fold, StateView } from '../journal/fold.ts';
import { checkChosen } from '../topic/topic-options.ts';
import type { PartitionSet } from '../topic/partition-set.ts';
import type { Topic } from '../topic/topic.ts';
import type { TransactionRegistry } from '../transaction/transaction-registry.ts';
import type { Consumer } from './acquire-request.ts';
import { archiveShare, type ArchiveOrder } from './archive-run.ts';
import type { BrowseSource } from './browse.ts';
import { letterWay } from './dead-letter.ts';
import { GroupLeases } from './group-leases.ts';
import type { Burial } from './lease-ends.ts';
import type { LeaseJournal } from './lease-journal.ts';
import type { LoopClock } from './loop-clock.ts';
import { PartitionLeases } from './partition-leases.ts';
import { SlotState } from './record-state.ts';
import type { MoverParts } from './redrive-moves.ts';
import { redrive } from './redrive.ts';
import type { RedriveOptions, RedriveReport } from './redrive-options.ts';
import {
  leasesOpened,
  purgeUndone,
  recordsRemoved,
  sharePaused,
  sharePurged,
  shareStarted,
  shareTrimmed,
} from './share-entries.ts';
import type { LeaseEvents } from './share-events.ts';
import { firstPurgedOffset, purgedCount, type SharePartition } from './share-partition.ts';
import { shareGroups, shareId, type ShareName, type ShareState } from './share-state.ts';
import type { ShareSettings } from './share-settings.ts';
import { statsOf, type ShareStats } from './share-stats.ts';
import { Undertaker } from './undertaker.ts';

export interface LiveShareGroupParts {
  readonly name: ShareName;
  readonly topic: PartitionSet;
  readonly clock: Clock;
  readonly random: Random;
  readonly journal: Journal;
  readonly fold: Fold;
  readonly committer: Committer;
  readonly transactions: TransactionRegistry;
  readonly leaseJournal: LeaseJournal;
  readonly loopClock: LoopClock;
  /** Held by what wants settled records again: those that go meanwhile are gone before. */
  readonly settled: Mutex;
  readonly openDeadLetters: (name: string, from: PartitionSet) => Promise<Topic<Uint8Array>>;
  /** @throws NotFoundError */
  readonly openTopic: (name: string) => Promise<Topic<Uint8Array>>;
  /** A commit of the group has brought records to a topic of that name. */
  readonly arrived: (name: string) => void;
  readonly events: LeaseEvents;
}

export class LiveShareGroup {
  readonly name: ShareName;
  readonly topic: PartitionSet;
  readonly clock: Clock;
  readonly random: Random;
  readonly leases: GroupLeases;
  isOpen = false;
  readonly #parts: LiveShareGroupParts;
  readonly #view: StateView<ShareState>;
  readonly #changes = new Mutex();
  #opening: Promise<void> | null = null;
  #unwatch: (() => void) | null = null;
  #isClosed = false;

  constructor(parts: LiveShareGroupParts) {
    const { name, topic, clock, journal, committer, events } = parts;
    this.name = name;
    this.topic = topic;
    this.clock = clock;
    this.random = parts.random;
    this.#parts = parts;
    this.#view = parts.fold.view(shareGroups, shareId(name));
    const undertaker = new Undertaker({
      topic: topic.name,
      clock,
      journal,
      committer,
      deadLetters: () => letterWay(this.settings),
      openDeadLetters: (to) => parts.openDeadLetters(to, topic),
      arrived: parts.arrived,
      events,
    });
    this.leases = new GroupLeases({
      topic: topic.name,
      clock,
      loopClock: parts.loopClock,
      leaseJournal: parts.leaseJournal,
      settings: () => this.settings,
      isPaused: () => this.#state.isPaused,
      durability: () => topic.settings.durability,
      bury: (partition, burials) => this.#bury(undertaker, partition, burials),
      trim: (partition) => this.#trim(partition),
      removeMissing: (partition, offset) => this.#removeMissing(partition, offset),
      events,
    });
  }

  get settings(): ShareSettings {
    return this.#state.settings;
  }

  /** Those of the store. */
  get transactions(): TransactionRegistry {
    return this.#parts.transactions;
  }

  /** Where it is told what no caller hears of. */
  get events(): LeaseEvents {
    return this.#parts.events;
  }

  /** Grows with each process that leases records of the group. */
  get ownerEpoch(): number {
    return this.#state.ownerEpoch;
  }

  /** Whether an earlier process had leases and did not give them back. */
  get hasStaleLeases(): boolean {
    if (this.isOpen || this.#opening !== null) return false;
    return [...this.#state.partitions.values()].some(({ table }) => table.leasedCount > 0);
  }

  /** Whether its leases are those of this process, in all partitions. */
  get isReady(): boolean {
    return this.isOpen && this.leases.partitions.length >= this.topic.count;
  }

  /**
   * Takes the group over, once: what the process before had leased, and did not give back, was caught in
   * a crash. Nothing is leased before that is durable. Then begins in partitions that came since.
   */
  async open(): Promise<void> {
    // As changes: who closes the group waits for them.
    this.#opening ??= this.#changes
      .run(() => this.#open())
      .catch((error: unknown) => {
        this.#opening = null; // What failed may be tried again.
        throw error;
      });
    await this.#opening;
    if (!this.isReady) await this.#changes.run(() => this.#openPartitions());
  }

  async #open(): Promise<void> {
    const { topic } = this;
    topic.checkThere();
    if (this.#isClosed) throw topic.closedError();
    const { journal, clock } = this.#parts;
    await this.#openPartitions();
    this.#unwatch ??= topic.watch(() => {
      void this.#changes.run(() => this.#openPartitions()).catch(this.#parts.events.failed);
    });
    // A new group begins beyond all epochs of one that was deleted: each had an entry of its own.
    const before = this.ownerEpoch === 0 ? journal.appliedOffset : this.ownerEpoch;
    const ownerEpoch = before + 1;
    await journal.append(leasesOpened, { ...this.name, ownerEpoch, timeMs: clock.now() }, 'sync');
    this.isOpen = true;
  }

  /** Opens those that are not, and begins in those that the group has not seen. */
  async #openPartitions(): Promise<void> {
    for (let number = this.leases.partitions.length; number < this.topic.count; number++) {
      if (this.#isClosed) return;
      const used = this.topic.at(number);
      const release = used.hold();
      try {
        const log = await used.log();
        if (log.readOnly) throw readOnly(log.path);
        const { logId, startOffset } = log;
        if (!this.#state.partitions.has(number)) {
          const starts = [{ partition: number, logId, offset: startOffset }];
          const timeMs = this.clock.now();
          await this.#parts.journal.append(shareStarted, { ...this.name, starts, timeMs }, 'sync');
        }
        const state = this.#partitionState(number);
        const name = { ...this.name, partition: number };
        const { clock, leases: listener } = this;
        const { leaseJournal, loopClock } = this.#parts;
        const onDelay = (): void => loopClock.poke();
        const opened = { name, state, log, release, listener, clock, leaseJournal, onDelay };
        const partition = new PartitionLeases(opened);
        if (state.firstOffset < startOffset) await this.#trim(partition);
        if (this.#isClosed) release();
        else this.leases.add(partition);
      } catch (error) {
        release();
        throw error;
      }
    }
  }

  /** The consumer is closed: what it holds comes back, what it is changing is changed. */
  async leave(consumer: Consumer): Promise<void> {
    try {
      await this.leases.leave(consumer, 'closed');
    } finally {
      await this.#changes.idle();
    }
  }

  /** Figures, exact. @throws as `Log.read` */
  stats(): Promise<ShareStats> {
    const { topic, clock, isOpen: isLive } = this;
    return statsOf({ topic, state: this.#state, clock, isLive });
  }

  /** What `browse` needs. */
  browseSource<T>(codec: BrowseSource<T>['codec']): BrowseSource<T> {
    const { topic, clock } = this;
    const state = () => this.#view.state;
    return { topic, clock, codec, state, isLive: () => this.isOpen };
  }

  /**
   * Moves records of it elsewhere, or says what it would move.
   *
   * @param closing  aborted when whoever asked for it is closed
   * @throws as `redrive`
   */
  redrive<T, Input>(
    codec: Codec<T, Input>,
    options: RedriveOptions<T, Input>,
    closing: AbortSignal,
  ): Promise<RedriveReport> {
    const { clock, openTopic } = this.#parts;
    const parts = {
      ...this.#moverParts(closing),
      source: this.browseSource(codec),
      group: this.name.group,
      clock,
      codec,
      openTopic,
      closing,
    };
    return redrive(parts, options);
  }

  /**
   * Archives what nobody has leased of a partition, below an offset. @returns, throws as `archiveShare`
   */
  async archive(order: ArchiveOrder): Promise<string | null> {
    await this.open();
    const { journal, clock } = this.#parts;
    const { name, log } = present(this.leases.partitions[order.partition], 'all are open');
    const parts = {
      ...this.#moverParts(order.signal),
      name,
      topic: this.topic.name,
      state: this.#partitionState(order.partition),
      log,
      journal,
      nowMs: () => clock.now(),
    };
    return archiveShare(parts, order);
  }

  #moverParts(closing: AbortSignal): MoverParts {
    const { committer, arrived } = this.#parts;
    return {
      committer,
      arrived,
      partitions: () => this.leases.partitions,
      exclusively: (action) =>
        this.#exclusively(() => {
          closing.throwIfAborted();
          return action();
        }),
    };
  }

  setPaused(isPaused: boolean): Promise<void> {
    return this.#changes.run(async () => {
      this.topic.checkThere();
      const { journal } = this.#parts;
      // It may be so by an entry that was written, and could not be synced.
      if (this.#state.isPaused === isPaused) return journal.sync();
      await journal.append(sharePaused, { ...this.name, isPaused }, 'sync');
      this.leases.ready();
    });
  }

  /** @returns how many were settled */
  purge(): Promise<number> {
    return this.#exclusively(async () => {
      const parts = this.leases.partitions.map(({ name, log }) => ({
        partition: name.partition,
        endOffset: log.visibleOffset,
      }));
      const timeMs = this.clock.now();
      await this.#parts.journal.append(sharePurged, { ...this.name, parts, timeMs }, 'sync');
      return this.#sum(({ state }) => purgedCount(state.purged));
    });
  }

  /** @returns how many are there again */
  undoPurge(): Promise<number> {
    return this.#exclusively(() => this.#parts.settled.run(() => this.#undoPurge()));
  }

  async #undoPurge(): Promise<number> {
    for (const partition of this.leases.partitions) {
      // What retention has taken since is not brought back.
      const isPassed = firstPurgedOffset(partition.state) < partition.log.startOffset;
      if (isPassed) await this.#trim(partition);
    }
    const count = this.#sum(({ state }) => purgedCount(state.purged));
    if (count > 0) await this.#parts.journal.append(purgeUndone, this.name, 'sync');
    return count;
  }

  /** @returns whether it was there, and nobody had it leased */
  async cancel(ref: { readonly partition?: number; readonly offset: number }): Promise<boolean> {
    const { partition = 0, offset } = checkObject('ref', ref);
    checkChosen(partition, this.topic.count);
    checkInteger('offset', offset, { min: 0 });
    return this.#exclusively(async () => {
      const { name, state, log } = present(this.leases.partitions[partition], 'all are open');
      if (offset >= log.visibleOffset || !state.isUnleased(offset)) return false;
      const entry = { ...name, offsets: [offset, 1], cause: 'cancelled' as const };
      await this.#parts.journal.append(recordsRemoved, entry, 'sync');
      return true;
    });
  }

  /** Nobody uses it any more: leases were given back. */
  close(error: Error): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#unwatch?.();
    this.leases.close(error);
    this.events.recovered('worker-stopped');
  }

  /** What nobody has leased could be purged meanwhile: it would be dead, and come back all the same. */
  #bury(
    undertaker: Undertaker,
    partition: PartitionLeases,
    burials: readonly Burial[],
  ): Promise<void> {
    const { table } = partition.state;
    const isLeased = ({ offset }: Burial) =>
      table.stateAt(table.find(offset)) === SlotState.acquired;
    const bury = () => undertaker.bury(partition, burials);
    return burials.every(isLeased) ? bury() : this.#changes.run(bury);
  }

  /** Behind all changes before, and while nothing is being claimed. */
  async #exclusively<R>(action: () => Promise<R>): Promise<R> {
    await this.open();
    return this.#changes.run(() => {
      this.topic.checkThere();
      return this.leases.exclusively(action);
    });
  }

  async #trim({ name, log }: PartitionLeases): Promise<void> {
    const { startOffset } = log;
    await this.#parts.journal.append(shareTrimmed, { ...name, startOffset }, 'os');
  }

  async #removeMissing({ name }: PartitionLeases, offset: number): Promise<void> {
    const entry = { ...name, offsets: [offset, 1], cause: 'missing' as const };
    await this.#parts.journal.append(recordsRemoved, entry, 'os');
  }

  #sum(countOf: (partition: PartitionLeases) => number): number {
    return this.leases.partitions.reduce((sum, partition) => sum + countOf(partition), 0);
  }

  #partitionState(number: number): SharePartition {
    return present(this.#state.partitions.get(number), 'the group has begun there');
  }

  get #state(): ShareState {
    const { state } = this.#view;
    if (state === null) throw this.topic.closedError(); // It was deleted.
    return state;
  }
}

function readOnly(path: string): ReadOnlyError {
  return new ReadOnlyError({ operation: 'a lease', path });
}
