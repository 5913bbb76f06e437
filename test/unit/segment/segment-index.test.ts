import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { INDEX_INTERVAL_BYTES } from '../../../src/core/limits.ts';
import { SEGMENT_HEADER_BYTES } from '../../../src/format/layout.ts';
import { decodeIndexBatch } from '../../../src/format/index-batch.ts';
import { emptyBatchHeader, readBatchHeader } from '../../../src/format/batch-header.ts';
import { viewOf } from '../../../src/format/u64.ts';
import { floorSlot } from '../../../src/segment/index-search.ts';
import { SegmentIndex, type IndexedBatch } from '../../../src/segment/segment-index.ts';

describe('floorSlot', () => {
  test('equals its slow twin: the last key at or below the target', () => {
    const keys = fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 40 });
    fc.assert(
      fc.property(keys, fc.integer({ min: -1, max: 51 }), fc.nat(5), (unsorted, target, spare) => {
        const sorted = unsorted.toSorted((one, other) => one - other);
        const expected = sorted.findLastIndex((key) => key <= target);
        // Slots behind `count` hold garbage that must not be looked at.
        const column = Float64Array.of(...sorted, ...Array.from({ length: spare }, () => -99));
        expect(floorSlot(column, sorted.length, target)).toBe(expected);
      }),
    );
  });
});

/** Batches of the given sizes and create times, with 3 offsets each. */
function batchesOf(sizes: readonly (readonly [number, number])[]): IndexedBatch[] {
  let position = SEGMENT_HEADER_BYTES;
  return sizes.map(([sizeBytes, maxCreateTimeMs], at) => {
    const batch = { baseOffset: at * 3, position, maxCreateTimeMs };
    position += sizeBytes;
    return batch;
  });
}

function indexOf(batches: readonly IndexedBatch[]): SegmentIndex {
  const index = new SegmentIndex();
  for (const batch of batches) index.add(batch);
  return index;
}

const anyBatches = fc
  .array(fc.tuple(fc.integer({ min: 130, max: 9000 }), fc.integer({ min: 0, max: 500 })), {
    maxLength: 60,
  })
  .map(batchesOf);

describe('SegmentIndex', () => {
  test('has an entry at least every 4 KiB and one batch, and none closer than 4 KiB', () => {
    fc.assert(
      fc.property(anyBatches, (batches) => {
        const index = indexOf(batches);
        let last = SEGMENT_HEADER_BYTES;
        for (let slot = 0; slot < index.count; slot++) {
          const position = index.positions[slot] ?? 0;
          expect(position - last).toBeGreaterThanOrEqual(INDEX_INTERVAL_BYTES);
          const skipped = batches.filter(
            (batch) => batch.position > last && batch.position < position,
          );
          for (const batch of skipped)
            expect(batch.position - last).toBeLessThan(INDEX_INTERVAL_BYTES);
          last = position;
        }
      }),
    );
  });

  test('points to a batch at or before the offset that is asked for', () => {
    fc.assert(
      fc.property(anyBatches, fc.nat(200), (batches, offset) => {
        const position = indexOf(batches).positionForOffset(offset);
        const found = batches.find((batch) => batch.position === position);
        expect(found?.baseOffset ?? 0).toBeLessThanOrEqual(offset);
        expect(found !== undefined || position === SEGMENT_HEADER_BYTES).toBe(true);
      }),
    );
  });

  test('points before the first batch that may hold a time: nothing skipped is as late', () => {
    fc.assert(
      fc.property(anyBatches, fc.integer({ min: 0, max: 510 }), (batches, timestampMs) => {
        const index = indexOf(batches);
        const position = index.positionForTime(timestampMs);
        const skipped = batches.filter((batch) => batch.position < position);
        for (const batch of skipped) expect(batch.maxCreateTimeMs).toBeLessThan(timestampMs);
        expect(index.maxCreateTimeMs).toBe(
          Math.max(0, ...batches.map((batch) => batch.maxCreateTimeMs)),
        );
      }),
    );
  });

  test('goes back to a mark as if nothing had been added since', () => {
    fc.assert(
      fc.property(anyBatches, fc.nat(60), (batches, at) => {
        const kept = batches.slice(0, at);
        const index = indexOf(kept);
        const mark = index.mark();
        for (const batch of batches.slice(at)) index.add({ ...batch, maxCreateTimeMs: 999 });
        index.restore(mark);
        for (const batch of batches.slice(at)) index.add(batch);
        const place = {
          logId: 1,
          segmentId: 1,
          epoch: 1,
          position: 500_000,
          baseOffset: 180,
          appendTimeMs: 5,
          syncedUpTo: 0,
        };
        expect(index.encode(place)).toEqual(indexOf(batches).encode(place));
      }),
    );
  });

  test('read back from its batch answers the same, by offset and by time', () => {
    fc.assert(
      fc.property(anyBatches, (batches) => {
        const index = indexOf(batches);
        const bytes = index.encode({
          logId: 1,
          segmentId: 1,
          epoch: 1,
          position: 500_000,
          baseOffset: batches.length * 3,
          appendTimeMs: 5,
          syncedUpTo: 0,
        });
        const header = emptyBatchHeader();
        readBatchHeader(viewOf(bytes), 0, header);
        const columns = decodeIndexBatch(bytes, header);
        if (columns === null) throw new Error('a table');
        const again = SegmentIndex.fromColumns(columns, header);
        expect(again.maxCreateTimeMs).toBe(index.maxCreateTimeMs);
        for (let target = 0; target < 200; target += 9) {
          expect(again.positionForOffset(target)).toBe(index.positionForOffset(target));
          expect(again.positionForTime(target)).toBe(index.positionForTime(target));
        }
      }),
    );
  });

  test('grows beyond its first 64 entries', () => {
    const sizes = Array.from({ length: 500 }, (_, at): [number, number] => [
      INDEX_INTERVAL_BYTES,
      at,
    ]);
    const batches = batchesOf(sizes);
    const index = indexOf(batches);
    expect(index.count).toBe(499);
    for (const batch of batches) {
      expect(index.positionForOffset(batch.baseOffset + 2)).toBe(batch.position);
    }
  });

  test('of a segment without batches points to its beginning', () => {
    const index = new SegmentIndex();
    expect(index.positionForOffset(100)).toBe(SEGMENT_HEADER_BYTES);
    expect(index.positionForTime(100)).toBe(SEGMENT_HEADER_BYTES);
    expect(index.maxCreateTimeMs).toBe(0);
  });
});
