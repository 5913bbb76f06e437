/**
 * Compaction of one open log: one run at a time. When a run begins by itself is not decided here, but by who
 * holds it: the timer of a bare log, or a store.
 */
import { onAbort, toError } from '../core/abort.ts';
import type { Clock } from '../core/clock.ts';
import { ClosedError } from '../core/errors.ts';
import { Mutex } from '../core/mutex.ts';
import { Pace } from '../core/pace.ts';
import type { Random } from '../core/random.ts';
import type { AgeClock } from './age-clock.ts';
import type { Appender } from './appender.ts';
import {
  checkCompactOptions,
  type CheckedCompactOptions,
  type CompactionPlan,
  type CompactionResult,
  type CompactOptions,
} from './compact-options.ts';
import type { CompactionBoundSettings, CompactionSettings } from './compaction-options.ts';
import type { CompactionChoice } from './compaction-plan.ts';
import { checkIsCompacted } from './compaction-look.ts';
import { CompactionRun } from './compaction-run.ts';
import { DiskTarget, PlannedTarget } from './compaction-target.ts';
import type { LogEvents } from './log-home.ts';
import type { ReadableLog } from './readable-log.ts';
import type { SegmentRewriter } from './segment-rewriter.ts';
import type { SegmentSwap } from './segment-swap.ts';
import type { SyncLoop } from './sync-loop.ts';
import type { TrimGuard } from './trim-guard.ts';

export interface CompactorOptions {
  readonly log: ReadableLog;
  readonly clock: Clock;
  /** Says what is old; what is stamped has the time of an append. */
  readonly ageClock: AgeClock;
  readonly random: Random;
  /** May change while the log is open. */
  readonly settings: CompactionSettings & CompactionBoundSettings;
  /** Asked before records go; null = they may. */
  readonly guard: TrimGuard | null;
  readonly events: LogEvents | null;
  readonly syncLoop: SyncLoop;
  readonly appender: Pick<Appender, 'failure'>;
  /** What by itself is rewritten may have less room than what somebody asked for. */
  readonly rewriterFor: (isAsked: boolean) => SegmentRewriter;
  readonly swap: SegmentSwap;
  /** Held while a next generation is made and put in place. */
  readonly rewriting: Mutex;
  /** The time that an append would get: it never goes back. */
  readonly nowMs: () => number;
}

/** What compaction has come to since a log was opened. */
export interface CompactionStats {
  /** At the last look: nothing below is superseded by anything below; null = nobody has looked yet. */
  readonly cleanOffset: number | null;
  /** At the last look: about so many bytes were not compared yet, of those that may be compacted. */
  readonly dirtyBytes: number | null;
  readonly passCount: number;
  readonly rewrittenSegmentCount: number;
  readonly removedRecordCount: number;
  /** Among them. */
  readonly removedTombstoneCount: number;
  readonly freedBytes: number;
  /** Why the last run that began by itself failed; null when it did not. */
  readonly lastError: unknown;
}

const UNBOUNDED: CheckedCompactOptions = {
  bytesPerSecondMax: null,
  signal: null,
  onProgress: null,
};

export const NO_COMPACTION: CompactionStats = {
  cleanOffset: null,
  dirtyBytes: null,
  passCount: 0,
  rewrittenSegmentCount: 0,
  removedRecordCount: 0,
  removedTombstoneCount: 0,
  freedBytes: 0,
  lastError: null,
};

/** Of a run that begins by itself. */
export type DueOptions = Pick<CompactOptions, 'signal' | 'onProgress'>;

interface RunPlan {
  /** Whether somebody called for it: then no share is too small, and it may go as fast as he says. */
  readonly isAsked: boolean;
  /** Whether it only says what it would do, if it was asked for. */
  readonly isPlanned: boolean;
  readonly options: CheckedCompactOptions;
}

export class Compactor {
  readonly #options: CompactorOptions;
  readonly #runs = new Mutex();
  /** Of the runs that wait or go on. */
  readonly #endings = new Set<AbortController>();
  /** Of the run that began by itself. */
  #dueEnding: AbortController | null = null;
  #isClosed = false;
  #stats = NO_COMPACTION;

