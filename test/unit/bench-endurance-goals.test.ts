/** The goals of the suites about time to open, size and stalls: what they make of given samples. */
import { describe, expect, test } from 'vitest';
import type { Contest, Side } from '../../bench/core/contest.ts';
import { evaluateGoal } from '../../bench/core/goals.ts';
import type { Sample } from '../../bench/core/job.ts';
import { memorySuite } from '../../bench/suites/memory.ts';
import { latencySuite } from '../../bench/suites/latency.ts';
import { openSuite } from '../../bench/suites/open.ts';
import { recoverSuite } from '../../bench/suites/recover.ts';
import { scaleSuite } from '../../bench/suites/scale.ts';
import { stallsSuite } from '../../bench/suites/stalls.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

const SUITES = [openSuite, recoverSuite, latencySuite, memorySuite, scaleSuite, stallsSuite];

test('ids are unique, sides too, and goals name sides of their contest', () => {
  const contests = SUITES.flat();
  expect(new Set(contests.map(({ id }) => id)).size).toBe(contests.length);
  const names = contests.flatMap(({ goals }) => goals.map(({ name }) => name));
  expect(new Set(names).size).toBe(names.length);
  for (const { id, suite, sides, goals } of contests) {
    const ids = sides.map((side) => side.id);
    expect(id.startsWith(`${suite}/`)).toBe(true);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { subject, references } of goals) {
      expect(ids).toEqual(expect.arrayContaining([subject, ...references]));
    }
  }
});

test('what handles 10 GiB is left out of a quick run', () => {
  const large = SUITES.flat().filter(({ sides }) => sides.some(isLarge));
  expect(large.map(({ id }) => id)).toEqual([
    'open/10GiB',
    'memory/10GiB',
    'scale/append-os',
    'scale/append-sync',
    'scale/cursor',
  ]);
  expect(large.filter(({ notQuick }) => notQuick === undefined)).toEqual([]);
});

describe('open', () => {
  test('compares by the difference in ms', () => {
    const contest = contestOf(openSuite, 'open/10GiB');
    expect(judge(contest, { '10MiB': ms(4), '10GiB': ms(53) })).toEqual([[49, true]]);
    expect(judge(contest, { '10MiB': ms(4), '10GiB': ms(55) })).toEqual([[51, false]]);
  });
});

describe('recover', () => {
  test.each(['os', 'sync'])('at %s: 5 ms are free, the rest is at most 1.5 times', (durability) => {
    const contest = contestOf(recoverSuite, `recover/${durability}`);
    expect(judge(contest, { machine: ms(20), open: ms(35) })).toEqual([[1.5, true]]);
    expect(judge(contest, { machine: ms(20), open: ms(36) })).toEqual([[1.55, false]]);
  });
});

describe('memory', () => {
  test('may grow by 150 MiB', () => {
    const contest = contestOf(memorySuite, 'memory/10GiB');
    const growth = (bytes: number): Sample => ({ ...ms(1), extra: { growthBytes: bytes } });
    const samples = { 'varve-100': growth(150 * MIB), 'varve-1024': growth(151 * MIB) };
    expect(judge(contest, samples)).toEqual([
      [150, true],
      [151, false],
    ]);
  });
});

describe('scale', () => {
  const contest = contestOf(scaleSuite, 'scale/append-sync');
  const rate = (bytes: number): Sample => ({ bytes, records: 1, ms: 1000 });

  test('the machine may slow down with size, and the log with it', () => {
    const samples = {
      'machine-1': rate(1000),
      'varve-1024-1': rate(500),
      'machine-10': rate(600),
      'varve-1024-10': rate(300),
    };
    expect(judge(contest, samples)).toEqual([[1, true]]);
  });

  test('the log alone may not', () => {
    const samples = {
      'machine-1': rate(1000),
      'varve-1024-1': rate(500),
      'machine-10': rate(1000),
      'varve-1024-10': rate(440),
    };
    expect(judge(contest, samples)).toEqual([[0.88, false]]);
  });
});

describe('stalls', () => {
  test('20 ms are allowed, whatever the machine does', () => {
    const stall = (maxStallMs: number): Sample => ({ ...ms(1), extra: { maxStallMs } });
    for (const contest of stallsSuite) {
      expect(judge(contest, { machine: stall(90), varve: stall(20) })).toEqual([[20, true]]);
      expect(judge(contest, { machine: stall(1), varve: stall(21) })).toEqual([[21, false]]);
    }
  });
});

/** Whether it handles 10 GiB, stated as bytes or as records. */
function isLarge({ parameters }: Side): boolean {
  const { bytes = 0, records = 0, firstRecords = records, valueBytes = 0 } = parameters;
  return Number(bytes) > 9 * GIB || Number(firstRecords) * Number(valueBytes) > 7 * GIB;
}

function contestOf(suite: readonly Contest[], id: string): Contest {
  return suite.find((contest) => contest.id === id) as Contest;
}

function ms(value: number): Sample {
  return { bytes: 1, records: 1, ms: value };
}

/** Value and verdict of each goal when every round gave the same samples. */
function judge(contest: Contest, samples: Readonly<Record<string, Sample>>) {
  const measurements = contest.sides.map((side) => ({
    side,
    samples: Array.from({ length: 3 }, () => samples[side.id] ?? ms(1)),
    reason: null,
  }));
  return contest.goals.map((goal) => {
    const { value, met } = evaluateGoal(contest, goal, measurements);
    return [Number(value?.toFixed(6)), met];
  });
}
