/**
 * The write side of a log: takes records, groups them, has them written and synced, and answers
 * each caller when its level is reached.
 *
 * Everything that arrives in one turn of the event loop, or while a write is in flight, goes out
 * together. The first failed sync, or a write whose outcome is unknown, stops the writer for good.
 */
import { BackpressureError, ClosedError, FailedError, WrongOffsetError } from '../core/errors.ts';
import { present } from '../core/assert.ts';
import type { Clock } from '../core/clock.ts';
import { EARLY_WRITE_BYTES, LATE_WRITE_BYTES, SYNC_WRITE_BYTES_MAX } from '../core/limits.ts';
import type { EncodableRecord } from '../format/batch-encoder.ts';
import type { Waiter } from './ack-queue.ts';
import { AppendTurn } from './append-turn.ts';
import type { BatchBuilder } from './batch-builder.ts';
import { Backpressure } from './backpressure.ts';
import type { Chunk } from './chunk.ts';
import { CommitAppends } from './commit-appends.ts';
import { RefusedWrite, type ChunkWriter } from './chunk-writer.ts';
import { FlushTimer } from './flush-timer.ts';
import type { DurabilityLevel } from './log-options.ts';
import type { LogObserver } from './log-home.ts';
import type { LogMarks } from './marks.ts';
import { NoWaitLoss } from './no-wait-loss.ts';
import type { RecordRun } from './record-run.ts';
import type { SyncLoop } from './sync-loop.ts';
import { Waiters } from './waiters.ts';

export interface AppenderOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly marks: LogMarks;
  readonly builder: BatchBuilder;
  readonly writer: ChunkWriter;
  readonly syncLoop: SyncLoop;
  /** May change from one append to the next. */
  readonly policy: { readonly durability: DurabilityLevel; readonly flushMs: number };
  readonly queuedBytesMax: number;
  readonly observer: LogObserver | null;
  /** Called once, when the writer stops for good. */
  readonly onFailed: (error: FailedError) => void;
  /** Called after each write: the log's state moved. */
  readonly onWritten: () => void;
  /** Called when readers see more, without a write or a sync. */
  readonly onVisible: () => void;
}

export class Appender {
  /** For the records of commits. */
  readonly commits: CommitAppends;
  readonly #options: AppenderOptions;
  readonly #builder: BatchBuilder;
  readonly #backpressure: Backpressure;
  readonly #waiters = new Waiters();
  #failure: FailedError | null = null;
  #isClosed = false;
  readonly #turn: AppendTurn;
  #draining: Promise<void> | null = null;
  /** Of level `interval`, and of weaker appends in a `sync` log. */
  readonly #flushTimer: FlushTimer;
  /** Full chunks of the builder whose write was issued ahead. */
  #aheadCount = 0;
  /** `encodedBytes` up to which `addNoWait` need not look around; 0 = it must, before the next record. */
  #unlookedBytes = 0;
  /** What became of the records of `addNoWait`; reported by the next `flushed`. */
  readonly #noWait = new NoWaitLoss();

