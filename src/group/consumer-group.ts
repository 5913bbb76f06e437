/** One member of a consumer group, as its users hold it: read, commit, seek, pause, leave. */
import { argumentError, checkInteger } from '../core/assert.ts';
import { ClosedError, FencedError, OffsetOutOfRangeError, TooLargeError } from '../core/errors.ts';
import { RecordBatch } from '../log/record.ts';
import type { ReadFrom } from '../log/read-options.ts';
import type { Ownership } from './coordinator.ts';
import type { GroupSettings } from './group-options.ts';
import type { CommittedPosition, PositionChange } from './group-state.ts';
import type { GroupShared } from './group-shared.ts';
import { PartitionFeed, type BatchSource } from './partition-feed.ts';
import { checkStart, readFromOf, type StartFrom } from './start-position.ts';

/** A position to commit: the next offset to read. */
export interface CommitPosition {
  readonly partition: number;
  readonly offset: number;
}

export interface CommitOptions {
  /** The caller's note, at most 4096 bytes of UTF-8; default none. */
  readonly metadata?: string | undefined;
}

/** @internal */
export interface ConsumerGroupParts<T> {
  readonly topic: BatchSource<T>;
  readonly shared: GroupShared;
  readonly settings: GroupSettings;
  readonly onClosed: () => void;
}

const METADATA_BYTES_MAX = 4096;

/**
 * A member of a consumer group: it reads the partitions that it owns, each of which no other member
 * reads. Made by `Topic.consumerGroup`, which also joins; `close` leaves.
 */
export class ConsumerGroup<T> implements AsyncDisposable {
  readonly #topic: BatchSource<T>;
  readonly #shared: GroupShared;
  readonly #settings: GroupSettings;
  readonly #onClosed: () => void;
  readonly #feeds = new Map<number, PartitionFeed<T>>();
  /** Under which right a batch was handed out. */
  readonly #origins = new WeakMap<RecordBatch<T>, Ownership>();
  /** Handed out and not committed by `autoCommit` yet. */
  readonly #uncommitted = new Set<number>();
  #memberId: string;
  #lastAutoCommitMs: number;
  #wake: (() => void) | null = null;
  #hasNews = false;
  #isReading = false;
  #isClosed = false;

  /** @internal */
  constructor({ topic, shared, settings, onClosed }: ConsumerGroupParts<T>) {
    this.#topic = topic;
    this.#shared = shared;
    this.#settings = settings;
    this.#onClosed = onClosed;
    this.#lastAutoCommitMs = shared.clock.monotonic();
    this.#memberId = this.#join();
  }

  get name(): string {
    return this.#shared.group;
  }

  /** Changes when the member was taken for dead and joined again. */
  get memberId(): string {
    return this.#memberId;
  }

