/** The profiler and the counting of objects, end to end at tiny sizes, from `dist`. */
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import type { runContest as RunContest } from '../../bench/core/run-contest.ts';
import type { Contest } from '../../bench/core/contest.ts';
import { allocationSuite } from '../../bench/suites/allocation.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const DIST = join(import.meta.dirname, '..', '..', 'dist', 'bench');

interface Runner {
  readonly runContest: typeof RunContest;
}

/** As the suite has it, but short. */
function shortened(contest: Contest, ids: readonly string[]): Contest {
  const sides = contest.sides
    .filter(({ id }) => ids.includes(id))
    .map((side) => ({
      ...side,
      parameters: { ...side.parameters, records: 20_000, countedRecords: 50_000 },
    }));
  const goals = contest.goals.filter(({ subject }) => ids.includes(subject));
  return { ...contest, sides, goals, rounds: 1 };
}

test.each(['appendBatch', 'batches'])('%s: counts what a record takes', async (side) => {
  const { runContest } = (await import(join(DIST, 'core', 'run-contest.js'))) as Runner;
  const directory = await temporaryDirectory();
  const contest = allocationSuite.find(({ sides }) => sides.some(({ id }) => id === side));
  const { cells, goals } = await runContest(shortened(contest as Contest, [side]), directory);
  expect(cells).toHaveLength(1);
  expect(cells[0]?.reason).toBeUndefined();
  const extra = cells[0]?.extra ?? {};
  expect(extra['bytesPerRecord']).toBeGreaterThan(0);
  expect(extra['objectsPerRecord']).toBeGreaterThan(0.5);
  expect(extra['boxedNumbersPerRecord']).toBeGreaterThanOrEqual(0);
  expect(extra['boxedNumbersPerRecord']).toBeLessThan(0.5);
  expect(Math.abs(extra['retainedBytesPerRecord'] ?? Infinity)).toBeLessThan(50);
  expect(goals.every(({ value }) => Number.isFinite(value))).toBe(true);
  expect(readdirSync(directory)).toEqual([]);
});

test('bench:profile writes a profile and prints its tables', async () => {
  const directory = join(await temporaryDirectory(), 'profile');
  mkdirSync(directory);
  const run = join(DIST, 'profile', 'run.js');
  const options = ['--directory', directory, '--records', '20000', '--only', 'scan-batches'];
  const { stdout } = await promisify(execFile)(process.execPath, [run, ...options]);
  expect(stdout).toMatch(/^scan by batches\(\): 20,000 records in /);
  expect(stdout).toMatch(/^ {2}read +\d+ +[\d.]+ +[\d,.]+$/m);
  expect(stdout).toMatch(/^scan by batches\(\) +[\d,.]+ +[\d.]+ +[\d.]+$/m);
  expect(readdirSync(directory)).toEqual(['scan-batches.cpuprofile']);
  const profile = JSON.parse(readFileSync(join(directory, 'scan-batches.cpuprofile'), 'utf8')) as {
    nodes: unknown[];
  };
  expect(profile.nodes.length).toBeGreaterThan(5);
});

test('bench:profile refuses what it does not know', async () => {
  const run = promisify(execFile)(process.execPath, [
    join(DIST, 'profile', 'run.js'),
    '--only',
    'x',
  ]);
  await expect(run).rejects.toMatchObject({ code: 2, stderr: expect.stringMatching(/^usage:/) });
});
