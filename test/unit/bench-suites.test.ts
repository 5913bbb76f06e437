/** What the suites plan: names, references, sizes; nothing is measured. */
import { describe, expect, test } from 'vitest';
import { recordsIn } from '../../bench/suites/sides.ts';
import { SUITES, type Suite } from '../../bench/suites/index.ts';
import { findMount } from '../../bench/host.ts';
import { chooseContests } from '../../bench/run-suites.ts';
import { formatContest, formatGoals, formatList } from '../../bench/report/table.ts';
import type { Contest } from '../../bench/core/contest.ts';
import { unmeasuredGoal } from '../../bench/core/goals.ts';
import { leaveOutContest } from '../../bench/core/run-contest.ts';

const { contests } = await chooseContests(SUITES, { suites: null, only: null });

describe('the suites', () => {
  test('have contests and sides with names of their own, and goals about their sides', () => {
    const ids = contests.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { id, suite, sides, goals } of contests) {
      expect(id.startsWith(`${suite}/`), id).toBe(true);
      const names = sides.map((side) => side.id);
      expect(new Set(names).size, id).toBe(names.length);
      const used = goals.flatMap((goal) => [goal.subject, ...goal.references]);
      expect(names, id).toEqual(expect.arrayContaining(used));
    }
  });

  test('keep every goal in a quick run, and give goals different names', () => {
    const goals = contests.flatMap((contest) => contest.goals);
    expect(new Set(goals.map(({ name }) => name)).size).toBe(goals.length);
    const left = contests.filter(({ notQuick }) => notQuick !== undefined);
    const own = left.filter(({ suite }) => ['append', 'read', 'random', 'micro'].includes(suite));
    expect(own.flatMap((contest) => contest.goals)).toEqual([]);
  });

  test('compare bytes with as many bytes', () => {
    for (const bytes of [256, 512].map((mib) => mib * 2 ** 20)) {
      expect((recordsIn(bytes, 100) * 132) / bytes).toBeCloseTo(1, 2);
      expect((recordsIn(bytes, 1024) * 1056) / bytes).toBeCloseTo(1, 1);
    }
  });
});

test('rows and goals fit 100 columns of a terminal', () => {
  const runs = [0.98765, 0.98765];
  const cellsOf = (contest: Contest) =>
    leaveOutContest(contest, 'full runs only').cells.map((cell) => ({
      ...cell,
      runs,
      median: 941_000,
      min: 941_000,
      max: 1_360_000,
      extra: { 'records/s': 941_000 },
    }));
  for (const contest of contests) {
    const goals = contest.goals.map((goal) => ({
      ...unmeasuredGoal(contest, goal, 'noisy'),
      value: 0.98765,
      runs,
    }));
    const text = formatContest(contest, { cells: cellsOf(contest), goals, failures: [] });
    expect(text.split('\n').filter((row) => row.length > 100)).toEqual([]);
  }
  const list = formatList(contests);
  expect(list.split('\n').filter((row) => row.length > 100)).toEqual([]);
});

describe('choosing contests', () => {
  const broken: Suite = { name: 'broken', load: () => Promise.reject(new Error('no such module')) };

  test('by suite and by a part of the name', async () => {
    const chosen = await chooseContests(SUITES, { suites: ['append'], only: 'sync-100' });
    expect(chosen.contests.map(({ id }) => id)).toContain('append/records-sync-100');
    expect(chosen.contests.every(({ suite }) => suite === 'append')).toBe(true);
  });

  test('a suite that cannot be loaded does not break the others', async () => {
    const chosen = await chooseContests([broken, ...SUITES], { suites: null, only: null });
    expect(chosen.failures).toEqual(['suite broken: no such module']);
    expect(chosen.contests).toHaveLength(contests.length);
  });

  test.each([
    { suites: ['nope'], only: null, message: /no suite nope: append, read/ },
    { suites: null, only: 'nope', message: /no contest has "nope"/ },
    { suites: [], only: null, message: /no contest/ },
  ])('$suites $only is refused', async ({ suites, only, message }) => {
    await expect(chooseContests(SUITES, { suites, only })).rejects.toThrow(message);
  });
});

test('a contest that was left out is a table with the reason', () => {
  const contest = contests.find(({ id }) => id === 'append/os-100');
  if (contest === undefined) throw new Error('the contest is there');
  const result = leaveOutContest(contest, 'full runs only\nand more');
  const text = formatContest(contest, result);
  expect(text).toMatch(/^append\/os-100: append at os/);
  expect(text).toMatch(/W: 1 MiB writes +- +full runs only\n/);
  expect(text).toMatch(/^ {2}unknown +- +>= 0.25 +appendBatch.* W\n {11}full runs only\n/m);
  expect(formatGoals(result.goals)).toMatch(/^goals: 0 met, 0 missed, 2 unknown\n/);
  expect(text).not.toContain('and more');
});

test('the file system is that of the longest mount point above the directory', () => {
  const mountinfo = [
    '22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard',
    '40 22 0:30 / /data rw,noatime shared:2 - xfs /dev/vdb rw,attr2',
    String.raw`41 22 0:31 / /data\040two rw - tmpfs tmpfs rw`,
    '',
  ].join('\n');
  expect(findMount(mountinfo, '/data/logs')).toEqual({
    path: '/data',
    type: 'xfs',
    options: 'rw,noatime,attr2',
  });
  expect(findMount(mountinfo, '/data two')).toMatchObject({ type: 'tmpfs' });
  expect(findMount(mountinfo, '/database')).toMatchObject({ type: 'ext4' });
});
