/** One member of a consumer group, as its users hold it: read, commit, seek, pause, leave. */
import { toError } from '../core/abort.ts';
import { argumentError, checkArray } from '../core/assert.ts';
import { Bell } from '../core/bell.ts';
import { ClosedError } from '../core/errors.ts';
import { FencedError } from '../core/ownership-errors.ts';
import type { RecordBatch } from '../log/record.ts';
import { metadataOf, type CommitOptions } from './commit-positions.ts';
import type { Ownership } from './coordinator.ts';
import { checkReadOptions, type GroupReadOptions, type GroupSettings } from './group-options.ts';
import type { CommittedPosition } from './group-state.ts';
import { checkTopic, notOwned, type ConsumerGroupParts, type GroupShared } from './group-shared.ts';
import { MemberPositions, type CommitSubject } from './member-positions.ts';
import {
  processBatches,
  type BatchReader,
  type ProcessHandler,
  type ProcessOptions,
} from './process-batches.ts';
import { isLost, PartitionFeed, type BatchSource } from './partition-feed.ts';
import { anchorStarts, startIn } from './start-anchor.ts';
import { checkStart, readFromOf, type StartFrom } from '../topic/start-position.ts';
import { commitOffsetIn, type PartCollector, type Positioned } from '../transaction/commit-part.ts';

/**
 * A member of a consumer group: it reads the partitions that it owns, each of which no other member
 * reads. Made by `Topic.consumerGroup`, which also joins; `close` leaves.
 */
