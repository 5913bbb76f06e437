import { describe, expect, test } from 'vitest';
import type { Contest, GoalSpec, Side } from '../../bench/core/contest.ts';
import { evaluateGoal, unmeasuredGoal } from '../../bench/core/goals.ts';
import type { Measurement } from '../../bench/core/measurement.ts';

const GOAL: GoalSpec = {
  name: 'share of W',
  subject: 'log',
  references: ['W'],
  goal: 0.5,
  bound: 'min',
};

function side(id: string, isHigherBetter = true): Side {
  const metric = isHigherBetter ? 'bytes/s' : 'ms';
  return {
    id,
    title: `side ${id}`,
    job: 'none',
    parameters: {},
    metric,
    unit: metric,
    isHigherBetter,
  };
}

/** A side that moved so many bytes in one second, or took so many ms for a byte, in each round. */
function measured(id: string, figures: readonly number[], isHigherBetter = true): Measurement {
  const samples = figures.map((figure) =>
    isHigherBetter
      ? { bytes: figure, records: figure * 10, ms: 1000, extra: { p99Us: figure } }
      : { bytes: 1, records: 1, ms: figure },
  );
  return { side: side(id, isHigherBetter), samples, reason: null };
}

function evaluate(spec: GoalSpec, measurements: readonly Measurement[]) {
  const contest: Contest = {
    id: 'test/one',
    suite: 'test',
    title: 'a test',
    sides: measurements.map((measurement) => measurement.side),
    goals: [spec],
  };
  return evaluateGoal(contest, spec, measurements);
}

describe('a goal', () => {
  test('is the median of the ratios of each round, not the ratio of the medians', () => {
    const result = evaluate(GOAL, [measured('W', [100, 200, 150]), measured('log', [90, 100, 60])]);
    expect(result).toEqual({
      name: 'share of W',
      goal: 0.5,
      bound: 'min',
      subject: 'test/one/log',
      references: ['test/one/W'],
      value: 0.5,
      runs: [0.9, 0.5, 0.4],
      met: true,
    });
  });

  test.each([
    { bound: 'min', figure: 50, met: true },
    { bound: 'min', figure: 49, met: false },
    { bound: 'max', figure: 50, met: true },
    { bound: 'max', figure: 51, met: false },
  ] as const)('$bound 0.5 with $figure of 100: $met', ({ bound, figure, met }) => {
    const measurements = [measured('W', [100, 100]), measured('log', [figure, figure])];
    expect(evaluate({ ...GOAL, bound }, measurements).met).toBe(met);
  });

  test('is undecided when a reference varied by more than a factor of two, and keeps its value', () => {
    const log = measured('log', [90, 90, 90]);
    expect(evaluate(GOAL, [measured('W', [100, 201, 100]), log])).toMatchObject({
      met: null,
      reason: 'noisy',
      value: 0.9,
    });
    expect(evaluate(GOAL, [measured('W', [100, 200, 100]), log]).met).toBe(true);
  });

  test('may have a noisy subject: that is what is measured', () => {
    const measurements = [measured('W', [100, 100, 100]), measured('log', [60, 300, 70])];
    expect(evaluate(GOAL, measurements)).toMatchObject({ met: true, value: 0.7 });
  });

  test.each(['W', 'log'])('has no value when %s is missing, and says why', (missing) => {
    const measurements = ['W', 'log'].map((id) => ({
      ...measured(id, [100]),
      ...(id === missing ? { reason: 'no compiler' } : {}),
    }));
    expect(evaluate(GOAL, measurements)).toMatchObject({
      value: null,
      met: null,
      runs: [],
      reason: `side ${missing}: no compiler`,
    });
  });

  test('compares with the best of several references', () => {
    const peers: GoalSpec = { ...GOAL, references: ['a', 'b'], goal: 4 };
    const subject = measured('log', [400, 400]);
    const rates = [measured('a', [100, 110]), measured('b', [200, 190]), subject];
    expect(evaluate(peers, rates).runs).toEqual([2, 400 / 190]);
  });

  test('takes the quicker of several references where less is better', () => {
    const measurements = [
      measured('a', [10, 10], false),
      measured('b', [5, 5], false),
      measured('log', [20, 20], false),
    ];
    const spec: GoalSpec = { ...GOAL, references: ['a', 'b'], bound: 'max', goal: 4 };
    expect(evaluate(spec, measurements)).toMatchObject({ value: 4, met: true });
  });

  test('without a reference is about the own figure', () => {
    const spec: GoalSpec = { ...GOAL, references: [], goal: 20, bound: 'max' };
    expect(evaluate(spec, [measured('log', [18, 30, 19])])).toMatchObject({ value: 19, met: true });
  });

  test('compares another metric where it names one', () => {
    const measurements = [measured('W', [100, 100]), measured('log', [30, 30])];
    const own: GoalSpec = {
      ...GOAL,
      references: [],
      metric: 'extra:p99Us',
      goal: 31,
      bound: 'max',
    };
    expect(evaluate({ ...GOAL, metric: 'records/s' }, measurements).value).toBeCloseTo(0.3);
    expect(evaluate(own, measurements)).toMatchObject({ value: 30, met: true });
  });

  test('may be computed from the samples of a round', () => {
    const measurements = [measured('W', [100, 150]), measured('log', [50, 50])];
    const spec: GoalSpec = {
      ...GOAL,
      goal: 200,
      bound: 'max',
      compute: (subject, [reference]) => subject.bytes + (reference?.bytes ?? 0),
    };
    expect(evaluate(spec, measurements)).toMatchObject({ runs: [150, 200], value: 175, met: true });
  });

  test('that names a side of another contest is a mistake', () => {
    expect(() => evaluate(GOAL, [measured('log', [1])])).toThrow(/a goal names sides/);
  });
});

test('a goal of a contest that was left out', () => {
  const contest: Contest = { id: 'c', suite: 's', title: '', sides: [], goals: [GOAL] };
  expect(unmeasuredGoal(contest, GOAL, 'full runs only')).toMatchObject({
    value: null,
    met: null,
    reason: 'full runs only',
    subject: 'c/log',
  });
});
