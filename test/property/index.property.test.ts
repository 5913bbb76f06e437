import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { INDEX_INTERVAL_BYTES } from '../../src/core/limits.ts';
import { decodeIndexBatch } from '../../src/format/index-batch.ts';
import { BATCH_HEADER_BYTES, BATCH_MAGIC, SEGMENT_HEADER_BYTES } from '../../src/format/layout.ts';
import {
  emptyBatchHeader,
  readBatchHeader,
  type BatchHeader,
} from '../../src/format/batch-header.ts';
import { viewOf } from '../../src/format/u64.ts';
import { MemoryFileSystem } from '../../src/io/memory-file-system.ts';
import { findCandidates } from '../../src/segment/candidates.ts';
import { floorSlot } from '../../src/segment/index-search.ts';
import { SegmentIndex, type IndexedBatch } from '../../src/segment/segment-index.ts';
import { encodedBatch } from '../support/batch-fixture.ts';
import { asyncPropertyOptions, propertyOptions } from '../support/property.ts';
import { referenceFloorSlot } from '../support/reference/index-search.ts';
import {
  referenceIndex,
  referencePositionForOffset,
  referencePositionForTime,
} from '../support/reference/segment-index.ts';

test('floorSlot finds what its slow twin finds', () => {
  const keys = fc.array(fc.nat(50), { maxLength: 40 });
  fc.assert(
    fc.property(keys, fc.nat(45), fc.integer({ min: -1, max: 51 }), (values, countMax, target) => {
      const ascending = Float64Array.from(values).sort();
      const count = Math.min(countMax, ascending.length);
      const expected = referenceFloorSlot(ascending, count, target);
      expect(floorSlot(ascending, count, target)).toBe(expected);
      expect(floorSlot(Uint32Array.from(ascending), count, target)).toBe(expected);
    }),
    propertyOptions(),
  );
});

/** The batches of a segment, as an index sees them. */
const batches = fc
  .array(
    fc.record({
      sizeBytes: fc.oneof(fc.integer({ min: 113, max: 300 }), fc.integer({ min: 113, max: 9000 })),
      recordCount: fc.integer({ min: 1, max: 50 }),
      maxCreateTimeMs: fc.nat(1000),
    }),
    { maxLength: 200, size: 'max' },
  )
  .map((sizes) => {
    let position = SEGMENT_HEADER_BYTES;
    let baseOffset = 7;
    return sizes.map(({ sizeBytes, recordCount, maxCreateTimeMs }): IndexedBatch => {
      const batch = { baseOffset, position, maxCreateTimeMs, lastOffsetDelta: recordCount - 1 };
      position += sizeBytes;
      baseOffset += recordCount;
      return batch;
    });
  });

function indexOf(all: readonly IndexedBatch[]): SegmentIndex {
  const index = new SegmentIndex();
  for (const batch of all) index.add(batch);
  return index;
}

test('a segment index is what its slow twin makes of the batches, and answers the same', () => {
  let rowCount = 0;
  fc.assert(
    fc.property(batches, fc.nat(10_000), fc.nat(1100), (all, offset, timestampMs) => {
      const index = indexOf(all);
      const expected = referenceIndex(all);
      rowCount += expected.rows.length;
      expect(rowsOf(index)).toEqual(expected.rows);
      expect(index.maxCreateTimeMs).toBe(expected.maxCreateTimeMs);
      expect(index.positionForOffset(offset)).toBe(referencePositionForOffset(expected, offset));
      expect(index.positionForTime(timestampMs)).toBe(
        referencePositionForTime(expected, timestampMs),
      );
    }),
    propertyOptions(),
  );
  expect(rowCount).toBeGreaterThan(100);
});

test('an index keeps its distance, and a scan from where it points misses nothing', () => {
  fc.assert(
    fc.property(batches, fc.nat(1100), (all, timestampMs) => {
      const index = indexOf(all);
      const positions = [SEGMENT_HEADER_BYTES, ...rowsOf(index).map((row) => row[2] ?? -1)];
      positions.slice(1).forEach((position, at) => {
        expect(position - (positions[at] ?? 0)).toBeGreaterThanOrEqual(INDEX_INTERVAL_BYTES);
      });
      const start = index.positionForTime(timestampMs);
      const skipped = all.filter(({ position }) => position < start);
      expect(skipped.every(({ maxCreateTimeMs }) => maxCreateTimeMs < timestampMs)).toBe(true);
    }),
    propertyOptions(),
  );
});

