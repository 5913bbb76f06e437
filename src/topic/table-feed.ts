/**
 * What a table reads: the partitions of a topic, round by round. A round goes up to what was visible in
 * all of them in one moment, so that a commit over several is in it, or not at all; within a round batches
 * come in order of append time.
 */
import { Bell } from '../core/bell.ts';
import { OffsetOutOfRangeError } from '../core/errors.ts';
import { settleAll } from '../core/settle-all.ts';
import { nextOffsetOf } from '../format/batch-header.ts';
import type { VerifiedBatch } from '../format/batch-records.ts';
import type { Log } from '../log/log.ts';
import type { ReadFrom } from '../log/read-options.ts';
import type { RecordSource } from '../log/record-source.ts';
import type { PartitionSet } from './partition-set.ts';
import type { TablePlace } from './table-options.ts';

/** A batch of a partition. */
export interface FedBatch {
  readonly partition: number;
  readonly batch: VerifiedBatch;
  /** Records below this offset, if it has any, are not meant. */
  readonly from: number;
}

export interface TableFeedOptions {
  readonly partitions: PartitionSet;
  /** Partitions to read, ascending; null = all, also those that come. */
  readonly chosen: readonly number[] | null;
  /** Where each begins; those that are not named begin with their first record. */
  readonly from: ReadonlyMap<number, number>;
  /** Whether it goes on behind what retention took before it was read, in place of failing. */
  readonly skipsTrimmed: boolean;
  /** Whether the process stays alive while it waits for further records. */
  readonly keepsAlive: boolean;
}

/** One partition that is read. */
interface Lane {
  readonly partition: number;
  readonly log: Log<Uint8Array>;
  readonly release: () => void;
  source: RecordSource;
  /** Everything below was handed out, or holds no record. */
  position: number;
  /** Where the round ends. */
  end: number;
  /** What was read and not handed out. */
  arrived: FedBatch | null;
  isWaiting: boolean;
}

export class TableFeed {
  readonly #options: TableFeedOptions;
  /** By partition, ascending. */
  readonly #lanes: Lane[] = [];
  readonly #bell = new Bell();
  readonly #unwatch: () => void;
  /** Why a lane cannot go on. */
  #failure: { readonly error: unknown } | null = null;
  #isClosed = false;

  constructor(options: TableFeedOptions) {
    this.#options = options;
    this.#unwatch = options.partitions.watch(this.#bell.ring);
  }

