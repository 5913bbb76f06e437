/**
 * Moves the start of a log and removes the segments that fall below it: `deleteBefore` and
 * retention.
 *
 * Order: the log is synced up to the new start, the start is durable in both checkpoint slots, and
 * only then are files unlinked. A crash in between leaves segments that the next open removes.
 */
import { CorruptLogError, isIoError } from '../core/errors.ts';
import type { Clock, Timer } from '../core/clock.ts';
import { Mutex } from '../core/mutex.ts';
import { enterSegment, loadIndex } from '../segment/segment-entry.ts';
import type { Segment } from '../segment/segment.ts';
import type { Appender } from './appender.ts';
import type { CheckpointKeeper } from './checkpoint-keeper.ts';
import type { LogDirectory } from './log-directory.ts';
import type { ReadableLog } from './log-reader.ts';
import { chooseRetention, type RetainedSegment, type RetentionPolicy } from './retention.ts';
import type { SyncLoop } from './sync-loop.ts';

/** What a run of retention did. */
export interface RetentionResult {
  readonly startOffset: number;
  readonly deletedSegmentCount: number;
  readonly deletedBytes: number;
}

export interface TrimmerOptions {
  readonly directory: LogDirectory;
  readonly log: ReadableLog;
  readonly clock: Clock;
  readonly policy: RetentionPolicy;
  readonly checkMs: number;
  readonly keeper: CheckpointKeeper;
  readonly syncLoop: SyncLoop;
  readonly appender: Appender;
}

export class Trimmer {
  readonly #options: TrimmerOptions;
  readonly #mutex = new Mutex();
  #timer: Timer | null = null;
  #isClosed = false;
  /** Segments deleted by retention since the log was opened, by reason. */
  readonly deletedByReason = { age: 0, size: 0 };
  /** Last failure of retention in the background; null when the last run was fine. */
  lastError: unknown = null;

  constructor(options: TrimmerOptions) {
    this.#options = options;
  }

  /** Looks at retention now and then, when there is a policy. */
  start(): void {
    const { policy, clock, checkMs } = this.#options;
    if (policy.retentionMs === null && policy.retentionBytes === null) return;
    this.#timer = clock.setTimer(() => {
      this.retainInBackground();
      if (!this.#isClosed) this.start();
    }, checkMs);
  }

  /** Runs retention; a failure is kept in `lastError`, not thrown. */
  retainInBackground(): void {
    const { policy } = this.#options;
    if (this.#isClosed || (policy.retentionMs === null && policy.retentionBytes === null)) return;
    this.retain().then(
      () => (this.lastError = null),
      (error: unknown) => (this.lastError = error),
    );
  }

  /** Deletes the segments that retention no longer wants. @throws IoError, FailedError */
  retain(): Promise<RetentionResult> {
    return this.#mutex.run(async () => {
      const { clock, policy, log } = this.#options;
      const nowMs = clock.now();
      const choice = chooseRetention(await this.#describe(nowMs), policy, nowMs);
      if (choice === null) {
        const { startOffset } = log.marks;
        return { startOffset, deletedSegmentCount: 0, deletedBytes: 0 };
      }
      await this.#moveStart(choice.startOffset);
      for (const reason of choice.reasons) this.deletedByReason[reason]++;
      return {
        startOffset: choice.startOffset,
        deletedSegmentCount: choice.segmentCount,
        deletedBytes: choice.sizeBytes,
      };
    });
  }

  /** Moves the start to `offset`, which is not above the written end. @throws IoError, FailedError */
  deleteBefore(offset: number): Promise<void> {
    return this.#mutex.run(() => this.#moveStart(offset));
  }

  /** Removes what an earlier process left below the start. @throws IoError */
  removeLeftovers(): Promise<void> {
    return this.#mutex.run(() => this.#removeBelowStart());
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.#mutex.idle();
  }

  async #moveStart(offset: number): Promise<void> {
    const { log, keeper, appender, syncLoop } = this.#options;
    const { marks } = log;
    if (offset <= marks.startOffset) return;
    if (marks.syncedOffset < offset) await syncLoop.syncAll();
    if (appender.failure !== null) throw appender.failure;
    marks.startOffset = offset;
    try {
      await keeper.persist();
    } catch (cause) {
      appender.fail(cause);
      throw appender.failure ?? cause;
    }
    await this.#removeBelowStart();
  }

  async #removeBelowStart(): Promise<void> {
    const { log, directory } = this.#options;
    const gone = log.segments.whollyBelow(log.marks.startOffset);
    if (gone.length === 0) return;
    log.segments.remove(gone);
    for (const segment of gone) {
      log.handles.forget(segment.path);
      await this.#unlink(segment);
    }
    await directory.sync();
  }

  async #unlink(segment: Segment): Promise<void> {
    try {
      await this.#options.directory.fileSystem.unlink(segment.path);
    } catch (error) {
      if (!isIoError(error, 'ENOENT')) throw error; // Gone is what we wanted.
    }
  }

  /** Segments from the oldest on; ages are only looked up as long as they may matter. */
  async #describe(nowMs: number): Promise<RetainedSegment[]> {
    const { log, policy } = this.#options;
    const described: RetainedSegment[] = [];
    let looksUp = policy.retentionMs !== null;
    for (const segment of log.segments.all) {
      const isLast = segment === log.segments.last;
      const lastAppendTimeMs = looksUp && !isLast ? await this.#lastAppendTime(segment) : null;
      looksUp &&= lastAppendTimeMs !== null && nowMs - lastAppendTimeMs > (policy.retentionMs ?? 0);
      const { baseOffset, sizeBytes } = segment;
      described.push({ baseOffset, sizeBytes, lastAppendTimeMs });
    }
    return described;
  }

  async #lastAppendTime(segment: Segment): Promise<number | null> {
    if (segment.lastAppendTimeMs !== null) return segment.lastAppendTimeMs;
    const { log } = this.#options;
    const lease = await log.handles.acquire(segment.path);
    try {
      const previous = log.segments.before(segment.baseOffset);
      await enterSegment(segment, lease.file, { logId: log.logId, previous });
      await loadIndex(segment, lease.file);
      return segment.lastAppendTimeMs;
    } catch (error) {
      if (error instanceof CorruptLogError) return null; // Damage never authorises a deletion.
      throw error;
    } finally {
      lease.release();
    }
  }
}