test('an index goes back to a mark, and on from there, as if nothing had been', () => {
  fc.assert(
    fc.property(batches, batches, fc.nat(200), (all, others, keptMax) => {
      const kept = Math.min(keptMax, all.length);
      const index = indexOf(all.slice(0, kept));
      const mark = index.mark();
      for (const batch of others) index.add(batch);
      index.restore(mark);
      for (const batch of all.slice(kept)) index.add(batch);
      expect(rowsOf(index)).toEqual(rowsOf(indexOf(all)));
      expect(index.maxCreateTimeMs).toBe(indexOf(all).maxCreateTimeMs);
    }),
    propertyOptions(),
  );
});

test('an index batch gives back the index, and answers the same', () => {
  fc.assert(
    fc.property(batches, fc.nat(10_000), fc.nat(1100), (all, offset, timestampMs) => {
      const index = indexOf(all);
      const place = { logId: 1, segmentId: 2, epoch: 3, position: 9000, baseOffset: 12_000 };
      const bytes = index.encode({ ...place, appendTimeMs: 5, syncedUpTo: 6 });
      const header = emptyBatchHeader();
      readBatchHeader(viewOf(bytes), 0, header);
      expect(header.sizeBytes).toBe(bytes.length);
      const columns = decodeIndexBatch(bytes, header);
      expect(columns).not.toBeNull();
      if (columns === null) return;
      const loaded = SegmentIndex.fromColumns(columns, header);
      expect(rowsOf(loaded)).toEqual(rowsOf(index));
      expect(loaded.positionForOffset(offset)).toBe(index.positionForOffset(offset));
      expect(loaded.positionForTime(timestampMs)).toBe(index.positionForTime(timestampMs));
    }),
    propertyOptions(),
  );
});

/** Pieces of a file: valid batches, and noise full of what a batch begins with. */
const pieces = fc.array(
  fc.oneof(
    fc.record({ values: fc.array(fc.string({ maxLength: 30 }), { minLength: 1, maxLength: 4 }) }),
    fc.record({ noise: fc.uint8Array({ maxLength: 200 }), magicAt: fc.nat(300) }),
  ),
  { maxLength: 25 },
);
const IDS = { logId: 5, segmentId: 6 };

test('the search for batches finds exactly those that stand in the noise', async () => {
  let found = 0;
  await fc.assert(
    fc.asyncProperty(pieces, fc.nat(3), async (all, from) => {
      const planted: number[] = [];
      const parts: Uint8Array[] = [];
      let position = 0;
      for (const piece of all) {
        const bytes = 'noise' in piece ? noiseOf(piece) : batchAt(position, piece.values).bytes;
        if (!('noise' in piece) && position >= from * 100) planted.push(position);
        parts.push(bytes);
        position += bytes.length;
      }
      const file = await fileOf(Buffer.concat(parts));
      const search = { ...IDS, position: from * 100, endPosition: position };
      const positions: number[] = [];
      for await (const header of findCandidates(file, search)) positions.push(header.position);
      await file.close();
      expect(positions).toEqual(planted);
      found += planted.length;
    }),
    asyncPropertyOptions(),
  );
  expect(found).toBeGreaterThan(50);
});

function batchAt(
  position: number,
  values: readonly string[],
): { bytes: Buffer; header: BatchHeader } {
  return encodedBatch({ ...IDS, position, values });
}

/** Noise with the magic in it, so that every part of the check has something to refuse. */
function noiseOf({ noise, magicAt }: { noise: Uint8Array; magicAt: number }): Uint8Array {
  const bytes = Uint8Array.from(noise);
  if (magicAt + 4 <= bytes.length) viewOf(bytes).setUint32(magicAt, BATCH_MAGIC, true);
  if (magicAt > BATCH_HEADER_BYTES && bytes.length > BATCH_HEADER_BYTES) {
    bytes.set(batchAt(77, ['elsewhere']).bytes.subarray(0, BATCH_HEADER_BYTES));
  }
  return bytes;
}

async function fileOf(bytes: Uint8Array) {
  const fileSystem = new MemoryFileSystem();
  const file = await fileSystem.open('/file', 'create');
  await file.write(bytes, 0);
  return file;
}

function rowsOf({ count, offsets, maxCreateTimes, positions }: SegmentIndex): number[][] {
  return Array.from({ length: count }, (_, slot) => [
    offsets[slot] ?? -1,
    maxCreateTimes[slot] ?? -1,
    positions[slot] ?? -1,
  ]);
}
