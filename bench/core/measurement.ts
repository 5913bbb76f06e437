/** What the sides of a contest measured, and the figures in it. */
import type { Metric, Side } from './contest.ts';
import type { JobFacts, Sample } from './job.ts';

/** A side and its counted runs, in the order of the rounds. */
export interface Measurement {
  readonly side: Side;
  readonly samples: readonly Sample[];
  /** What the job said about itself. Default: nothing. */
  readonly facts?: JobFacts;
  /** Why it did not run, or not to the end; null when all is there. */
  readonly reason: string | null;
}

/** The figure of a sample that a side or a goal is about; NaN when the sample has none. */
export function figureOf(sample: Sample, metric: Metric): number {
  if (metric === 'ms') return sample.ms;
  if (metric === 'bytes/s') return sample.bytes / (sample.ms / 1e3);
  if (metric === 'records/s') return sample.records / (sample.ms / 1e3);
  return sample.extra?.[metric.slice('extra:'.length)] ?? Number.NaN;
}