  /** Offset from which each partition goes on: everything below was handed out. */
  positions(): Map<number, number> {
    return new Map(this.#lanes.map(({ partition, position }) => [partition, position]));
  }

  /** Looks for what another process has appended, where it writes the topic. @throws as `Log.refresh` */
  async refresh(): Promise<void> {
    await settleAll(this.#lanes.map(({ log }) => log.refresh()));
  }

  /** Of each partition that has records the last that can be read, or where it would be. */
  ends(): readonly TablePlace[] {
    return this.#lanes.flatMap(({ partition, log }) =>
      log.visibleOffset === 0 ? [] : [{ partition, offset: log.visibleOffset - 1 }],
    );
  }

  /** The open log of a partition. */
  logOf(partition: number): Log<Uint8Array> | null {
    return this.#laneOf(partition)?.log ?? null;
  }

  /**
   * Begins a round, up to what is visible now.
   *
   * @throws as `openLog`; ClosedError; what the wait for this round met
   */
  async begin(): Promise<void> {
    // Before the end is taken: what is visible of a commit is in it whole, also in new partitions.
    while (this.#lanes.length < this.#wanted.length) await this.#open(this.#lanes.length);
    if (this.#failure !== null) throw this.#failure.error;
    for (const lane of this.#lanes) lane.end = Math.max(lane.position, lane.log.visibleOffset);
  }

  /** The next batch of the round; null behind the last, or once closed. @throws as `Log.batches` */
  async next(): Promise<FedBatch | null> {
    let first: Lane | null = null;
    let firstMs = Number.POSITIVE_INFINITY;
    for (const lane of this.#lanes) {
      if (lane.arrived === null && lane.position < lane.end) await this.#advance(lane);
      const header = lane.arrived?.batch.header;
      if (header === undefined || header.baseOffset >= lane.end) continue;
      if (header.appendTimeMs >= firstMs) continue; // Of those of one time: the lowest partition.
      first = lane;
      firstMs = header.appendTimeMs;
    }
    if (this.#isClosed) return null;
    if (first === null) {
      for (const lane of this.#lanes) lane.position = Math.max(lane.position, lane.end);
      return null;
    }
    const { arrived } = first;
    first.arrived = null;
    if (arrived !== null) first.position = nextOffsetOf(arrived.batch.header);
    return arrived;
  }

  /** Resolves when there may be more than the last round had, or it was closed, or `signal` aborts. */
  async more(signal?: AbortSignal): Promise<void> {
    const { partitions, keepsAlive } = this.#options;
    this.#bell.silence();
    if (this.#isClosed || this.#hasMore) return;
    for (const lane of this.#lanes) if (!lane.isWaiting) void this.#watch(lane);
    await this.#bell.wait({ clock: partitions.clock, delayMs: null, signal, keepsAlive });
  }

  /** Ends all reads, also one that waits, and lets go of the partitions. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#unwatch();
    for (const { source, release } of this.#lanes) {
      source.close();
      release();
    }
    this.#bell.ring();
  }

  get #wanted(): readonly number[] {
    const { partitions, chosen } = this.#options;
    return chosen ?? Array.from({ length: partitions.count }, (_, number) => number);
  }

  get #hasMore(): boolean {
    if (this.#lanes.length < this.#wanted.length) return true;
    return this.#lanes.some(({ position, log }) => log.visibleOffset > position);
  }

  #laneOf(partition: number): Lane | undefined {
    const { chosen } = this.#options;
    return this.#lanes[chosen === null ? partition : chosen.indexOf(partition)];
  }

  async #open(at: number): Promise<void> {
    const { partitions, from } = this.#options;
    const partition = this.#wanted[at] ?? 0;
    const used = partitions.at(partition);
    const release = used.hold();
    let lane: Lane | null = null;
    try {
      const log = await used.log();
      const source = this.#sourceOf(log, from.get(partition) ?? 'earliest');
      const position = from.get(partition) ?? log.startOffset;
      const shared = { partition, log, release, source, position };
      lane = { ...shared, end: position, arrived: null, isWaiting: false };
      await this.#advance(lane); // Begins the read, which takes a fresh look in a log that is only read.
      if (this.#isClosed) throw partitions.closedError();
      this.#lanes.push(lane);
    } catch (error) {
      lane?.source.close();
      release();
      throw error;
    }
  }

  #sourceOf(log: Log<Uint8Array>, from: ReadFrom): RecordSource {
    // No end, and no `follow`: `next` says when there is no more, and goes on when there is.
    return log.source({ from, to: Number.MAX_SAFE_INTEGER, keepsAlive: false }, 'own');
  }

  /** Reads the next batch of a lane, if there is one. */
  async #advance(lane: Lane): Promise<void> {
    for (;;) {
      const { source, partition } = lane;
      try {
        const isThere = await source.next();
        if (isThere) lane.arrived = { partition, batch: source.kept, from: source.from };
        else lane.position = Math.max(lane.position, source.offset);
        return;
      } catch (error) {
        if (!this.#isTrimmed(lane, error)) throw error;
        source.close();
        lane.source = this.#sourceOf(lane.log, 'earliest');
      }
    }
  }

  #isTrimmed({ log }: Lane, error: unknown): boolean {
    if (!this.#options.skipsTrimmed || !(error instanceof OffsetOutOfRangeError)) return false;
    return error.details.requested < log.startOffset;
  }

  /** Rings when there may be more in a partition. Never rejects: `begin` does. */
  async #watch(lane: Lane): Promise<void> {
    lane.isWaiting = true;
    try {
      await lane.source.more();
    } catch (error) {
      this.#failure ??= { error };
    }
    lane.isWaiting = false;
    this.#bell.ring();
  }
}
