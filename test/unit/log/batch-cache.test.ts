import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/index.ts';
import type { VerifiedBatch } from '../../../src/format/batch-records.ts';
import { createCompressor, type Compressor } from '../../../src/format/compression.ts';
import { BATCH_HEADER_BYTES } from '../../../src/format/layout.ts';
import { viewOf } from '../../../src/format/u64.ts';
import { BatchCache, type CachedBatch } from '../../../src/log/batch-cache.ts';
import { LogRecord } from '../../../src/log/record.ts';
import { encodedBatch } from '../../support/batch-fixture.ts';

/** A batch of records `text(baseOffset)`, ..., inside a larger buffer as a read leaves it. */
function batchAt(
  baseOffset: number,
  recordCount: number,
  compressor: Compressor | null = null,
): VerifiedBatch {
  const values = Array.from({ length: recordCount }, (_, n) => `value ${baseOffset + n}`);
  const { bytes, header } = encodedBatch({ baseOffset, values, compressor });
  const window = new Uint8Array(bytes.length + 300).fill(0xaa);
  window.set(bytes, 100);
  return { bytes: window, view: viewOf(window), at: 100, header, file: '/test.log' };
}

function valueAt(cache: BatchCache, baseOffset: number, offset: number): string | null {
  const cached = cache.get(baseOffset);
  return cached === null ? null : valueIn(cached, offset);
}

function valueIn(cached: CachedBatch, offset: number): string | null {
  const start = cached.find(offset);
  if (start < 0) return null;
  const record = new LogRecord(cached.records, utf8, start);
  expect(record.offset).toBe(offset);
  return record.value;
}

describe('BatchCache', () => {
  test('finds each record of a batch, in any order', () => {
    const cache = new BatchCache(100_000);
    expect(cache.add(batchAt(10, 5)).nextOffset).toBe(15);
    for (const offset of [14, 10, 12, 12, 11, 13]) {
      expect(valueAt(cache, 10, offset)).toBe(`value ${offset}`);
    }
    for (const offset of [9, 15, 0]) expect(valueAt(cache, 10, offset)).toBeNull();
    expect(cache.get(11)).toBeNull();
  });

  test('keeps a copy: the read buffer may be used again', () => {
    const cache = new BatchCache(100_000);
    const batch = batchAt(0, 3);
    const cached = cache.add(batch);
    batch.bytes.fill(0);
    batch.header.baseOffset = 99;
    expect(valueAt(cache, 0, 2)).toBe('value 2');
    expect(cached.nextOffset).toBe(3);
    const recordBytes = batch.header.sizeBytes - BATCH_HEADER_BYTES;
    expect(cached.records.bytes.buffer.byteLength).toBe(recordBytes);
  });

  test('holds at most so many bytes, and drops what was used longest ago', () => {
    const one = batchAt(10, 10).header.sizeBytes + 8 * 10;
    const cache = new BatchCache(3 * one + 10);
    for (const base of [0, 10, 20]) cache.add(batchAt(base, 10));
    expect(valueAt(cache, 0, 5)).toBe('value 5');
    cache.add(batchAt(30, 10));
    expect([0, 10, 20, 30].map((base) => cache.get(base) !== null)).toEqual([
      true,
      false,
      true,
      true,
    ]);
  });

  test('counts a compressed batch by what it takes uncompressed', () => {
    const compressed = batchAt(10, 20, createCompressor('gzip', 1));
    const plainBytes = batchAt(10, 20).header.sizeBytes + 8 * 20;
    expect(compressed.header.sizeBytes).toBeLessThan(plainBytes / 2);
    for (const [bytesMax, isKept] of [
      [plainBytes, true],
      [plainBytes - 1, false],
    ] as const) {
      const cache = new BatchCache(bytesMax);
      expect(valueIn(cache.add(compressed), 17)).toBe('value 17');
      expect(cache.get(10) !== null).toBe(isKept);
    }
  });

  test('of 0 bytes, and for a batch larger than the cache, keeps nothing but still answers', () => {
    for (const bytesMax of [0, 100]) {
      const cache = new BatchCache(bytesMax);
      expect(valueIn(cache.add(batchAt(0, 10)), 7)).toBe('value 7');
      expect(cache.get(0)).toBeNull();
    }
  });

  test('is empty after clear', () => {
    const cache = new BatchCache(100_000);
    cache.add(batchAt(0, 3));
    cache.clear();
    expect(cache.get(0)).toBeNull();
  });
});
