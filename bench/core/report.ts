/** The shape of what `--json` writes: everything that was measured, raw runs included. */
import type { JobFacts, JobParameters } from './job.ts';

export const REPORT_FORMAT = 'varve-bench-1';

export interface BenchReport {
  readonly format: typeof REPORT_FORMAT;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly durationMs: number;
  readonly isQuick: boolean;
  readonly host: HostFacts;
  readonly cells: readonly CellResult[];
  readonly goals: readonly GoalResult[];
}

/** What a figure depends on, as strings, numbers and nulls for people to compare. */
export type HostFacts = Readonly<Record<string, string | number | null>>;

/** One side of a contest. */
export interface CellResult {
  /** `<contest id>/<side id>`: stable, two reports are compared by it. */
  readonly id: string;
  readonly suite: string;
  readonly contest: string;
  readonly contestTitle: string;
  readonly title: string;
  readonly parameters: JobParameters;
  /** Versions and confirmed settings of a peer; absent where the job names none. */
  readonly facts?: JobFacts;
  readonly unit: string;
  readonly isHigherBetter: boolean;
  /** One figure per counted round, in order. Empty when the cell could not run. */
  readonly runs: readonly number[];
  readonly median: number | null;
  readonly min: number | null;
  readonly max: number | null;
  /** Medians of `Sample.extra`, and of bytes/s and records/s where they mean something. */
  readonly extra: Readonly<Record<string, number>>;
  /** Why it could not run: a missing peer, a missing compiler, an error. */
  readonly reason?: string;
}

export interface GoalResult {
  readonly name: string;
  /** Median of the rounds' ratios; null when it was not measured. */
  readonly value: number | null;
  readonly goal: number;
  readonly bound: 'min' | 'max';
  /** null: not measured, or not to be believed; `reason` says why. */
  readonly met: boolean | null;
  readonly reason?: string;
  /** The ratio of each round. */
  readonly runs: readonly number[];
  /** Cell ids. */
  readonly subject: string;
  readonly references: readonly string[];
}
