/** The suites about open, tails, memory and stalls, end to end in worker processes, with tiny sizes. */
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { Contest } from '../../bench/core/contest.ts';
import type { JobParameters } from '../../bench/core/job.ts';
import type { CellResult } from '../../bench/core/report.ts';
import type * as Runner from '../../bench/core/run-contest.ts';
import { latencySuite } from '../../bench/suites/latency.ts';
import { memorySuite } from '../../bench/suites/memory.ts';
import { openSuite } from '../../bench/suites/open.ts';
import { recoverSuite } from '../../bench/suites/recover.ts';
import { scaleSuite } from '../../bench/suites/scale.ts';
import { stallsSuite } from '../../bench/suites/stalls.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const RUNNER = join(import.meta.dirname, '..', '..', 'dist', 'bench', 'core', 'run-contest.js');
// Workers run the built code, so the runner that starts them does, too.
const { runContest } = (await import(pathToFileURL(RUNNER).href)) as typeof Runner;

/** Runs one contest once, with parameters changed where a side has them. */
async function runTiny(
  suite: readonly Contest[],
  id: string,
  changes: JobParameters,
): Promise<readonly CellResult[]> {
  const contest = suite.find((candidate) => candidate.id === id) as Contest;
  const shrink = (parameters: JobParameters): JobParameters =>
    Object.fromEntries(
      Object.entries(parameters).map(([name, value]) => [name, changes[name] ?? value]),
    );
  const sides = contest.sides.map((side) => ({
    ...side,
    parameters: shrink(side.parameters),
    warmBytes: 0,
  }));
  const root = join(await temporaryDirectory(), 'root');
  mkdirSync(root);
  const { cells } = await runContest({ ...contest, sides, rounds: 1 }, root);
  expect(readdirSync(root)).toEqual([]);
  expect(cells.map(({ reason }) => reason)).toEqual(cells.map(() => undefined));
  for (const { median } of cells) expect(median).toBeGreaterThanOrEqual(0);
  return cells;
}

describe('recover', () => {
  test.each(['os', 'sync'])('after SIGKILL at %s, over the bytes the machine reads', async (id) => {
    const sizes = { segmentBytesMax: 2 * MIB, activeBytes: MIB };
    const [machine, open] = await runTiny(recoverSuite, `recover/${id}`, sizes);
    expect(open?.extra['records/s']).toBeGreaterThan(0);
    // Beside what the checkpoint calls the tail, recovery writes the index batch before it again.
    const machineBytes = machine?.extra['rewrittenBytes'] ?? Number.NaN;
    const openBytes = open?.extra['rewrittenBytes'] ?? Number.NaN;
    expect(openBytes).toBeGreaterThanOrEqual(machineBytes - (open?.extra['cutBytes'] ?? 0));
    expect(openBytes).toBeLessThanOrEqual(machineBytes + 64 * KIB);
    if (id === 'os') expect(machineBytes).toBeGreaterThan(0);
  });
});

test('open: both logs are opened whole', async () => {
  const [small, large] = await runTiny(openSuite, 'open/1GiB', { records: 1000, opens: 2 });
  for (const cell of [small, large]) {
    expect(cell?.extra['segments']).toBe(1);
    expect(cell?.extra['verifiedBytes']).toBeGreaterThanOrEqual(MIB - 4 * KIB);
    expect(cell?.extra['verifiedBytes']).toBeLessThan(2 * MIB);
  }
});

test.each(latencySuite.map(({ id }) => id))('%s: percentiles ascend', async (id) => {
  const cells = await runTiny(latencySuite, id, { seconds: 0.05 });
  for (const { extra } of cells) {
    const figures = ['p50Us', 'p90Us', 'p99Us', 'p999Us', 'p9999Us', 'maxUs'].map(
      (name) => extra[name] ?? Number.NaN,
    );
    expect(figures[0]).toBeGreaterThan(0);
    expect(figures).toEqual(figures.toSorted((a, b) => a - b));
    expect(extra['achievedPerSecond']).toBeGreaterThan(0);
    expect(extra['latePerSecond']).toBeGreaterThanOrEqual(0);
  }
});

test('memory: grows by something, from the bare process', async () => {
  const sizes = { firstRecords: 10_000, records: 2000 };
  for (const { extra, median } of await runTiny(memorySuite, 'memory/1GiB', sizes)) {
    expect(extra['bareRssBytes']).toBeGreaterThan(10 * MIB);
    expect(median).toBe((extra['peakRssBytes'] ?? 0) - (extra['bareRssBytes'] ?? 0));
    expect(median).toBeGreaterThan(MIB);
  }
});

test.each(stallsSuite.map(({ id }) => id))('%s: segments roll and are deleted', async (id) => {
  const [machine, varve] = await runTiny(stallsSuite, id, {
    segmentBytes: MIB,
    retainedBytes: 2 * MIB,
    bytes: 24 * MIB,
    calls: 240,
    ratePerSecond: id === 'stalls/paced' ? 1000 : null,
    blocksPerSecond: id === 'stalls/paced' ? 100 : null,
    deletedMin: 1,
  });
  for (const cell of [machine, varve]) {
    expect(cell?.extra['rolls']).toBeGreaterThanOrEqual(6);
    expect(cell?.extra['deletedSegments']).toBeGreaterThanOrEqual(1);
    expect(cell?.extra['maxStallMs']).toBeGreaterThan(0);
  }
});

test.each([
  ['scale/append-os', 6],
  ['scale/cursor', 4],
])('%s: runs all sides, some without a warm-up', async (id, sides) => {
  const cells = await runTiny(scaleSuite, id, { bytes: MIB, records: 2000 });
  expect(cells.map(({ runs }) => runs.length)).toEqual(Array.from({ length: sides }, () => 1));
});
