/** Whether a goal was reached, and whether the measurement may be believed. */
import { present } from '../../src/core/assert.ts';
import { NOISE_RATIO_MAX, type Contest, type GoalSpec } from './contest.ts';
import type { Sample } from './job.ts';
import { figureOf, type Measurement } from './measurement.ts';
import type { GoalResult } from './report.ts';
import { median, spread } from './statistics.ts';

/** Compares subject and references round by round: what slowed down one slowed down the other. */
export function evaluateGoal(
  contest: Contest,
  spec: GoalSpec,
  measurements: readonly Measurement[],
): GoalResult {
  const find = (id: string) =>
    present(
      measurements.find(({ side }) => side.id === id),
      'a goal names sides of its contest',
    );
  const subject = find(spec.subject);
  const references = spec.references.map(find);
  const missing = [subject, ...references].find(({ reason }) => reason !== null);
  if (missing !== undefined) {
    return unmeasuredGoal(contest, spec, `${missing.side.title}: ${missing.reason}`);
  }
  const runs = valuesOf(spec, subject, references);
  const value = median(runs);
  const result = { ...headOf(contest, spec), value, runs };
  const isNoisy = references.some(
    (reference) => spread(figuresOf(reference, spec)) > NOISE_RATIO_MAX,
  );
  if (isNoisy) return { ...result, met: null, reason: 'noisy' };
  return { ...result, met: spec.bound === 'min' ? value >= spec.goal : value <= spec.goal };
}

/** A goal without a value, and why. */
export function unmeasuredGoal(contest: Contest, spec: GoalSpec, reason: string): GoalResult {
  return { ...headOf(contest, spec), value: null, runs: [], met: null, reason };
}

function headOf(contest: Contest, { name, goal, bound, subject, references }: GoalSpec) {
  const cellOf = (side: string) => `${contest.id}/${side}`;
  return { name, goal, bound, subject: cellOf(subject), references: references.map(cellOf) };
}

function valuesOf(
  spec: GoalSpec,
  subject: Measurement,
  references: readonly Measurement[],
): readonly number[] {
  const { compute } = spec;
  if (compute !== undefined) {
    return subject.samples.map((sample, round) =>
      compute(
        sample,
        references.map(({ samples }) => samples[round] as Sample),
      ),
    );
  }
  const own = figuresOf(subject, spec);
  const best = bestOf(references, spec);
  if (best === null) return own;
  return own.map((value, round) => value / (best[round] ?? Number.NaN));
}

/** The figures of the best reference by its median; null when there is none. */
function bestOf(references: readonly Measurement[], spec: GoalSpec): readonly number[] | null {
  const candidates = references.map((reference) => {
    const figures = figuresOf(reference, spec);
    return { figures, score: reference.side.isHigherBetter ? median(figures) : -median(figures) };
  });
  return candidates.toSorted((a, b) => b.score - a.score)[0]?.figures ?? null;
}

function figuresOf({ side, samples }: Measurement, { metric }: GoalSpec): readonly number[] {
  return samples.map((sample) => figureOf(sample, metric ?? side.metric));
}
