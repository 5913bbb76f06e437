/**
 * Moves the start of a log and removes the segments that fall below it: `deleteBefore` and
 * retention.
 *
 * Order: the log is synced up to the new start, the guard says how far it may go and writes down who is
 * not done with what goes, the start is durable in both checkpoint slots, and only then are files unlinked. A crash in between leaves segments that
 * the next open removes: below a start that is durable nobody is asked.
 */
import { present } from '../core/assert.ts';
import { ConflictError, isIoError } from '../core/errors.ts';
import type { Clock, Timer } from '../core/clock.ts';
import type { Mutex } from '../core/mutex.ts';
import type { Segment } from '../segment/segment.ts';
import type { AgeClock } from './age-clock.ts';
import type { Appender } from './appender.ts';
import type { CheckpointKeeper } from './checkpoint-keeper.ts';
import type { LogDirectory } from './log-directory.ts';
import type { LogEvents } from './log-home.ts';
import type { ReadableLog } from './readable-log.ts';
import { retainedSegments } from './retained-segments.ts';
import { chooseRetention, type RetentionChoice, type RetentionPolicy } from './retention.ts';
import { lastAppendTimeOf } from './segment-times.ts';
import type { SyncLoop } from './sync-loop.ts';
import type { TrimGuard, TrimReason, TrimStep } from './trim-guard.ts';

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
  readonly ageClock: AgeClock;
  readonly policy: RetentionPolicy;
  readonly checkMs: number;
  readonly keeper: CheckpointKeeper;
  readonly events: LogEvents | null;
  /** Asked before the start moves; null = it may go anywhere. */
  readonly guard: TrimGuard | null;
  readonly syncLoop: SyncLoop;
  readonly appender: Appender;
  /** For whatever takes segments out of the log, or puts others in their place. */
  readonly maintenance: Mutex;
}

export class Trimmer {
  readonly #options: TrimmerOptions;
  #timer: Timer | null = null;
  #isClosed = false;
  /** Below the start and out of the list, but still on the disk: an unlink failed. */
  readonly #leftovers = new Set<Segment>();
  /** Segments deleted by retention since the log was opened, by reason. */
  readonly deletedByReason = { age: 0, size: 0, settled: 0 };
  /** Bytes of segments that go by age or size as soon as nobody needs them, at the last look. */
  waitingBytes = 0;
  /** Last failure of retention in the background; null when the last run was fine. */
  lastError: unknown = null;

  constructor(options: TrimmerOptions) {
    this.#options = options;
  }

  /** By which records are old. */
  get ageClock(): AgeClock {
    return this.#options.ageClock;
  }

  /** Looks at retention now and then, when there is a policy. Idempotent. */
  start(): void {
    const { policy, clock, checkMs } = this.#options;
    if (this.#isClosed || this.#timer !== null) return;
    if (policy.retentionMs === null && policy.retentionBytes === null) return;
    this.#timer = clock.setTimer(() => {
      this.#timer = null;
      this.retainInBackground();
      this.start();
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

  /**
   * Deletes the segments that retention no longer wants, as far as they may go.
   *
   * @throws IoError, FailedError
   */
  retain(): Promise<RetentionResult> {
    return this.#options.maintenance.run(async () => {
      const { ageClock, appender, policy } = this.#options;
      if (appender.failure !== null) throw appender.failure;
      const nowMs = ageClock.now();
      const segments = await retainedSegments(this.#options.log, policy, nowMs);
      const choose = (endOffset: number) => chooseRetention(segments, policy, nowMs, endOffset);
      return this.#trim('retention', choose);
    });
  }

  /** @param choose  what shall go, of the segments that end at or below an offset */
  async #trim(
    why: TrimReason,
    choose: (endOffset: number) => RetentionChoice | null,
  ): Promise<RetentionResult> {
    const wanted = choose(Number.POSITIVE_INFINITY);
    if (wanted === null && why === 'retention') this.#options.guard?.sparing?.();
    const choice = wanted === null ? null : await this.#allowedOf(wanted, why, choose);
    const result = choice === null ? await this.#nothing() : await this.#carryOut(choice);
    if (why === 'retention') this.waitingBytes = (wanted?.sizeBytes ?? 0) - result.deletedBytes;
    return result;
  }

