/**
 * The plan of a measurement: sides that run in turn, in the same round, and the ratios between
 * them that count.
 */
import type { JobParameters, Sample } from './job.ts';

/** What is compared. `extra:<name>` is a figure of `Sample.extra`. */
export type Metric = 'bytes/s' | 'records/s' | 'ms' | `extra:${string}`;

/** One row of the result: a job in a worker process of its own. */
export interface Side {
  /** Unique within the contest; with the contest's id it names the cell: `append/os-100/varve`. */
  readonly id: string;
  /** For people: `appendBatch(1000), 16 in flight`. */
  readonly title: string;
  /** Module in `jobs/`, without its extension; peers have theirs in `peers/`. */
  readonly job: string;
  readonly parameters: JobParameters;
  readonly metric: Metric;
  /** Of the metric, for people: `bytes/s`, `records/s`, `ms`, `us`, `bytes`. */
  readonly unit: string;
  readonly isHigherBetter: boolean;
  /** Flags for the worker's node, such as `--expose-gc`. */
  readonly nodeFlags?: readonly string[];
  /** Memory that is warmed before each run, bytes; default `WARM_BYTES`. See `warm-memory.ts`. */
  readonly warmBytes?: number;
  /** Left out of the warm-up round: a run so long that its own beginning warms it up. */
  readonly skipsWarmUp?: true;
}

/** A figure to reach: the median over the rounds of subject / reference. */
export interface GoalSpec {
  readonly name: string;
  /** Side ids. The best of several references counts, by their medians. */
  readonly subject: string;
  /** None: the subject's own figure is the value. */
  readonly references: readonly string[];
  /** Compares this metric of subject and references instead of each side's own. */
  readonly metric?: Metric;
  readonly goal: number;
  /** Whether the value must be at least or at most the goal. */
  readonly bound: 'min' | 'max';
  /** Instead of subject / reference, for goals that are not a plain ratio. */
  readonly compute?: (subject: Sample, references: readonly Sample[]) => number;
}

export interface Contest {
  /** Folder-like and stable: the name that two reports are compared by. */
  readonly id: string;
  readonly suite: string;
  readonly title: string;
  readonly sides: readonly Side[];
  readonly goals: readonly GoalSpec[];
  /** Counted rounds; default 5, never fewer. */
  readonly rounds?: number;
  /** Left out by `--quick`, with this reason. */
  readonly notQuick?: string;
}

/** Counted rounds of a contest that does not ask for more. */
export const ROUNDS = 5;

/** A reference that varied by more than this factor between its runs proves nothing. */
export const NOISE_RATIO_MAX = 2;

/** As much as most runs write. */
export const WARM_BYTES = 512 * 1024 * 1024;
