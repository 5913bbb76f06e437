import * as fc from 'fast-check';
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
  const record = new LogRecord(cached.records, { codec: utf8, partition: 0 }, start);
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

describe('BatchCache.recent', () => {
  test('finds what was remembered, by each of its offsets near the one that was asked', () => {
    const cache = new BatchCache(1_000_000);
    const batch = cache.add(batchAt(100, 10));
    expect(cache.recent(104)).toBeNull();
    cache.remember(104, batch);
    for (const offset of [100, 104, 109]) expect(cache.recent(offset)).toBe(batch);
    for (const offset of [99, 110]) expect(cache.recent(offset)).toBeNull();
  });

  test('counts as use: what is read that way is not the first to go', () => {
    const one = batchAt(10, 10).header.sizeBytes + 8 * 10;
    const cache = new BatchCache(2 * one + 10);
    const batch = cache.add(batchAt(10, 10));
    cache.add(batchAt(20, 10));
    cache.remember(10, batch);
    for (let n = 0; n < 8; n++) expect(cache.recent(15)).toBe(batch);
    cache.add(batchAt(30, 10));
    expect(cache.get(20)).toBeNull();
    expect(cache.recent(15)).toBe(batch);
  });

  test.each([0, 2 ** 32 - 7, 2 ** 45])('holds nothing that the cache let go, from %i', (origin) => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 400 }), { maxLength: 300 }), (places) => {
        const cache = new BatchCache(20_000);
        for (const place of places) {
          const offset = origin + place;
          const recent = cache.recent(offset);
          const baseOffset = origin + batchStart(place);
          const held = cache.get(baseOffset) ?? cache.add(batchAt(baseOffset, batchSize(place)));
          if (recent !== null) expect(recent).toBe(held);
          if (cache.get(baseOffset) !== null) cache.remember(offset, held);
        }
        cache.clear();
        for (const place of places) expect(cache.recent(origin + place)).toBeNull();
      }),
    );
  });
});

/** Batches of 3, 60 and 37 records, in turn: below, above and across what shares a place. */
const SIZES = [3, 60, 37];

function batchStart(place: number): number {
  const at = place % 100;
  const within = at < 3 ? 0 : at < 63 ? 3 : 63;
  return place - at + within;
}

function batchSize(place: number): number {
  const at = place % 100;
  return SIZES[at < 3 ? 0 : at < 63 ? 1 : 2] ?? 0;
}