  /** Partitions that the member reads now, ascending. */
  get assignment(): readonly number[] {
    return this.#shared.coordinator
      .ownedBy(this.#memberId)
      .map(({ partition }) => partition)
      .toSorted((one, two) => one - two);
  }

  /**
   * Reads batch by batch from the partitions that the member owns, and waits for more; it ends when
   * the member is closed. To ask for the next batch says that the last one is done with.
   *
   * @param options.signal  ends the read with its reason; the member stays in the group
   * @throws as `Log.batches`; OffsetOutOfRangeError with `whenLost: 'fail'`; what a callback throws;
   *   TypeError for a second read at a time
   */
  async *batches(
    options: { readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<RecordBatch<T>, void, void> {
    if (this.#isReading) throw argumentError(TypeError, 'batches', 'read once at a time', true);
    this.#isReading = true;
    const { signal } = options;
    const wake = () => this.#notify();
    signal?.addEventListener('abort', wake);
    try {
      for (;;) {
        const batch = await this.#poll(signal);
        if (batch === null) return;
        yield batch;
      }
    } finally {
      this.#isReading = false;
      signal?.removeEventListener('abort', wake);
      this.#shared.coordinator.polled(this.#memberId);
    }
  }

  /**
   * Commits how far the group has come: up to the end of a batch, at a position, or, without one, at
   * the end of every batch that this member was given.
   *
   * @throws FencedError when the member does not own the partition any more: nothing was committed;
   *   RangeError for a position that is not readable yet; TooLargeError; as `Log.append`
   *
   * Durability: synced when it resolves. Cost: commits that are made while one is on its way share
   * the next sync.
   */
  async commit(
    what?: RecordBatch<T> | CommitPosition | readonly CommitPosition[],
    { metadata = '' }: CommitOptions = {},
  ): Promise<void> {
    this.#checkOpen();
    checkMetadata(metadata);
    const changes = this.#changesOf(what).map((change) => ({ ...change, metadata }));
    if (changes.length > 0) await this.#shared.committer.commit(await this.#named(changes));
  }

  /** What the group committed last in a partition; null when it never did. */
  committed(partition: number): CommittedPosition | null {
    return this.#shared.committed(partition);
  }

  /** Goes on at another place, with the next batch. Commits nothing. @throws FencedError */
  seek(partition: number, from: StartFrom): void {
    checkStart('from', from);
    this.#feed(partition).seek(readFromOf(from, this.#shared.clock));
    this.#uncommitted.delete(partition);
  }

  /** Stops reading these, and keeps them; until `resume`, or until they go. @throws FencedError */
  pause(partitions: readonly number[] = this.assignment): void {
    for (const partition of partitions) this.#feed(partition).isPaused = true;
  }

  /** @throws FencedError */
  resume(partitions: readonly number[] = this.assignment): void {
    for (const partition of partitions) this.#feed(partition).isPaused = false;
    this.#notify();
  }

  /**
   * Leaves the group: its partitions go to other members at once. With `autoCommit: 'after'` commits
   * first. Idempotent.
   */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      if (this.#settings.autoCommit === 'after') await this.#commitHandled(this.#uncommitted);
    } finally {
      this.#dropFeeds();
      this.#shared.coordinator.leave(this.#memberId);
      this.#notify();
      this.#onClosed();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #poll(signal: AbortSignal | undefined): Promise<RecordBatch<T> | null> {
    const { coordinator } = this.#shared;
    for (;;) {
      signal?.throwIfAborted();
      if (this.#isClosed) return null;
      this.#hasNews = false;
      await this.#balance();
      await this.#autoCommit();
      if (this.#isClosed) return null; // Meanwhile.
      const batch = this.#take();
      if (batch !== null) {
        if (this.#settings.autoCommit === 'before') await this.commit(batch);
        coordinator.polled(this.#memberId);
        return batch;
      }
      if (!this.#hasNews) await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = null;
    }
  }

  /** Gives up what others shall have, and takes up what came. */
  async #balance(): Promise<void> {
    const { coordinator } = this.#shared;
    const leaving = coordinator.poll(this.#memberId);
    if (leaving === null) {
      const lost = [...this.#feeds.keys()];
      this.#dropFeeds();
      this.#memberId = this.#join();
      if (lost.length > 0) await this.#settings.onLost(lost);
      coordinator.poll(this.#memberId);
    } else if (leaving.length > 0) {
      if (this.#settings.autoCommit === 'after') await this.#commitHandled(leaving);
      await this.#settings.onRevoked(leaving);
      for (const partition of leaving) this.#dropFeed(partition);
      coordinator.giveUp(this.#memberId, leaving);
    }
    const owned = coordinator.ownedBy(this.#memberId);
    const fresh = owned.filter(({ partition }) => !this.#feeds.has(partition));
    if (fresh.length === 0) return;
    await this.#settings.onAssigned(fresh.map(({ partition }) => partition));
    if (this.#isClosed) return; // Meanwhile.
    for (const ownership of fresh) this.#begin(ownership);
  }

  #begin(ownership: Ownership): void {
    const { clock } = this.#shared;
    const committed = this.committed(ownership.partition);
    const from: ReadFrom =
      committed === null ? readFromOf(this.#settings.from, clock) : placeOf(committed);
    const onArrival = () => this.#notify();
    const feed = new PartitionFeed<T>({ topic: this.#topic, ownership, from, onArrival });
    this.#feeds.set(ownership.partition, feed);
  }

  /** The next batch that is there, of the partition that waited longest. */
  #take(): RecordBatch<T> | null {
    for (const [partition, feed] of this.#feeds) {
      const batch = this.#takeOf(feed);
      if (batch === null) continue;
      this.#feeds.delete(partition); // Behind the others.
      this.#feeds.set(partition, feed);
      this.#origins.set(batch, feed.ownership);
      this.#uncommitted.add(partition);
      return batch;
    }
    return null;
  }

  #takeOf(feed: PartitionFeed<T>): RecordBatch<T> | null {
    const { whenLost } = this.#settings;
    try {
      return feed.take();
    } catch (error) {
      if (!(error instanceof OffsetOutOfRangeError) || whenLost === 'fail') throw error;
      feed.seek(whenLost);
      return null;
    }
  }

  async #autoCommit(): Promise<void> {
    const { autoCommit, autoCommitMs } = this.#settings;
    const nowMs = this.#shared.clock.monotonic();
    if (autoCommit !== 'after' || nowMs - this.#lastAutoCommitMs < autoCommitMs) return;
    this.#lastAutoCommitMs = nowMs;
    await this.#commitHandled(this.#uncommitted);
  }

  /** Commits where the member stands in these, as far as it owns them. */
  async #commitHandled(partitions: Iterable<number>): Promise<void> {
    const changes = [...partitions].flatMap((partition) => this.#standing(partition));
    for (const { partition } of changes) this.#uncommitted.delete(partition);
    if (changes.length > 0) await this.#shared.committer.commit(await this.#named(changes));
  }

  #standing(partition: number): readonly Omit<PositionChange, 'logId'>[] {
    const feed = this.#feeds.get(partition);
    const position = feed?.position ?? null;
    if (feed === undefined || position === null || !this.#uncommitted.has(partition)) return [];
    if (!this.#shared.coordinator.isValid(this.#memberId, feed.ownership)) return [];
    return [{ partition, ...position, metadata: '' }];
  }

  #changesOf(
    what: RecordBatch<T> | CommitPosition | readonly CommitPosition[] | undefined,
  ): readonly Omit<PositionChange, 'logId' | 'metadata'>[] {
    if (what === undefined) {
      return [...this.#feeds.values()].flatMap(({ ownership, position }) => {
        if (position === null) return [];
        this.#checkOwned(ownership);
        return [{ partition: ownership.partition, ...position }];
      });
    }
    if (what instanceof RecordBatch) {
      const ownership = this.#origins.get(what);
      if (ownership === undefined) {
        throw argumentError(TypeError, 'batch', 'one that this member was given', what);
      }
      this.#checkOwned(ownership);
      const { partition, nextOffset: offset, epoch } = what;
      return [{ partition, offset, epoch }];
    }
    return (isList(what) ? what : [what]).map(({ partition, offset }) => {
      checkInteger('offset', offset, { min: 0 });
      this.#checkOwned(this.#feed(partition).ownership);
      return { partition, offset, epoch: 0 };
    });
  }

  /** With the ids of their logs; none may be beyond what readers see. */
  #named(changes: readonly Omit<PositionChange, 'logId'>[]): Promise<PositionChange[]> {
    return Promise.all(
      changes.map(async (change) => {
        const { logId, visibleOffset } = await this.#shared.logOf(change.partition);
        checkInteger('offset', change.offset, { min: 0, max: visibleOffset });
        return { ...change, logId };
      }),
    );
  }

  #feed(partition: number): PartitionFeed<T> {
    const feed = this.#feeds.get(partition);
    if (feed !== undefined) return feed;
    throw this.#fenced(partition);
  }

  #checkOwned(ownership: Ownership): void {
    const { coordinator } = this.#shared;
    if (coordinator.isValid(this.#memberId, ownership)) return;
    throw this.#fenced(ownership.partition);
  }

  #fenced(partition: number): FencedError {
    return new FencedError({ group: this.name, member: this.#memberId, partition });
  }

  #join(): string {
    const { pollMsMax } = this.#settings;
    return this.#shared.coordinator.join({ pollMsMax, onChange: () => this.#notify() });
  }

  #notify(): void {
    this.#hasNews = true;
    this.#wake?.();
  }

  #dropFeeds(): void {
    for (const partition of this.#feeds.keys()) this.#dropFeed(partition);
  }

  #dropFeed(partition: number): void {
    this.#feeds.get(partition)?.close();
    this.#feeds.delete(partition);
    this.#uncommitted.delete(partition);
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new ClosedError({ resource: 'consumer group', name: this.name });
  }
}

function placeOf({ offset, epoch }: CommittedPosition): ReadFrom {
  return epoch === 0 ? offset : { offset, epoch }; // 0: committed by number, not from a batch.
}

function checkMetadata(metadata: unknown): void {
  if (typeof metadata !== 'string') throw argumentError(TypeError, 'metadata', 'text', metadata);
  const bytes = Buffer.byteLength(metadata, 'utf8');
  if (bytes <= METADATA_BYTES_MAX) return;
  throw new TooLargeError({ what: 'metadata', bytes, bytesMax: METADATA_BYTES_MAX });
}

function isList(
  what: CommitPosition | readonly CommitPosition[],
): what is readonly CommitPosition[] {
  return Array.isArray(what);
}
