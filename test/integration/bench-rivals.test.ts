/** Contests with rivals run end to end, and say why where a rival is missing. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Contest } from '../../bench/core/contest.ts';
import type { runContest as RunContest } from '../../bench/core/run-contest.ts';
import { findRedisServer } from '../../bench/jobs/redis-server.ts';
import { cSuite } from '../../bench/suites/c.ts';
import { peersSuite } from '../../bench/suites/peers.ts';
import { queueSuite } from '../../bench/suites/queue.ts';
import { whyNoCompiler } from '../support/limit-program.ts';
import { distPath } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const { runContest } = (await import(distPath('bench', 'core', 'run-contest.js'))) as {
  readonly runContest: typeof RunContest; // From dist: it starts processes of its own.
};
const PEERS = join(import.meta.dirname, '..', '..', 'bench', 'peers', 'node_modules');
const hasPeers = existsSync(PEERS);
const NOT_INSTALLED = 'not installed: npm run bench:peers';

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
    const missing = hasPeers ? undefined : NOT_INSTALLED;
    expect(reasons).toEqual(
      reasons.map(({ cell }) => ({ cell, reason: isPeer(cell) ? missing : undefined })),
    );
    expect(goals.every(({ value }) => (value === null) === !hasPeers)).toBe(true);
  },
);

/** Why the cells of a job cannot be measured here. */
function whyMissing(job: string): string | undefined {
  if (job === 'peer-sqlite-queue') return hasPeers ? undefined : NOT_INSTALLED;
  if (!existsSync(join(PEERS, 'bullmq'))) return NOT_INSTALLED;
  try {
    findRedisServer();
    return undefined;
  } catch {
    return 'no redis-server';
  }
}

test('queue/batched measures the peers with their versions, or says what is missing', async () => {
  const contest = small(queueSuite, 'queue/batched');
  const sides = contest.sides.filter(({ job }) => job.startsWith('peer-'));
  const root = await temporaryDirectory();
  const { cells, failures } = await runContest({ ...contest, sides, goals: [] }, root);
  expect(failures).toEqual([]);
  expect(cells.map(({ reason }) => reason)).toEqual(sides.map(({ job }) => whyMissing(job)));
  for (const { id, median, facts = {} } of cells.filter(({ reason }) => reason === undefined)) {
    expect(median, id).toBeGreaterThan(0);
    const names = id.includes('bullmq') ? ['bullmq', 'ioredis', 'redis'] : ['better-sqlite3'];
    for (const name of names) expect(facts[name], id).toMatch(/^\d+\.\d+\.\d+$/);
  }
});

test('without Redis the cells of BullMQ say so', async () => {
  const { VARVE_REDIS_SERVER } = process.env;
  process.env['VARVE_REDIS_SERVER'] = join(await temporaryDirectory(), 'missing');
  try {
    const contest = small(queueSuite, 'queue/batched');
    const sides = contest.sides.filter(({ job }) => job === 'peer-bullmq');
    const root = await temporaryDirectory();
    const { cells, failures } = await runContest({ ...contest, sides, goals: [] }, root);
    const missing = existsSync(join(PEERS, 'bullmq')) ? 'no redis-server' : NOT_INSTALLED;
    expect(cells.map(({ reason }) => reason)).toEqual([missing, missing]);
    expect(failures).toEqual([]);
  } finally {
    if (VARVE_REDIS_SERVER === undefined) delete process.env['VARVE_REDIS_SERVER'];
    else process.env['VARVE_REDIS_SERVER'] = VARVE_REDIS_SERVER;
  }
});
