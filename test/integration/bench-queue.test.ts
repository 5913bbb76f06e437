/** Varve's side of the queue contests, small: every record is sent, acquired and acknowledged once. */
import { expect, test } from 'vitest';
import type { Contest } from '../../bench/core/contest.ts';
import type { JobParameters } from '../../bench/core/job.ts';
import type { runContest as RunContest } from '../../bench/core/run-contest.ts';
import { queueSuite } from '../../bench/suites/queue.ts';
import { distPath } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const { runContest } = (await import(distPath('bench', 'core', 'run-contest.js'))) as {
  readonly runContest: typeof RunContest; // From dist: it starts processes of its own.
};

/** A contest without its peers, with other parameters, and one counted round. */
function small(id: string, parameters: JobParameters): Contest {
  const contest = queueSuite.find((candidate) => candidate.id === id);
  if (contest === undefined) throw new Error(`no contest ${id}`);
  const own = contest.sides.filter(({ job }) => !job.startsWith('peer-'));
  const sides = own.map((side) => {
    const known = Object.entries(parameters).filter(([name]) => name in side.parameters);
    const changed = { ...side.parameters, ...Object.fromEntries(known) };
    return { ...side, parameters: changed, warmBytes: 0 };
  });
  const ids = sides.map((side) => side.id);
  const goals = contest.goals.filter((goal) => goal.references.every((one) => ids.includes(one)));
  return { ...contest, sides, goals, rounds: 1 };
}

test.each<readonly [string, JobParameters, number]>([
  ['queue/batched', { records: 4000 }, 0],
  ['queue/one-by-one', { records: 2000, syncs: 20 }, 1],
  ['queue/idle-latency', { seconds: 0.3 }, 2],
  ['queue/backlog', { records: 4000, recordsPerSlice: 2000, backlog: 8000 }, 2],
])('%s measures what it says', async (id, parameters, goalCount) => {
  const contest = small(id, parameters);
  const { cells, goals, failures } = await runContest(contest, await temporaryDirectory());
  expect(failures).toEqual([]);
  for (const { id: cell, median } of cells) expect(median, cell).toBeGreaterThan(0);
  expect(goals.map(({ value }) => Number.isFinite(value))).toEqual(
    Array.from({ length: goalCount }, () => true),
  );
});
