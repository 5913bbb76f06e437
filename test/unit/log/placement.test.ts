import { expect, test } from 'vitest';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import { openLog } from '../../../src/log/open-log.ts';
import { placeAt } from '../../../src/log/placement.ts';

const record = (text: string, createTimeMs = 7) => ({
  key: `k-${text}`,
  value: Buffer.from(text),
  headers: { from: text },
  createTimeMs,
});
const RECORDS = [record('a'), record('b'), record('c')];

async function openWith(count: number) {
  const log = await openLog('/data', { fileSystem: new MemoryFileSystem() });
  if (count > 0) await log.appendBatch(RECORDS.slice(0, count));
  return log;
}

test.each([0, 1, 2, 3])('with %i of three records there, the rest is appended once', async (n) => {
  await using log = await openWith(n);
  await placeAt(log, 0, RECORDS);
  await placeAt(log, 0, RECORDS);
  expect(log.endOffset).toBe(3);
  const values: string[] = [];
  for await (const { value } of log.records()) values.push(Buffer.from(value ?? []).toString());
  expect(values).toEqual(['a', 'b', 'c']);
});

test('refuses a base above the end: the log lost something', async () => {
  await using log = await openWith(1);
  await expect(placeAt(log, 2, RECORDS)).rejects.toMatchObject({ code: 'ERR_VARVE_WRONG_OFFSET' });
  expect(log.endOffset).toBe(1);
});

test.each([
  ['value', { ...record('b'), value: Buffer.from('x') }],
  ['key', { ...record('b'), key: 'x' }],
  ['headers', { ...record('b'), headers: { from: 'x' } }],
  ['create time', record('b', 8)],
  ['tombstone', { ...record('b'), value: null }],
])('refuses a held record with another %s, and appends nothing', async (_, other) => {
  await using log = await openWith(2);
  await expect(placeAt(log, 0, [record('a'), other, record('c')])).rejects.toMatchObject({
    code: 'ERR_VARVE_CORRUPT',
    details: { firstOffset: 1 },
  });
  expect(log.endOffset).toBe(2);
});

test('does not look at records below the start offset', async () => {
  await using log = await openWith(3);
  await log.deleteBefore(2);
  await placeAt(log, 0, [record('x'), record('y'), record('c'), record('d')]);
  expect(log.endOffset).toBe(4);
});
