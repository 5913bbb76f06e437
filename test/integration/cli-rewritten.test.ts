/** What `info`, `verify` and `dump` say of segments that were rewritten. */
import { join } from 'node:path';
import { expect, test } from 'vitest';

import { runCli } from '../support/run-cli.ts';

const LOG = join(import.meta.dirname, '..', '..', 'segments', 'v1', 'compacted');
const FIRST = join(LOG, '00000000000000000000.log');

test('info names generations, and how many records are left', async () => {
  const { stdout } = await runCli(['info', LOG]);
  const lines = stdout.split('\n').filter((line) => /segment|\.log/.test(line));
  const cells = lines.map((line) => line.trim().split(/ {2,}/));
  expect(cells.slice(-5)).toEqual([
    ['segment', 'base offset', 'size', 'generation', 'records'],
    ['00000000000000000000.log', '0', '2.84 KiB', '2', '13'],
    ['00000000000000000026.log', '26', '1.21 KiB', '1', '3'],
    ['00000000000000000042.log', '42', '4.05 KiB', '0'],
    ['00000000000000000058.log', '58', '895 B', '0'],
  ]);
  const { segments } = JSON.parse((await runCli(['info', LOG, '--json'])).stdout);
  expect(segments[0]).toMatchObject({ baseOffset: 0, generation: 2, recordCount: 13 });
  expect(segments[2]).toMatchObject({ baseOffset: 42, generation: 0, recordCount: null });
  const plain = await runCli(['info', join(LOG, '..', 'several-segments')]);
  expect(plain.stdout).not.toContain('generation');
});

test('verify says how many records were compacted away, and no damage', async () => {
  const { stdout, exitCode } = await runCli(['verify', LOG]);
  expect(stdout).toContain('sound: 4 segments');
  expect(stdout).toContain('35 records (26 compacted away in 2 segments)');
  expect(exitCode).toBe(0);
  const document = JSON.parse((await runCli(['verify', LOG, '--json'])).stdout);
  expect(document).toMatchObject({ rewrittenSegmentCount: 2, removedCount: 26, recordCount: 35 });
});

test('dump says what was done to a segment, and where records are missing', async () => {
  const { stdout } = await runCli(['dump', FIRST]);
  const [header = '', first = '', second = ''] = stdout.split('\n');
  expect(header).toMatch(
    /generation 2: ends at 26, 13 records with 2 tombstones, keys compared below 50, clean since 20/,
  );
  expect(first).toMatch(/offsets 0 to 3 .* records 1 \(3 compacted away\) {2}bytes 150/);
  expect(second).toContain('ids 0 of 1');
  const [document] = JSON.parse((await runCli(['dump', FIRST, '--json'])).stdout).events;
  expect(document).toMatchObject({ type: 'segment-header', generation: 2, endOffset: 26 });
});
