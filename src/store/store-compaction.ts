/**
 * Compaction of the logs of a store: by itself, where something is due, and because somebody asks for it. One
 * after the other, for one log at a time may have memory for its keys.
 */
import { onAbort } from '../core/abort.ts';
import type { Clock, Timer } from '../core/clock.ts';
import { ClosedError } from '../core/errors.ts';
import { COMPACTION_LOOK_MS } from '../core/limits.ts';
import type {
  CheckedCompactOptions,
  CompactOptions,
  CompactionPlan,
  CompactionProgress,
  CompactionResult,
} from '../log/compact-options.ts';
import type { Log } from '../log/log.ts';
import type { StoreSignals } from '../topic/log-reporter.ts';
import type { Partition } from '../topic/partition.ts';
import { CompactionCandidates, type Candidate } from './compaction-candidates.ts';
import { CompactionHistory, type CompactionRun, type RunNote } from './compaction-history.ts';
import { CompactionTurns } from './compaction-turns.ts';

export interface StoreCompactionParts {
  readonly clock: Clock;
  readonly signals: StoreSignals;
  /** Those of all topics. */
  readonly partitions: () => readonly Partition[];
  /** What callers are told when the store is closed. */
  readonly closedError: () => ClosedError;
}

type CompactedLog = Log<Uint8Array>;

/** What a log is told of how it shall be compacted. */
type How = Required<CompactOptions>;
type Action<R> = (log: CompactedLog, how: How) => Promise<R>;

interface Job {
  readonly partition: Partition;
  /** Null = it only plans. */
  readonly note: RunNote | null;
  readonly ending: AbortController;
  readonly isAsked: boolean;
}

interface Asked extends Pick<Job, 'partition' | 'note'> {
  readonly options: CheckedCompactOptions;
}

export class StoreCompaction {
  readonly #parts: StoreCompactionParts;
  readonly #turns = new CompactionTurns();
  readonly #candidates: CompactionCandidates;
  readonly #history: CompactionHistory;
  /** Those of which health says that they could not be compacted. */
  readonly #failing = new WeakSet<Partition>();
  /** Of all that wait or go on. */
  readonly #endings = new Map<AbortController, Promise<unknown>>();
  #timer: Timer | null = null;
  /** Compacts what is due; null = nothing is known to be. */
  #running: Promise<void> | null = null;
  /** Whether it looks by itself. */
  #isStarted = false;
  #isClosed = false;

  constructor(parts: StoreCompactionParts) {
    this.#parts = parts;
    this.#candidates = new CompactionCandidates(parts.clock);
    this.#history = new CompactionHistory(parts.clock);
  }

  /** Compacts by itself what is due, until `close`. */
  start(): void {
    this.#isStarted = true;
    this.#arm();
  }