export class ConsumerGroup<T>
  implements AsyncDisposable, Positioned<CommitSubject<T>, CommitOptions>
{
  readonly #topic: BatchSource<T>;
  readonly #shared: GroupShared;
  readonly #settings: GroupSettings;
  readonly #onClosed: () => void;
  readonly #feeds = new Map<number, PartitionFeed<T>>();
  /** Of which `onAssigned` was told. */
  readonly #announced = new Set<number>();
  /** Of the batch that was handed out last; null when the member is done with it. */
  #current: PartitionFeed<T> | null = null;
  #memberId: string;
  #lastAutoCommitMs: number;
  readonly #positions: MemberPositions<T>;
  readonly #bell = new Bell();
  #isReading = false;
  #isClosed = false;
  #closing: Promise<void> | null = null;

  /** @internal */
  constructor({ topic, shared, settings, onClosed }: ConsumerGroupParts<T>) {
    this.#topic = topic;
    this.#shared = shared;
    this.#settings = settings;
    this.#onClosed = onClosed;
    this.#lastAutoCommitMs = shared.clock.monotonic();
    this.#positions = new MemberPositions({
      shared,
      feeds: this.#feeds,
      feedOf: (partition) => this.#feed(partition),
      isValid: (ownership) => this.#isValid(ownership),
      watch: (own, ended) => shared.coordinator.watch(this.#memberId, own, ended),
      notOwned: this.#notOwned,
    });
    this.#memberId = this.#join();
  }

  get name(): string {
    return this.#shared.name.group;
  }

  /** Changes when the member was taken for dead and joined again. */
  get memberId(): string {
    return this.#memberId;
  }

  /** Partitions that the member reads now, ascending. */
  get assignment(): readonly number[] {
    return this.#shared.coordinator.assignmentOf(this.#memberId);
  }

  /**
   * Reads batch by batch from the partitions that the member owns, and waits for more; it ends when
   * the member is closed. To ask for the next batch says that the last one is done with.
   *
   * @param options.signal      ends the read with its reason; the member stays in the group
   * @param options.keepsAlive  whether the process stays alive while it waits; default true
   * @throws as `Log.batches`; OffsetOutOfRangeError with `whenLost: 'fail'`; what a callback throws;
   *   TypeError for a second read at a time
   */
  batches(options: GroupReadOptions = {}): AsyncGenerator<RecordBatch<T>, void, void> {
    return this.#read(options, this.#settings.autoCommit === 'after');
  }

  /**
   * Read, process, write, exactly once: runs `handler` on batch by batch, each with a transaction in which
   * the position behind the batch is committed with whatever the handler adds, when it is done. Resolves
   * when the member is closed. Until then it waits for more.
   *
   * @param handler  adds to `tx` what comes of the batch; its own effects elsewhere are not undone
   * @throws what the handler threw, or why its transaction failed: nothing of it was committed, and the
   *   member stands before that batch again, to go on when this is called again. Where the partition was
   *   lost meanwhile, it goes on with what the member owns. TypeError unless `autoCommit` is `never`; as
   *   `batches`
   *
   * Durability: each batch is synced before the next. Cost: as `Store.transaction`.
   */
  async process(handler: ProcessHandler<T>, options: ProcessOptions = {}): Promise<void> {
    const { autoCommit } = this.#settings;
    if (autoCommit !== 'never') {
      throw argumentError(
        TypeError,
        'autoCommit',
        "'never' for what `process` commits",
        autoCommit,
      );
    }
    const reader: BatchReader<T> = {
      transactions: this.#shared.transactions,
      read: (how) => this.#read(how, true),
      commitIn: (tx, batch) => tx.commitOffset(this, batch),
      owns: (batch) => this.#positions.owns(batch),
      isClosed: () => this.#isClosed,
    };
    await processBatches(reader, handler, options);
  }

  /** @param takesBack  whether what was given last is given again when the read is broken off */
  async *#read(
    options: GroupReadOptions,
    takesBack: boolean,
  ): AsyncGenerator<RecordBatch<T>, void, void> {
    const how = checkReadOptions(options);
    checkTopic(this.#shared);
    if (this.#isClosed) return;
    if (this.#isReading) throw argumentError(TypeError, 'batches', 'read once at a time', true);
    this.#isReading = true;
    try {
      for (;;) {
        const batch = await this.#poll(how);
        if (batch === null) return;
        yield batch;
      }
    } finally {
      this.#isReading = false;
      if (takesBack) this.#current?.takeBack();
      this.#current = null;
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
   * Durability: synced when it resolves. Commits made while one is on its way share the next sync.
   */
  commit(what?: CommitSubject<T>, options?: CommitOptions): Promise<void> {
    try {
      this.#checkOpen();
      return this.#positions.commit(what, metadataOf(options));
    } catch (error) {
      return Promise.reject(toError(error));
    }
  }

  /** For `Transaction.commitOffset`. */
  [commitOffsetIn](into: PartCollector, what: CommitSubject<T>, options?: CommitOptions): void {
    this.#checkOpen();
    this.#positions.bring(into, what, metadataOf(options));
  }

  /** What the group committed last in a partition; null when it never did. */
  committed(partition: number): CommittedPosition | null {
    return this.#shared.committed(partition);
  }

  /** Goes on at another place, with the next batch. Commits nothing. @throws FencedError, ClosedError */
  seek(partition: number, from: StartFrom): void {
    checkStart('from', from);
    this.#checkOpen();
    this.#feed(partition).seek(readFromOf(from, this.#shared.clock));
    this.#positions.forget(partition);
  }

  /** Stops reading these, and keeps them; until `resume`, or until they go. @throws FencedError */
  pause(partitions: readonly number[] = this.assignment): void {
    checkArray('partitions', partitions);
    this.#checkOpen();
    for (const partition of partitions) this.#feed(partition).isPaused = true;
  }

  /** @throws FencedError */
  resume(partitions: readonly number[] = this.assignment): void {
    checkArray('partitions', partitions);
    this.#checkOpen();
    for (const partition of partitions) this.#feed(partition).isPaused = false;
    this.#bell.ring();
  }

  /**
   * Leaves the group: its partitions go to other members at once. With `autoCommit: 'after'` commits
   * first. Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    try {
      const isDue = this.#settings.autoCommit === 'after' && !this.#shared.topic.isDeleted;
      if (isDue) await this.#positions.commitHandled(this.#positions.uncommitted);
    } finally {
      // What the next owner, or a reset, finds must be the last word of this member.
      await this.#positions.idle();
      await this.#shared.commitsIdle();
      for (const partition of this.#feeds.keys()) this.#dropFeed(partition);
      this.#shared.coordinator.leave(this.#memberId);
      this.#bell.ring();
      this.#onClosed();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #checkOpen(): void {
    checkTopic(this.#shared);
    if (this.#isClosed) throw new ClosedError({ resource: 'consumer group', name: this.name });
  }

  async #poll(how: GroupReadOptions): Promise<RecordBatch<T> | null> {
    const { coordinator } = this.#shared;
    this.#settle();
    for (;;) {
      how.signal?.throwIfAborted();
      checkTopic(this.#shared);
      if (this.#isClosed) return null;
      this.#bell.silence();
      await this.#balance();
      await this.#autoCommit();
      if (this.#isClosed) continue; // Meanwhile.
      const batch = this.#take();
      if (batch !== null && (await this.#isOurs(batch))) {
        coordinator.polled(this.#memberId);
        return batch;
      }
      if (batch === null) await this.#news(how);
    }
  }

  /** To ask for the next batch says that the last one is done with. */
  #settle(): void {
    const feed = this.#current;
    this.#current = null;
    if (feed === null) return;
    feed.handled = feed.position;
    this.#positions.handled(feed.ownership.partition);
  }

  /** With `autoCommit: 'before'` commits it; false when that came too late: another one has it. */
  async #isOurs(batch: RecordBatch<T>): Promise<boolean> {
    if (this.#settings.autoCommit !== 'before') return true;
    try {
      await this.commit(batch);
      return true;
    } catch (error) {
      if (error instanceof FencedError) return false;
      throw error;
    }
  }

  /** Waits for something to do; what was handled is committed in time, also when nothing comes. */
  async #news({ signal, keepsAlive = true }: GroupReadOptions): Promise<void> {
    const { autoCommit, autoCommitMs } = this.#settings;
    const { clock } = this.#shared;
    const isDue = autoCommit === 'after' && this.#positions.uncommitted.size > 0;
    const leftMs = Math.max(0, this.#lastAutoCommitMs + autoCommitMs - clock.monotonic());
    await this.#bell.wait({ clock, delayMs: isDue ? leftMs : null, signal, keepsAlive });
  }

  /** Gives up what others shall have, and takes up what came. */
  async #balance(): Promise<void> {
    const { coordinator } = this.#shared;
    const leaving = coordinator.poll(this.#memberId);
    if (leaving === null) {
      const lost = [...this.#feeds.keys()];
      for (const partition of this.#feeds.keys()) this.#dropFeed(partition);
      this.#memberId = this.#join();
      if (lost.length > 0) await this.#tell(this.#settings.onLost, lost);
      else coordinator.poll(this.#memberId);
    } else if (leaving.length > 0) {
      if (this.#settings.autoCommit === 'after') await this.#positions.commitHandled(leaving);
      await this.#tell(this.#settings.onRevoked, leaving);
      for (const partition of leaving) this.#dropFeed(partition);
      coordinator.giveUp(this.#memberId, leaving);
    }
    const isNew = ({ partition }: Ownership) => !this.#announced.has(partition);
    const ownerships = coordinator.ownedBy(this.#memberId).filter(isNew);
    const fresh = ownerships.map(({ partition }) => partition);
    const { from, onAssigned } = this.#settings;
    await this.#shared.commitsIn(fresh); // Else it would begin in front of what the last owner commits.
    await anchorStarts(this.#shared, { ownerships, from, isValid: (own) => this.#isValid(own) });
    if (fresh.length > 0) await this.#tell(onAssigned, fresh);
    if (this.#isClosed) return; // Meanwhile.
    for (const ownership of coordinator.ownedBy(this.#memberId)) {
      if (!fresh.includes(ownership.partition)) continue;
      this.#announced.add(ownership.partition);
      if (!this.#feeds.has(ownership.partition)) this.#begin(ownership);
    }
  }

  /** A callback is work, as that on a batch is: whoever takes too long over it loses partitions. */
  async #tell(callback: GroupSettings['onLost'], partitions: readonly number[]): Promise<void> {
    const { coordinator } = this.#shared;
    coordinator.polled(this.#memberId);
    await callback(partitions);
    coordinator.poll(this.#memberId);
  }

  #begin(ownership: Ownership): PartitionFeed<T> {
    const { partition } = ownership;
    const commits = this.#shared.commitsIn([partition]);
    const start = () => startIn(this.#shared, partition, this.#settings.from);
    const from = commits === null ? start() : commits.then(start);
    const onArrival = this.#bell.ring;
    const feed = new PartitionFeed<T>({ topic: this.#topic, ownership, from, onArrival });
    this.#feeds.set(partition, feed);
    return feed;
  }

  /** The next batch that is there, of the partition that waited longest. */
  #take(): RecordBatch<T> | null {
    for (const [partition, feed] of this.#feeds) {
      if (!this.#isValid(feed.ownership)) continue; // Lost in a callback.
      const batch = this.#takeOf(feed);
      if (batch === null) continue;
      this.#feeds.delete(partition); // Behind the others.
      this.#feeds.set(partition, feed);
      this.#positions.handedOut(batch, feed.ownership);
      this.#current = feed;
      return batch;
    }
    return null;
  }

  #takeOf(feed: PartitionFeed<T>): RecordBatch<T> | null {
    const { whenLost } = this.#settings;
    try {
      return feed.take();
    } catch (error) {
      if (whenLost === 'fail' || !isLost(error)) throw error;
      feed.seek(whenLost);
      return null;
    }
  }

  async #autoCommit(): Promise<void> {
    const { autoCommit, autoCommitMs } = this.#settings;
    const nowMs = this.#shared.clock.monotonic();
    if (autoCommit !== 'after' || nowMs - this.#lastAutoCommitMs < autoCommitMs) return;
    this.#lastAutoCommitMs = nowMs;
    await this.#positions.commitHandled(this.#positions.uncommitted);
  }

  #feed(partition: number): PartitionFeed<T> {
    const feed = this.#feeds.get(partition);
    if (feed !== undefined) return feed;
    const ownership = this.#shared.coordinator.ownershipOf(this.#memberId, partition);
    if (ownership === null) throw this.#notOwned({ partition });
    return this.#begin(ownership);
  }

  #isValid(ownership: Ownership): boolean {
    return this.#shared.coordinator.isValid(this.#memberId, ownership);
  }

  #notOwned = ({ partition }: Pick<Ownership, 'partition'>): Error =>
    notOwned(this.#shared, this.#memberId, partition);

  #join(): string {
    const { pollMsMax } = this.#settings;
    return this.#shared.coordinator.join({ pollMsMax, onChange: this.#bell.ring });
  }

  #dropFeed(partition: number): void {
    this.#feeds.get(partition)?.close();
    this.#feeds.delete(partition);
    this.#announced.delete(partition);
    this.#positions.forget(partition);
  }
}