  /** What may go of what should; null = nothing. What has to be known of it is written down then. */
  async #allowedOf(
    wanted: RetentionChoice,
    why: TrimReason,
    choose: (endOffset: number) => RetentionChoice | null,
  ): Promise<RetentionChoice | null> {
    const { startOffset } = wanted;
    const allowedOffset = await this.#allowed(startOffset, why, this.#stepsOf(wanted));
    const choice = allowedOffset < startOffset ? choose(allowedOffset) : wanted;
    if (choice === null) return null;
    return (await this.#mayPass(this.#stepsOf(choice))) ? choice : null;
  }

  async #mayPass(steps: readonly TrimStep[]): Promise<boolean> {
    const { log, guard } = this.#options;
    return (await guard?.passing?.(log.marks.startOffset, steps)) ?? true;
  }

  /** Runs of segments that go for one reason. */
  #stepsOf({ reasons }: RetentionChoice): readonly TrimStep[] {
    const { all } = this.#options.log.segments;
    return reasons.flatMap((reason, at) => {
      if (reasons[at + 1] === reason) return [];
      const next = present(all[at + 1], 'the last one stays');
      return [{ reason, toOffset: next.baseOffset }];
    });
  }

  async #nothing(): Promise<RetentionResult> {
    await this.#removeBelowStart();
    const { startOffset } = this.#options.log.marks;
    return { startOffset, deletedSegmentCount: 0, deletedBytes: 0 };
  }

  async #carryOut(choice: RetentionChoice): Promise<RetentionResult> {
    const { startOffset, segmentCount, sizeBytes, reasons } = choice;
    await this.#moveStart(startOffset);
    for (const reason of reasons) this.deletedByReason[reason]++;
    this.#options.events?.retained(choice);
    return { startOffset, deletedSegmentCount: segmentCount, deletedBytes: sizeBytes };
  }

  /**
   * Deletes segments that hold nothing at or above `offset`, as far as they may go; the last one always
   * stays.
   *
   * @throws IoError, FailedError
   */
  dropSettled(offset: number): Promise<RetentionResult> {
    return this.#options.maintenance.run(() =>
      this.#trim('settled', (endOffset) => this.#chooseSettled(Math.min(offset, endOffset))),
    );
  }

  #chooseSettled(offset: number): RetentionChoice | null {
    const { segments } = this.#options.log;
    const below = segments.whollyBelow(offset);
    const last = below.at(-1);
    const next = last === undefined ? null : segments.after(last.baseOffset);
    if (next === null) return null;
    const { baseOffset: startOffset } = next;
    const sizeBytes = below.reduce((sum, segment) => sum + segment.sizeBytes, 0);
    const reasons = below.map(() => 'settled' as const);
    return { startOffset, segmentCount: below.length, sizeBytes, reasons };
  }

  /**
   * Moves the start to `offset`, which is not above the written end.
   *
   * @throws ConflictError when it may not go so far, and does not move then; IoError, FailedError; what
   *   keeps the guard from writing down what goes
   */
  deleteBefore(offset: number): Promise<void> {
    return this.#options.maintenance.run(async () => {
      const steps = [{ reason: 'asked', toOffset: offset }] as const;
      const allowedOffset = await this.#allowed(offset, 'asked', steps);
      if (allowedOffset < offset) {
        throw new ConflictError({
          kind: 'log',
          name: this.#options.log.path,
          stored: `records from offset ${allowedOffset} on that are still needed`,
          requested: `to delete all below ${offset}`,
        });
      }
      await this.#mayPass(steps);
      await this.#moveStart(offset);
    });
  }

  /** Removes what an earlier process left below the start. @throws IoError */
  removeLeftovers(): Promise<void> {
    return this.#options.maintenance.run(() => this.#removeBelowStart());
  }

  /** Resolves when everything that was asked for so far has gone, or may not go. */
  idle(): Promise<void> {
    return this.#options.maintenance.idle();
  }

  /**
   * Base offset of the first segment that begins below `limit` and has a record that was appended at or
   * after a time; `limit` when there is none. One whose times cannot be told has none.
   *
   * @throws IoError
   */
  async segmentSince(timeMs: number, limit: number): Promise<number> {
    const { log } = this.#options;
    const { segments } = log;
    for (const segment of segments.all) {
      if (segment.baseOffset >= limit) return limit;
      const lastTimeMs =
        segment === segments.last ? Infinity : await lastAppendTimeOf(log, segment);
      if (lastTimeMs !== null && lastTimeMs >= timeMs) return segment.baseOffset;
    }
    return limit;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.#options.maintenance.idle();
  }

  /** How far towards `offset` the start may go. All below `offset` is synced then. */
  async #allowed(offset: number, why: TrimReason, steps: readonly TrimStep[]): Promise<number> {
    const { log, guard, syncLoop } = this.#options;
    const { marks } = log;
    this.#checkFailure();
    if (offset <= marks.startOffset) return offset;
    if (marks.syncedOffset < offset) await syncLoop.syncUpTo(offset);
    return guard === null ? offset : guard.allow(offset, why, steps);
  }

  /** All below `offset` is synced, and allowed to go. */
  async #moveStart(offset: number): Promise<void> {
    const { log, keeper, appender } = this.#options;
    const { marks } = log;
    this.#checkFailure(); // The guard may have taken its time.
    if (offset <= marks.startOffset) return;
    marks.startOffset = offset;
    try {
      await keeper.persist();
    } catch (cause) {
      appender.fail(cause);
      throw appender.failure ?? cause;
    }
    await this.#removeBelowStart();
  }

  /** Also for a start that was moved already: it may not have become durable. */
  #checkFailure(): void {
    const { failure } = this.#options.appender;
    if (failure !== null) throw failure;
  }

  async #removeBelowStart(): Promise<void> {
    const { log, directory } = this.#options;
    const below = log.segments.whollyBelow(log.marks.startOffset);
    log.segments.remove(below);
    for (const segment of below) {
      log.handles.forget(segment.path);
      this.#leftovers.add(segment);
    }
    if (this.#leftovers.size === 0) return;
    for (const segment of this.#leftovers) {
      await this.#unlink(segment);
      this.#leftovers.delete(segment);
    }
    try {
      await directory.sync();
    } catch (cause) {
      this.#options.appender.fail(cause); // Any failed fsync stops the writer.
      throw this.#options.appender.failure ?? cause;
    }
  }

  async #unlink(segment: Segment): Promise<void> {
    try {
      await this.#options.directory.fileSystem.unlink(segment.path);
    } catch (error) {
      if (!isIoError(error, 'ENOENT')) throw error; // Gone is what we wanted.
    }
  }
}