  /** A segment of it was sealed. */
  grew(partition: Partition): void {
    if (!this.#isStarted || !partition.isCompacted) return;
    this.#candidates.add(partition);
    this.#poke();
  }

  /** See `Topic.compact`. @param partition  of a topic that is compacted */
  compact(partition: Partition, options: CheckedCompactOptions): Promise<CompactionResult> {
    const note = this.#history.add(partition, 'asked');
    return this.#asked({ partition, note, options }, async (log, how) => {
      const result = await log.compact(how);
      this.#succeeded(partition);
      note.done(result);
      return result;
    });
  }

  /** See `Topic.planCompaction`. @param partition  of a topic that is compacted */
  plan(partition: Partition, options: CheckedCompactOptions): Promise<CompactionPlan> {
    return this.#asked({ partition, note: null, options }, (log, how) => log.planCompaction(how));
  }

  /** Those that wait or go on, and the last ones that ended. */
  runs(): readonly CompactionRun[] {
    return this.#history.list();
  }

  /** Ends all that goes on, at its next step. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#candidates.clear();
    for (const ending of this.#endings.keys()) ending.abort(this.#parts.closedError());
    await Promise.allSettled(this.#endings.values());
    await this.#running;
  }

  async #asked<R>({ partition, note, options }: Asked, action: Action<R>): Promise<R> {
    const { signal: outer, onProgress, bytesPerSecondMax } = options;
    const ending = new AbortController();
    const leave = outer === null ? null : onAbort(outer, () => ending.abort(outer.reason));
    const vigil = this.#parts.clock.keepAlive?.(); // Others may go on that keep nothing alive.
    const told = (progress: CompactionProgress): void => {
      note?.progressed(progress);
      onProgress?.(progress);
    };
    const how = { bytesPerSecondMax, signal: ending.signal, onProgress: told };
    try {
      const job = { partition, note, ending, isAsked: true };
      return await this.#inTurn(job, (log) => action(log, how));
    } catch (error) {
      if (ending.signal.aborted) note?.stopped(error);
      else note?.failed(error);
      throw error;
    } finally {
      vigil?.cancel();
      leave?.();
    }
  }

  /** Runs `action` on the log of a partition when its turn has come. @throws the reason of `ending` */
  #inTurn<R>(job: Job, action: (log: CompactedLog) => Promise<R>): Promise<R> {
    const { partition, note, ending, isAsked } = job;
    if (this.#isClosed) ending.abort(this.#parts.closedError());
    const running = this.#turns.run({ ending, isAsked }, () => {
      note?.started();
      return partition.rewriting.run(ending, () => partition.use(action));
    });
    this.#endings.set(ending, running);
    return running.finally(() => this.#endings.delete(ending));
  }

  #arm(): void {
    if (this.#isClosed) return;
    this.#timer = this.#parts.clock.setTimer(() => {
      const partitions = this.#parts.partitions();
      // Nobody will try what was switched off.
      for (const each of partitions) if (!each.isCompacted) this.#succeeded(each);
      this.#candidates.addDue(partitions);
      this.#poke();
      this.#arm();
    }, COMPACTION_LOOK_MS);
  }

  #poke(): void {
    if (this.#isClosed) return;
    this.#running ??= this.#compactDue().finally(() => {
      this.#running = null;
      if (!this.#candidates.isEmpty) this.#poke(); // Added since it was asked for the last time.
    });
  }

  /** Until nothing is due that is known of. Never rejects. */
  async #compactDue(): Promise<void> {
    const onFailed = (partition: Partition, error: unknown): void => this.#failed(partition, error);
    while (!this.#isClosed) {
      const candidate = await this.#candidates.next(onFailed);
      if (candidate === null) return;
      await this.#compactOne(candidate);
    }
  }

  async #compactOne({ partition, why }: Candidate): Promise<void> {
    const note = this.#history.add(partition, why);
    const ending = new AbortController();
    const { signal } = ending;
    const onProgress = (progress: CompactionProgress): void => note.progressed(progress);
    try {
      const result = await this.#inTurn({ partition, note, ending, isAsked: false }, (log) =>
        log.forStore().compactor.compactDue({ signal, onProgress }),
      );
      signal.throwIfAborted();
      this.#succeeded(partition);
      if (result === null) note.forget();
      else note.done(result);
    } catch (error) {
      if (!signal.aborted) {
        this.#failed(partition, error);
        note.failed(error);
        return;
      }
      note.forget();
      // It gave way to one that somebody asked for, and goes on behind it, or to who reads the files as they stand.
      if (!this.#isClosed) this.#candidates.add(partition);
    }
  }

  #succeeded(partition: Partition): void {
    if (!this.#failing.delete(partition)) return;
    this.#candidates.succeeded(partition);
    const { topic, number } = partition;
    this.#parts.signals.health.clear({ code: 'compaction-failed', topic, partition: number });
  }

  #failed(partition: Partition, error: unknown): void {
    if (error instanceof ClosedError) return; // Its topic was deleted.
    this.#candidates.failed(partition);
    this.#failing.add(partition);
    const { topic, number } = partition;
    const why = error instanceof Error ? error.message : String(error);
    const message = `${topic}/${number} could not be compacted: ${why}`;
    const problem = { code: 'compaction-failed', topic, partition: number, message } as const;
    this.#parts.signals.health.raise(problem);
  }
}
