/** What the command line says of batches with sequences of producers and fingerprints of ids. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ExitCode } from '../../tools/exit-codes.ts';
import { runCli } from '../support/run-cli.ts';

const LOG = join(import.meta.dirname, '..', '..', 'segments', 'v1', 'tagged');

test('verify counts them', async () => {
  const { exitCode, stdout } = await runCli(['verify', LOG]);
  expect(exitCode).toBe(ExitCode.ok);
  const counts =
    'sound: 2 segments, 16 batches (4 of producers, 2 with ids, 1 table of ids), 33 records';
  expect(stdout).toContain(counts);
  const { stdout: json } = await runCli(['verify', LOG, '--json']);
  expect(JSON.parse(json)).toMatchObject({
    batchCount: 16,
    producedCount: 4,
    fingerprintedCount: 2,
    tableCount: 1,
  });
});

test('dump has a line for what a batch says', async () => {
  const { exitCode, stdout } = await runCli(['dump', LOG]);
  expect(exitCode).toBe(ExitCode.ok);
  const said = stdout
    .split('\n')
    .filter((line) => / {2}(?:producer|ids|table of ids) \d/.test(line));
  expect(said.map((line) => line.trim())).toEqual([
    'producer 5124095576030430  epoch 1  sequences 7 to 8  confirmed below 0',
    'ids 1 of 2',
    'producer 5124095576030430  epoch 1  sequences 9 to 10, 400  confirmed below 9',
    'producer 5124095576030430  epoch 2  sequences 1099511627776 to 1099511627777, 9007199254740990  confirmed below 401',
    'table of ids 1',
    'ids 2 of 2',
    'producer 5  epoch 1  sequences 0  confirmed below 0',
  ]);
});

test('dump for programs has all of it', async () => {
  const { stdout } = await runCli(['dump', LOG, '--ndjson', '--records']);
  const events = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter(({ type, kind }) => type === 'batch' && kind === 'data');
  const [produced, plain, identified] = events;
  expect(produced).toMatchObject({
    producerId: 5124095576030430,
    baseSequence: 7,
    produced: { confirmed: 0, runs: [{ sequence: 7, index: 0, count: 2 }] },
    fingerprintCount: null,
    fingerprints: null,
  });
  expect(plain).toMatchObject({ producerId: 0, produced: null, fingerprintCount: null });
  expect(identified).toMatchObject({
    produced: null,
    fingerprintCount: 1,
    fingerprints: ['7b2b6e50204b0233', null],
  });
  const { stdout: without } = await runCli(['dump', LOG, '--ndjson']);
  const batch = JSON.parse(without.split('\n')[3] ?? '') as object;
  expect(batch).toMatchObject({ fingerprintCount: 1 });
  expect(batch).not.toHaveProperty('fingerprints');
});