  constructor(options: AppenderOptions) {
    this.#options = options;
    const { builder, queuedBytesMax } = options;
    this.#builder = builder;
    this.#turn = new AppendTurn(options.clock, () => {
      if (!this.#mayDefer()) this.#drain();
    });
    this.#flushTimer = new FlushTimer(options);
    this.#backpressure = new Backpressure({ progress: builder, queuedBytesMax });
    this.commits = new CommitAppends({
      ...options,
      syncedUpTo: (offset) => this.#syncedUpTo(offset),
      submit: (waiter) => this.submit('os', waiter),
      refusalFor: (sizeBytes) => options.writer.refusal(sizeBytes),
      sync: (offset) => options.syncLoop.request(offset),
      drain: () => this.#drain(),
      refuse: (cause) => this.#refuse(cause),
    });
  }

  get path(): string {
    return this.#options.path;
  }

  /** Offset that the next record gets. */
  get nextOffset(): number {
    return this.#builder.nextOffset;
  }

  get failure(): FailedError | null {
    return this.#failure;
  }

  /** Bytes that were appended and are not acknowledged. */
  get queuedBytes(): number {
    return this.#backpressure.queuedBytes;
  }

  /** Why nothing can be appended now; null when it can. */
  refusal(expectedOffset: number | undefined): Error | null {
    if (this.#failure !== null) return this.#failure;
    if (this.commits.pending !== null) return this.commits.pending;
    if (this.#isClosed) return new ClosedError({ resource: 'log', name: this.#options.path });
    const { queuedBytes, queuedBytesMax } = this.#backpressure;
    if (queuedBytes >= queuedBytesMax)
      return new BackpressureError({ queuedBytes, queuedBytesMax });
    if (expectedOffset !== undefined && expectedOffset !== this.nextOffset) {
      return new WrongOffsetError({ expected: expectedOffset, actual: this.nextOffset });
    }
    return null;
  }

  /** Encodes a record; the caller asked `refusal` first. Returns its offset. */
  add(record: EncodableRecord): number {
    return this.#builder.add(record);
  }

  /** The same for the first `count` of many: the offsets of the others follow. */
  addAll(records: readonly EncodableRecord[], count: number): void {
    this.#builder.addAll(records, count);
  }

  /** The same for one with a fingerprint: it shares its batch with its like. */
  addJoining(record: EncodableRecord, high: number, low: number): void {
    this.#builder.addJoining(record, high, low);
  }

  /** The same for a run: with a tag, in batches of its own. */
  addRun(run: RecordRun): void {
    this.#builder.addRun(run);
  }

  /**
   * Encodes a record that nobody waits for, and has it written soon. Looks around once per batch:
   * to do so for each record would cost half as much as the record.
   *
   * @returns its offset; -1 = too much waits already
   * @throws as `refusal`; why earlier such records were lost
   */
  addNoWait(record: EncodableRecord): number {
    if (this.#builder.encodedBytes >= this.#unlookedBytes && !this.#lookAround()) return -1;
    const offset = this.#builder.add(record);
    this.#noWait.added(offset);
    this.#turn.planEnd();
    return offset;
  }

  /** Resolves when `addNoWait` takes a good many records again, or throws why it will not. */
  ready(): Promise<void> {
    const { policy, syncLoop } = this.#options;
    if (!this.#backpressure.isBusy || this.#failure !== null) return Promise.resolve();
    if (policy.durability === 'sync') syncLoop.request(this.nextOffset); // Nobody else may ask for it.
    return this.#backpressure.ready();
  }

  /** Has what was added written soon, and `waiter` answered at `durability`. */
  submit(durability: DurabilityLevel, waiter: Waiter): void {
    if (this.#failure !== null) return waiter.fail(this.#failure);
    if (durability !== 'sync') this.#waiters.written.add(waiter);
    else {
      this.#waiters.synced.add(waiter);
      const { marks, syncLoop } = this.#options;
      // No write will follow that would ask for the sync.
      if (marks.writtenOffset >= waiter.nextOffset) syncLoop.request(waiter.nextOffset);
    }
    this.#turn.planEnd();
    this.#keepBusy();
  }

  /** Has `waiter` answered when it is synced, whenever that is: its records may wait for `writeNow`. */
  submitLater(waiter: Waiter): void {
    this.#waiters.synced.add(waiter);
    if (this.#builder.unwrittenBytes >= LATE_WRITE_BYTES) this.#drain();
  }

  /** Wall time for what is appended now, ms since the Unix epoch. */
  nowMs(): number {
    return this.#turn.nowMs();
  }

  /** Why records of `appendNoWait` were lost since `takeNoWaitLoss`; null when none were. */
  get noWaitLoss(): Error | null {
    return this.#noWait.error;
  }

  /** Resolves when everything added so far reached `durability`. */
  reached(durability: DurabilityLevel): Promise<void> {
    const loss = this.#failure ?? this.#noWait.take();
    if (loss !== null) return Promise.reject(loss);
    const { nextOffset } = this;
    const { syncedOffset, writtenOffset } = this.#options.marks;
    if (nextOffset <= (durability === 'sync' ? syncedOffset : writtenOffset))
      return Promise.resolve();
    this.#noWait.asked(nextOffset);
    return this.#reach(durability, nextOffset);
  }

  /** Writes what waits for the end of the turn, for a sync, or for this. */
  writeNow(): void {
    this.#drain();
  }

  /** Called after each finished sync. */
  onSynced(): void {
    const { marks } = this.#options;
    // Whatever the level: that of what was written may have been another.
    marks.advanceVisible(marks.syncedOffset);
    this.#backpressure.settle(marks.syncedOffset);
    this.#waiters.synced.completeInTurns(marks.syncedOffset);
    if (this.#isClosed) this.#waiters.synced.completeRest();
    this.#backpressure.wake(false);
  }

  /** Stops the writer: everyone who waits is told, and every later call gets the same error. */
  fail(cause: unknown): void {
    if (this.#failure !== null) return;
    const { path } = this.#options;
    this.#failure = new FailedError({ path, indeterminate: false }, { cause });
    this.#unlookedBytes = 0;
    this.#flushTimer.cancel();
    this.#waiters.synced.completeRest();
    // Whether the records of the others are on disk is not known: only recovery can tell.
    this.#waiters.failAll(new FailedError({ path, indeterminate: true }, { cause }));
    this.#options.syncLoop.stop(cause);
    this.#options.marks.wake();
    this.#backpressure.wake(true);
    this.#options.onFailed(this.#failure);
  }

  /** Refuses further appends, and answers at once whoever may be answered. */
  refuseMore(): void {
    this.#isClosed = true;
    this.#waiters.synced.completeRest();
    this.#unlookedBytes = 0;
  }

  /**
   * Refuses further appends and waits until everything added is written or has failed. What was
   * lost without a caller to be told stays in `noWaitLoss`.
   */
  async close(): Promise<void> {
    this.refuseMore();
    this.#flushTimer.cancel();
    do {
      this.#drain();
      // One that failed may be about to create a file. What waits for room is in the journal.
      await Promise.all([this.#draining, this.commits.settled]);
    } while (this.#failure === null && this.commits.pending === null && this.#builder.hasChunk);
    if (this.commits.pending !== null) this.#waiters.failAll(this.commits.pending);
    this.commits.close();
    this.#flushTimer.cancel(); // The last writes may have set it again.
  }

  #syncedUpTo(offset: number): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (this.#options.marks.syncedOffset >= offset) return Promise.resolve();
    // Those who wait for more come first: the queue is in ascending order.
    return this.#reach('sync', Math.max(offset, this.#waiters.synced.lastOffset));
  }

  #reach(durability: DurabilityLevel, nextOffset: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const answer = { complete: () => resolve(), fail: reject };
      this.submit(durability, { baseOffset: nextOffset, nextOffset, asked: durability, ...answer });
    });
  }

  /** Whether all that is to be written may wait for a sync that will come. */
  #mayDefer(): boolean {
    const { policy, syncLoop, marks } = this.#options;
    if (policy.durability !== 'sync' || !this.#waiters.areForSync(marks)) return false;
    if (this.#builder.unwrittenBytes > SYNC_WRITE_BYTES_MAX) return false;
    return syncLoop.deferWrite(this.#waiters.synced.awaitedOffset);
  }

  #drain(): void {
    const isIdle = this.#draining === null && this.#failure === null;
    if (!isIdle || !this.#builder.hasChunk) return;
    this.#draining = this.#writeAll().finally(() => {
      this.#draining = null;
      const isStuck = this.#failure !== null || this.commits.pending !== null;
      if (!isStuck && this.#builder.hasChunk) this.#turn.planEnd();
    });
  }

  /** Whether `addNoWait` may go on, and until when it need not ask again. @throws as it does */
  #lookAround(): boolean {
    this.#keepBusy();
    if (this.#backpressure.isBusy && this.#failure === null) return false;
    const refusal = this.refusal(undefined) ?? this.#noWait.error;
    if (refusal !== null) throw refusal;
    const nextLookBytes = this.#builder.encodedBytes + EARLY_WRITE_BYTES;
    this.#unlookedBytes = Math.min(nextLookBytes, this.#backpressure.busyBytes(1));
    return true;
  }

  /** Enough was added to keep the disk busy while the rest of the turn goes on. */
  #keepBusy(): void {
    if (this.#draining !== null) this.#issueAhead();
    else if (this.#builder.unwrittenBytes >= EARLY_WRITE_BYTES) this.#drain();
  }

  /** In a long turn no write that ends can be seen: those behind it are issued. */
  #issueAhead(): void {
    const { fullChunks } = this.#builder;
    while (this.#aheadCount < fullChunks.length) {
      const chunk = present(fullChunks[this.#aheadCount], 'below the length');
      if (chunk.state === 'held') return;
      if (this.#failure !== null || !this.#options.writer.issueAhead(chunk)) return;
      this.#aheadCount++;
    }
  }

  /** Writes until nothing is left. Never rejects: failures reach the callers who wait. */
  async #writeAll(): Promise<void> {
    for (;;) {
      const chunk = this.#takeChunk();
      if (this.#aheadCount > 0) this.#aheadCount--;
      if (chunk === null || this.#failure !== null) return;
      const { writtenOffset: from } = this.#options.marks;
      try {
        await this.#options.writer.write(chunk);
      } catch (error) {
        this.#aheadCount = 0;
        if (error instanceof RefusedWrite && chunk.state === 'committed') {
          this.commits.pend(chunk, error.cause);
          return;
        }
        if (error instanceof RefusedWrite) this.#refuse(error.cause);
        else this.fail(error);
        this.#builder.release(chunk);
        continue;
      }
      this.#builder.release(chunk);
      const awaited = Math.max(this.#waiters.synced.lastOffset, this.#noWait.nextOffset);
      const isAwaited = this.#options.policy.durability === 'sync' && awaited > from;
      this.#backpressure.written(chunk.nextOffset, chunk.encodedBytes, isAwaited);
      const isCommitted = chunk.state === 'committed';
      this.#afterWrite(isCommitted);
      if (!isCommitted) continue;
      this.commits.written(chunk);
      this.#backpressure.settle(chunk.nextOffset); // The journal has it: that is as good as synced.
    }
  }

  /** Null when nothing is left, or what is left cannot be encoded, which ends the writer. */
  #takeChunk(): Chunk | null {
    try {
      return this.#builder.takeChunk();
    } catch (error) {
      this.fail(error);
      return null;
    }
  }

  #afterWrite(isCommitted: boolean): void {
    const { marks, syncLoop } = this.#options;
    const { durability } = this.#options.policy;
    const { writtenOffset } = marks;
    this.#options.observer?.written(writtenOffset);
    if (durability !== 'sync') {
      marks.advanceVisible(writtenOffset);
      this.#backpressure.settle(writtenOffset);
    }
    const level = durability === 'interval' ? 'interval' : 'os';
    const asked = this.#waiters.written.completeUpTo(writtenOffset, level);
    this.#waiters.requestSync(syncLoop, marks);
    const isTimed = durability !== 'os' || asked === 'interval';
    const isAsked = writtenOffset <= this.#waiters.synced.awaitedOffset;
    if (!isCommitted && isTimed && !isAsked) this.#flushTimer.arm();
    syncLoop.poke();
    this.#options.onWritten();
    this.#backpressure.wake(false);
  }

  /** The disk is full and the write was undone: everything that was not written is rejected. */
  #refuse(cause: Error): void {
    const { writer } = this.#options;
    const { offset } = this.#builder.rewind(writer.end);
    this.#noWait.refused(offset, cause);
    this.#unlookedBytes = 0;
    this.commits.rewound(offset);
    this.#options.observer?.takenBack(offset);
    this.#backpressure.clear();
    this.#waiters.refuseFrom(offset, cause);
    this.#options.syncLoop.poke();
    this.#backpressure.wake(false);
  }
}