  constructor(options: CompactorOptions) {
    this.#options = options;
  }

  get stats(): CompactionStats {
    return this.#stats;
  }

  /** See `Log.compact`. A run that began by itself gives way: what it has put in place stays. */
  async compact(given: CompactOptions): Promise<CompactionResult> {
    const options = checkCompactOptions(given);
    checkIsCompacted(this.#options.log, this.#options.settings, 'to compact it');
    const startMs = this.#options.clock.monotonic();
    this.#dueEnding?.abort();
    const run = await this.#inTurn(options.signal, async (signal) => {
      await this.#sync();
      return this.#run({ isAsked: true, isPlanned: false, options }, signal);
    });
    return this.#resultOf(run, startMs);
  }

  /** See `Log.planCompaction`. */
  async plan(given: CompactOptions): Promise<CompactionPlan> {
    const options = checkCompactOptions(given);
    checkIsCompacted(this.#options.log, this.#options.settings, 'to plan its compaction');
    const plan = { isAsked: true, isPlanned: true, options };
    const run = await this.#inTurn(options.signal, (signal) => this.#run(plan, signal));
    return run.plan;
  }

  /**
   * Does what is due by the options of the log, if anything is. Its failure is also kept, in `stats`.
   *
   * @param how.signal  ends it, as `compact` and `close` do
   * @returns what it did; null = nothing was due, or it was ended
   * @throws as `Log.compact`, but for an abort
   */
  async compactDue(how: DueOptions = {}): Promise<CompactionResult | null> {
    const { settings, clock } = this.#options;
    if (this.#isClosed || !this.#isOn || this.#dueEnding !== null) return null;
    const { signal: outer, onProgress = null } = how;
    const ending = new AbortController();
    this.#dueEnding = ending;
    const leave = outer === undefined ? null : onAbort(outer, () => ending.abort(outer.reason));
    const { compactionBytesPerSecondMax: bytesPerSecondMax } = settings;
    const options = { bytesPerSecondMax, signal: ending.signal, onProgress };
    const startMs = clock.monotonic();
    try {
      const run = await this.#inTurn(ending.signal, (signal) =>
        this.#run({ isAsked: false, isPlanned: false, options }, signal),
      );
      const result = this.#resultOf(run, startMs);
      return result.passCount === 0 ? null : result;
    } catch (error) {
      // It was switched off meanwhile, or ended.
      if (!this.#isOn || ending.signal.aborted || this.#isClosed) return null;
      this.#stats = { ...this.#stats, lastError: error };
      throw error;
    } finally {
      leave?.();
      this.#dueEnding = null;
    }
  }

  /**
   * What a run that begins by itself would begin with, the guard unasked.
   *
   * @throws IoError, UnsupportedVersionError, ClosedError
   *
   * Cost: O(segments); the first time it reads the header of each.
   */
  look(): Promise<CompactionChoice> {
    return this.#inTurn(null, async (signal) => {
      const run = this.#newRun({ isAsked: false, isPlanned: true, options: UNBOUNDED }, signal);
      const choice = await run.begin();
      this.#noteChoice(choice);
      return choice;
    });
  }

  /** Ends what goes on, at its next step. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const ending of this.#endings) ending.abort(this.#closedError());
    await this.#runs.idle();
  }

  /** Runs `action` when those before it have ended. Who is aborted while he waits does not wait for them. */
  #inTurn<R>(outer: AbortSignal | null, action: (signal: AbortSignal) => Promise<R>): Promise<R> {
    if (this.#isClosed) return Promise.reject(this.#closedError());
    const ending = new AbortController();
    const { signal } = ending;
    this.#endings.add(ending);
    return new Promise((resolve, reject) => {
      const endOuter = outer === null ? null : onAbort(outer, () => ending.abort(outer.reason));
      const endWaiting = onAbort(signal, () => reject(toError(signal.reason)));
      const turn = this.#runs.run(async () => {
        endWaiting();
        signal.throwIfAborted();
        return action(signal);
      });
      const end = (): void => {
        endOuter?.();
        this.#endings.delete(ending);
      };
      turn.then(resolve, reject).finally(end);
    });
  }

  async #run(plan: RunPlan, signal: AbortSignal): Promise<CompactionRun> {
    this.#checkFailure();
    const run = this.#newRun(plan, signal);
    try {
      await run.run();
    } finally {
      if (!plan.isPlanned) this.#count(run);
    }
    return run;
  }

  #newRun({ isAsked, isPlanned, options }: RunPlan, signal: AbortSignal): CompactionRun {
    const { log, guard, random, clock, ageClock, events, nowMs } = this.#options;
    const rewriter = this.#options.rewriterFor(isAsked);
    const settings = { ...this.#options.settings };
    const { bytesPerSecondMax, onProgress } = options;
    const pace = new Pace({ clock, bytesPerSecondMax, keepsAlive: isAsked, signal });
    const { marks } = log;
    return new CompactionRun({
      log,
      target: isPlanned ? new PlannedTarget({ rewriter, pace }) : this.#diskTarget(rewriter, pace),
      guard,
      random,
      pace,
      settings,
      mapBytesMax: settings.compactionMapBytesMax,
      state: {
        // What is planned begins with a sync when it is done.
        syncedOffset: isPlanned ? marks.writtenOffset : marks.syncedOffset,
        durableVisibleOffset: isPlanned ? marks.visibleOffset : marks.durableVisibleOffset,
        nowMs: ageClock.now(),
        isAsked,
      },
      nowMs,
      onProgress,
      onCompacted: isPlanned ? null : (compacted) => events?.compacted(compacted),
    });
  }

  /** @throws CorruptLogError when it met damage */
  #resultOf({ damage, plan, tally }: CompactionRun, startMs: number): CompactionResult {
    if (damage !== null) throw damage.error;
    this.#stats = { ...this.#stats, lastError: null };
    const { rewrittenSegmentCount } = tally;
    const durationMs = this.#options.clock.monotonic() - startMs;
    return { ...plan, rewrittenSegmentCount, durationMs };
  }

  #diskTarget(rewriter: SegmentRewriter, pace: Pace): DiskTarget {
    const { log, settings, swap, rewriting } = this.#options;
    const isOn = () => this.#isOn;
    const check = () => {
      this.#checkFailure();
      checkIsCompacted(log, settings, 'to go on with its compaction');
    };
    return new DiskTarget({ rewriter, swap, rewriting, pace, isOn, check });
  }

  #count({ tally, next }: CompactionRun): void {
    const { passCount, rewrittenSegmentCount, removedCount, droppedTombstoneCount, freedBytes } =
      tally;
    const stats = this.#stats;
    this.#stats = {
      ...stats,
      passCount: stats.passCount + passCount,
      rewrittenSegmentCount: stats.rewrittenSegmentCount + rewrittenSegmentCount,
      removedRecordCount: stats.removedRecordCount + removedCount,
      removedTombstoneCount: stats.removedTombstoneCount + droppedTombstoneCount,
      freedBytes: stats.freedBytes + freedBytes,
    };
    if (next !== null) this.#noteChoice(next);
  }

  #noteChoice({ cleanOffset, dirtyBytes }: CompactionChoice): void {
    this.#stats = { ...this.#stats, cleanOffset, dirtyBytes };
  }

  async #sync(): Promise<void> {
    const { log, syncLoop, appender } = this.#options;
    this.#checkFailure();
    try {
      await syncLoop.syncUpTo(log.marks.writtenOffset);
    } catch (cause) {
      throw appender.failure ?? cause;
    }
  }

  /** May change at any time. */
  get #isOn(): boolean {
    return this.#options.settings.compaction !== 'off';
  }

  /** @throws FailedError */
  #checkFailure(): void {
    const { failure } = this.#options.appender;
    if (failure !== null) throw failure;
  }

  #closedError(): ClosedError {
    return new ClosedError({ resource: 'log', name: this.#options.log.path });
  }
}
