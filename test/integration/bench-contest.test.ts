/** Small contests end to end: real worker processes, from dist. */
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { Contest, Side } from '../../bench/core/contest.ts';
import type { JobParameters } from '../../bench/core/job.ts';
import type { runContest as RunContest } from '../../bench/core/run-contest.ts';
import { distPath } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

// From dist: the worker process is started from the compiled file.
const { runContest } = (await import(distPath('bench', 'core', 'run-contest.js'))) as {
  runContest: typeof RunContest;
};

const MIB = 1024 * 1024;

function side(id: string, job: string, parameters: JobParameters): Side {
  return {
    id,
    title: `${job} ${id}`,
    job,
    parameters,
    metric: 'bytes/s',
    unit: 'bytes/s',
    isHigherBetter: true,
    warmBytes: 0,
  };
}

function contestOf(...sides: readonly Side[]): Contest {
  return {
    id: 'test/small',
    suite: 'test',
    title: 'a small contest',
    sides,
    rounds: 2,
    goals: [
      {
        name: 'share',
        subject: sides.at(-1)?.id ?? '',
        references: [sides[0]?.id ?? ''],
        goal: 1e-6,
        bound: 'min',
      },
    ],
  };
}

const APPEND = { valueBytes: 100, recordsPerCall: 100, callsInFlight: 4 };

describe('a contest', () => {
  test('appends in every call shape beside raw writes', async () => {
    const root = await temporaryDirectory();
    const sides = [
      side('W', 'machine-write', { bytes: MIB, sync: false }),
      side('F', 'machine-sync', { syncs: 3 }),
      side('one', 'append', { ...APPEND, durability: 'sync', records: 300, call: 'append' }),
      side('no-wait', 'append', {
        ...APPEND,
        durability: 'interval',
        records: 3000,
        call: 'appendNoWait',
      }),
      side('batch', 'append', { ...APPEND, durability: 'os', records: 3000, call: 'appendBatch' }),
      side('none', 'append', {
        ...APPEND,
        durability: 'os',
        records: 3000,
        call: 'appendBatch',
        keys: 'none',
      }),
    ];
    const { cells, goals, failures } = await runContest(contestOf(...sides), root);
    expect(failures).toEqual([]);
    expect(cells.map(({ id, runs, reason }) => [id, runs.length, reason])).toEqual(
      sides.map(({ id }) => [`test/small/${id}`, 2, undefined]),
    );
    for (const { median, min, max } of cells) {
      expect(min).toBeGreaterThan(0);
      expect(median).toBeGreaterThanOrEqual(min ?? 0);
      expect(max).toBeGreaterThanOrEqual(median ?? 0);
    }
    expect(goals[0]?.runs).toHaveLength(2);
    expect(await readdir(root)).toEqual([]);
  });

  test('reads in every way, and at random, beside raw reads', async () => {
    const root = await temporaryDirectory();
    const scan = { valueBytes: 100, records: 2500 };
    const random = { ...scan, reads: 500, callsInFlight: 4, seed: 1, batchBytesMax: 4096 };
    const sides = [
      side('R', 'machine-read', { bytes: MIB }),
      side('pread', 'machine-pread', { bytes: MIB, reads: 100, seed: 1 }),
      ...['cursor', 'cursor-views', 'batches', 'batches-offsets', 'batches-values', 'records'].map(
        (walk) => side(walk, 'read', { ...scan, walk }),
      ),
      side('cached', 'random', { ...random, cacheBytes: null, warm: true }),
      side('stored', 'random', { ...random, cacheBytes: 0, warm: false }),
    ];
    const { cells, failures } = await runContest({ ...contestOf(...sides), rounds: 1 }, root);
    expect(failures).toEqual([]);
    expect(cells.filter(({ median }) => median === null)).toEqual([]);
  });

  test('tells what broke, and measures the other sides', async () => {
    const root = await temporaryDirectory();
    const { cells, goals, failures } = await runContest(
      contestOf(
        side('W', 'machine-write', { bytes: MIB, sync: true }),
        side('none', 'no-such-job', {}),
        side('odd', 'append', { ...APPEND, durability: 'os', records: 7, call: 'appendBatch' }),
      ),
      root,
    );
    expect(cells.map(({ runs }) => runs.length)).toEqual([2, 0, 0]);
    expect(failures).toHaveLength(2);
    expect(failures.join()).toMatch(/test\/small\/none: .*no-such-job.*recordsPerCall/s);
    expect(goals[0]).toMatchObject({ met: null, value: null });
    expect(goals[0]?.reason).toContain('records is a multiple of recordsPerCall');
    expect(await readdir(root)).toEqual([]);
  });

  test('keeps what a job says about its versions', async () => {
    const root = await temporaryDirectory();
    const job = join(await temporaryDirectory(), 'job.mjs');
    await writeFile(
      job,
      `export const openJob = async () => ({
        facts: { engine: '9.8.7' },
        run: async () => ({ bytes: 1, records: 1, ms: 1 }),
        close: async () => {},
      });`,
    );
    const versioned = side('versioned', pathToFileURL(job).href, {});
    const plain = side('W', 'machine-write', { bytes: MIB, sync: false });
    const { cells } = await runContest(contestOf(versioned, plain), root);
    expect(cells[0]?.facts).toEqual({ engine: '9.8.7' });
    expect(cells[1]).not.toHaveProperty('facts');
  });

  test('that is stopped leaves no process and no file', async () => {
    const root = await temporaryDirectory();
    const controller = new AbortController();
    const running = runContest(
      { ...contestOf(side('W', 'machine-write', { bytes: 64 * MIB, sync: true })), rounds: 1000 },
      root,
      controller.signal,
    );
    setTimeout(() => controller.abort(new Error('enough')), 300);
    await expect(running).rejects.toThrow('enough');
    expect(await readdir(root)).toEqual([]);
  });
});
