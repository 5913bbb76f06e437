/** Compaction of batches that take long to decompress and to compress: none of it on the thread of the log. */
import zlib from 'node:zlib';
import { expect, onTestFinished, test, vi } from 'vitest';

import { present } from '../../../src/core/assert.ts';
import { KIB, MIB, OFF_THREAD_BYTES_MIN } from '../../../src/core/limits.ts';
import { randomBelow, SeededRandom } from '../../../src/core/random.ts';
import { faultyDisk, openTextLog } from '../../support/log-fixture.ts';

/** As large as gzip finds it worth its while; each is another. */
function valueOf(number: number, sizeBytes: number): string {
  return `value ${number}, ${String(number).padStart(40, '-')}; `.repeat(sizeBytes / 50);
}

async function setup() {
  const log = await openTextLog(await faultyDisk(), {
    durability: 'os',
    compaction: 'key',
    compression: 'gzip',
    segmentBytesMax: MIB,
    batchBytesMax: MIB,
    recordBytesMax: 2 * MIB,
    queuedBytesMax: 64 * MIB,
  });
  onTestFinished(() => log.close());
  // Two batches of several records, of which one loses some; one record alone, and a small batch.
  const keys = [['a', 'b', 'a', 'c'], ['b', 'd', 'e'], ['f'], ['g', 'h', 'g']];
  const sizes = [200 * KIB, 200 * KIB, MIB, KIB];
  let number = 0;
  for (const [at, some] of keys.entries()) {
    const sizeBytes = present(sizes[at], 'a size');
    const records = some.map((key) => ({ key, value: valueOf(number++, sizeBytes) }));
    await log.appendBatch(records);
  }
  // Until none of it is in the active segment.
  const { segments } = log.forStore();
  const keyedCount = number;
  while ((segments.last?.baseOffset ?? 0) < keyedCount)
    await log.append({ value: noise(number++) });
  return log;
}

/** What gzip makes hardly smaller than half. */
function noise(number: number): string {
  const random = new SeededRandom(number);
  return Array.from({ length: 50_000 }, () => randomBelow(random, 1e9)).join('');
}

test('large batches are decompressed and compressed on other threads, and small ones at once', async () => {
  const log = await setup();
  const inflated: number[] = [];
  const deflated: number[] = [];
  const [gunzip, gzip] = [zlib.gunzipSync, zlib.gzipSync];
  const spies = [
    vi.spyOn(zlib, 'gunzipSync').mockImplementation((bytes, options) => {
      const result = gunzip(bytes, options);
      inflated.push(result.length);
      return result;
    }),
    vi.spyOn(zlib, 'gzipSync').mockImplementation((bytes, options) => {
      deflated.push(bytes instanceof Uint8Array ? bytes.length : NaN);
      return gzip(bytes, options);
    }),
  ];
  const result = await log.compact();
  for (const spy of spies) spy.mockRestore();
  expect(result).toMatchObject({ supersededCount: 3, keyCount: 8, passCount: 1 });
  // Each small batch: to know its keys, to look, and to rewrite it.
  expect(inflated.length).toBeGreaterThanOrEqual(2);
  expect(deflated.length).toBeGreaterThanOrEqual(1);
  expect(Math.max(...inflated, ...deflated)).toBeLessThan(OFF_THREAD_BYTES_MIN);
  for (const [offset, number] of [0, 1, 2, 3, 4, 5, 6].entries()) {
    const record = await log.read(offset);
    const isGone = number === 0 || number === 1;
    expect(record?.value ?? null).toBe(isGone ? null : valueOf(number, 200 * KIB));
  }
  expect((await log.read(7))?.value).toBe(valueOf(7, MIB));
});
