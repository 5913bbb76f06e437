/** The compactions of a store that wait or go on, and the last ones that ended. In memory. */
import type { Clock } from '../core/clock.ts';
import { COMPACTIONS_KEPT_MAX } from '../core/limits.ts';
import type { CompactionProgress, CompactionResult } from '../log/compact-options.ts';
import type { CompactionReason } from '../log/compaction-plan.ts';
import type { Partition } from '../topic/partition.ts';

/** A compaction of one partition. */
export interface CompactionRun {
  /** In this process, from 1. */
  readonly id: number;
  readonly topic: string;
  readonly partition: number;
  /** `asked`: by `Topic.compact`; else what of it was due when it began. */
  readonly why: CompactionReason;
  /** `waiting`: one at a time goes on in a store. `stopped`: by a signal, by a rebuild, or the end of the store. */
  readonly state: 'waiting' | 'running' | 'done' | 'failed' | 'stopped';
  /** Wall clock, ms; null = it waits, or was stopped while it did. */
  readonly startedTimeMs: number | null;
  /** Null = it has not ended. */
  readonly endedTimeMs: number | null;
  /** The last that was told; null = nothing yet. */
  readonly progress: CompactionProgress | null;
  /** Null unless it is done. */
  readonly result: CompactionResult | null;
  /** Why it failed, or the reason of the signal that stopped it; null = neither. */
  readonly error: unknown;
}

type Running = { -readonly [Key in keyof CompactionRun]: CompactionRun[Key] };

export class CompactionHistory {
  readonly #clock: Clock;
  /** By id, which grows. */
  readonly #open = new Map<number, Running>();
  readonly #ended: Running[] = [];
  #lastId = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** In the order in which they were asked for, or became due. */
  list(): readonly CompactionRun[] {
    const all = [...this.#ended, ...this.#open.values()];
    return all.map((run) => ({ ...run })).toSorted((one, two) => one.id - two.id);
  }

  /** One that waits for its turn. */
  add({ topic, number: partition }: Partition, why: CompactionReason): RunNote {
    const run: Running = {
      id: ++this.#lastId,
      topic,
      partition,
      why,
      state: 'waiting',
      startedTimeMs: null,
      endedTimeMs: null,
      progress: null,
      result: null,
      error: null,
    };
    this.#open.set(run.id, run);
    return new RunNote(run, this.#clock, (isKept) => this.#end(run, isKept));
  }

  #end(run: Running, isKept: boolean): void {
    this.#open.delete(run.id);
    if (!isKept) return;
    this.#ended.push(run);
    if (this.#ended.length > COMPACTIONS_KEPT_MAX) this.#ended.shift();
  }
}

/** What becomes of one of them. */
export class RunNote {
  readonly #run: Running;
  readonly #clock: Clock;
  readonly #end: (isKept: boolean) => void;

  constructor(run: Running, clock: Clock, end: (isKept: boolean) => void) {
    this.#run = run;
    this.#clock = clock;
    this.#end = end;
  }

  started(): void {
    this.#run.state = 'running';
    this.#run.startedTimeMs = this.#clock.now();
  }

  progressed(progress: CompactionProgress): void {
    this.#run.progress = progress;
  }

  done(result: CompactionResult): void {
    this.#run.result = result;
    this.#ended('done');
  }

  failed(error: unknown): void {
    this.#run.error = error;
    this.#ended('failed');
  }

  /** Somebody wanted it to end. */
  stopped(reason: unknown): void {
    this.#run.error = reason;
    this.#ended('stopped');
  }

  /** It came to nothing that is worth to be known. */
  forget(): void {
    this.#end(false);
  }

  #ended(state: CompactionRun['state']): void {
    this.#run.state = state;
    this.#run.endedTimeMs = this.#clock.now();
    this.#end(true);
  }
}
