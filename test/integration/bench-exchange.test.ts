/** The contests of exchanges, small: every record that is published comes to every queue. */
import { expect, test } from 'vitest';
import type { Contest } from '../../bench/core/contest.ts';
import type { JobParameters } from '../../bench/core/job.ts';
import type { runContest as RunContest } from '../../bench/core/run-contest.ts';
import { exchangeSuite } from '../../bench/suites/exchange.ts';
import { distPath } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const { runContest } = (await import(distPath('bench', 'core', 'run-contest.js'))) as {
  readonly runContest: typeof RunContest; // From dist: it starts processes of its own.
};

/** A contest with other parameters, no more than 100 bindings, and one counted round. */
function small(id: string, parameters: JobParameters): Contest {
  const contest = exchangeSuite.find((candidate) => candidate.id === id);
  if (contest === undefined) throw new Error(`no contest ${id}`);
  const sides = contest.sides.map((side) => {
    if (side.job === 'append')
      return { ...side, parameters: { ...side.parameters, records: 4000 } };
    const known = Object.entries(parameters).filter(([name]) => name in side.parameters);
    const changed = { ...side.parameters, ...Object.fromEntries(known) };
    const { bindings } = changed;
    const fewer = typeof bindings === 'number' ? { bindings: Math.min(bindings, 100) } : {};
    return { ...side, parameters: { ...changed, ...fewer }, warmBytes: 0 };
  });
  return { ...contest, sides, rounds: 1 };
}

test.each<readonly [string, JobParameters]>([
  ['exchange/burst', { records: 3000, callers: 100 }],
  ['exchange/sustained', { seconds: 1, recordsPerCall: 100, callers: 4 }],
  ['exchange/bindings', { records: 3000, callers: 100 }],
  ['exchange/idle-latency', { seconds: 0.3 }],
])('%s measures what it says', async (id, parameters) => {
  const contest = small(id, parameters);
  const { cells, goals, failures } = await runContest(contest, await temporaryDirectory());
  expect(failures).toEqual([]);
  for (const { id: cell, median } of cells) expect(median, cell).toBeGreaterThan(0);
  expect(goals.map(({ value }) => Number.isFinite(value))).toEqual(contest.goals.map(() => true));
});
