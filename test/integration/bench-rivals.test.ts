/** Contests with rivals run end to end, and say why where a rival is missing. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Contest } from '../../bench/core/contest.ts';
import type { runContest as RunContest } from '../../bench/core/run-contest.ts';
import { cSuite } from '../../bench/suites/c.ts';
import { peersSuite } from '../../bench/suites/peers.ts';
import { whyNoCompiler } from '../support/limit-program.ts';
import { distPath } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const { runContest } = (await import(distPath('bench', 'core', 'run-contest.js'))) as {
  readonly runContest: typeof RunContest; // From dist: it starts processes of its own.
};
const hasPeers = existsSync(
  join(import.meta.dirname, '..', '..', 'bench', 'peers', 'node_modules'),
);

/** The contest of that id with few records, and one counted round. */
function small(suite: readonly Contest[], id: string): Contest {
  const contest = suite.find((candidate) => candidate.id === id);
  if (contest === undefined) throw new Error(`no contest ${id}`);
  const sides = contest.sides.map((side) => {
    const parameters: Record<string, string | number | boolean | null> = { ...side.parameters };
    if ('records' in parameters) parameters['records'] = 4000;
    if ('bytes' in parameters) parameters['bytes'] = 4000 * 132;
    return { ...side, parameters, warmBytes: 0 };
  });
  return { ...contest, sides, rounds: 1 };
}

test.skipIf(whyNoCompiler() !== null).each(['c/append-os/100', 'c/append-sync/100', 'c/scan/100'])(
  '%s measures both sides',
  async (id) => {
    const { cells, goals } = await runContest(small(cSuite, id), await temporaryDirectory());
    expect(cells.map(({ reason }) => reason)).toEqual([undefined, undefined]);
    expect(cells.every(({ median }) => median !== null && median > 0)).toBe(true);
    expect(goals[0]?.value).toBeGreaterThan(0);
  },
);

test('without a compiler the cell and its goal say so', async () => {
  const { CC } = process.env;
  process.env['CC'] = join(await temporaryDirectory(), 'missing');
  try {
    const contest = small(cSuite, 'c/append-os/100');
    const { cells, goals } = await runContest(contest, await temporaryDirectory());
    expect(cells[0]).toMatchObject({ reason: 'no C compiler', median: null });
    expect(cells[1]?.median).toBeGreaterThan(0);
    expect(goals[0]).toMatchObject({ met: null, value: null });
    expect(goals[0]?.reason).toContain('no C compiler');
  } finally {
    if (CC === undefined) delete process.env['CC'];
    else process.env['CC'] = CC;
  }
});

test.each(['peers/append-os/100', 'peers/append-sync/100', 'peers/scan/100'])(
  '%s measures the peers, or says that they are not installed',
  async (id) => {
    const { cells, goals } = await runContest(small(peersSuite, id), await temporaryDirectory());
    const reasons = cells.map(({ id: cell, reason }) => ({ cell, reason }));
    const isPeer = (cell: string) => /lmdb|sqlite/.test(cell);
    const missing = hasPeers ? undefined : 'not installed: npm run bench:peers';
    expect(reasons).toEqual(
      reasons.map(({ cell }) => ({ cell, reason: isPeer(cell) ? missing : undefined })),
    );
    expect(goals.every(({ value }) => (value === null) === !hasPeers)).toBe(true);
  },
);
