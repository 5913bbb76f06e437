/** What becomes of the batches of a segment that is rewritten, byte for byte. */
import { describe, expect, test } from 'vitest';

import { AssertionError } from '../../../src/core/assert.ts';
import { BatchCursor } from '../../../src/format/batch-cursor.ts';
import {
  emptyBatchHeader,
  nextOffsetOf,
  readBatchHeader,
  type BatchHeader,
} from '../../../src/format/batch-header.ts';
import { recordsOf, type VerifiedBatch } from '../../../src/format/batch-records.ts';
import { createCompressor } from '../../../src/format/compression.ts';
import { encodeGapBatch } from '../../../src/format/gap-batch.ts';
import { BatchKind, Compression, SEGMENT_HEADER_BYTES } from '../../../src/format/layout.ts';
import { viewOf } from '../../../src/format/u64.ts';
import { KeptBatches } from '../../../src/log/kept-batches.ts';
import { RecordChoice } from '../../../src/log/record-choice.ts';
import { encodedBatch, type BatchInput, type EncodedBatch } from '../../support/batch-fixture.ts';
import { unboundPace } from '../../support/rewriting.ts';

const gzip = createCompressor('gzip', 6);
const FIRST = 100;

/** Batches of texts, one behind the other, from offset 100 on; a number is a gap of so many offsets. */
function segmentOf(parts: readonly (BatchInput | number)[]): EncodedBatch[] {
  let position = SEGMENT_HEADER_BYTES;
  let baseOffset = FIRST;
  return parts.map((part) => {
    const made = typeof part === 'number' ? gap(part, position, baseOffset) : undefined;
    const batch = made ?? encodedBatch({ ...(part as BatchInput), position, baseOffset });
    position += batch.bytes.length;
    baseOffset = nextOffsetOf(batch.header);
    return batch;
  });
}

function gap(count: number, position: number, baseOffset: number): EncodedBatch {
  const ids = { logId: 1, segmentId: 1, epoch: 1, appendTimeMs: 5000, replacedEndCrc: 77 };
  const nextOffset = baseOffset + count;
  const bytes = Buffer.from(
    encodeGapBatch({ ...ids, position, baseOffset, nextOffset, sizeBytes: 500 }),
  );
  const header = emptyBatchHeader();
  readBatchHeader(viewOf(bytes), 0, header);
  return { bytes, header };
}

function verified({ bytes, header }: EncodedBatch): VerifiedBatch {
  return { bytes, view: viewOf(bytes), at: 0, header, file: 'a.log' };
}

interface Rewritten {
  readonly kept: KeptBatches;
  readonly headers: readonly BatchHeader[];
  readonly bytes: Uint8Array;
}

/** @param takes  whether what is whole is taken after each batch, as a writer does */
async function rewrite(
  batches: readonly EncodedBatch[],
  keeps: (offset: number) => boolean,
  takes = false,
): Promise<Rewritten> {
  const choice = new RecordChoice();
  const headers: BatchHeader[] = [];
  const taken: Uint8Array[] = [];
  const kept = new KeptBatches({
    compressorOf: () => gzip,
    onBatch: (header) => headers.push({ ...header }),
  });
  const take = () => {
    taken.push(kept.whole.slice());
    kept.taken();
  };
  for (const batch of batches) {
    const one = verified(batch);
    await choice.choose(recordsOf(one), ({ offset }) => keeps(offset), unboundPace());
    kept.add(one, choice);
    if (takes) take();
  }
  kept.finish();
  take();
  expect(kept.whole).toHaveLength(0);
  return { kept, headers, bytes: Buffer.concat(taken) };
}

/** What stands in a rewritten batch: offsets and values. */
function recordsIn({ bytes }: Rewritten, header: BatchHeader): [number, string | null][] {
  const at = header.position - SEGMENT_HEADER_BYTES;
  const cursor = new BatchCursor();
  cursor.reset(recordsOf({ bytes, view: viewOf(bytes), at, header, file: 'b.log' }));
  const found: [number, string | null][] = [];
  while (cursor.next()) {
    const value = cursor.valueView();
    found.push([cursor.offset, value === null ? null : Buffer.from(value).toString()]);
  }
  return found;
}

const THREE = { values: ['a', 'b', 'c'] };

describe('the batches of the next generation', () => {
  test('are the same bytes where nothing goes', async () => {
    const batches = segmentOf([THREE, { ...THREE, producerId: 7, baseSequence: 1 }, THREE]);
    const { bytes, kept } = await rewrite(batches, () => true);
    expect(bytes).toEqual(Buffer.concat(batches.map((batch) => batch.bytes)));
    expect(kept.recordCount).toBe(9);
  });

  test('keep base offset, times and stamps where records go, and say which are left', async () => {
    const stamps = { epoch: 3, appendTimeMs: 9000, syncedUpTo: 55, topologyVersion: 8 };
    const producer = { producerId: 7, baseSequence: 4, producerEpoch: 2 };
    const createTimesMs = [50, 10, 90, 20];
    const values = ['a', null, 'c', null];
    const keys = [null, 'b', null, 'd'];
    const first = { values, keys, createTimesMs, ...stamps, ...producer };
    const batches = segmentOf([first, { values: ['x', null, 'z'] }]);
    const made = await rewrite(batches, (offset) => offset !== 101 && offset !== 102);
    const [header, next] = made.headers;
    expect(header).toMatchObject({ ...stamps, baseOffset: 100, lastOffsetDelta: 3 });
    expect(header).toMatchObject({ recordCount: 2, baseCreateTimeMs: 20, maxCreateTimeMs: 50 });
    expect(header).toMatchObject({ producerId: 0, baseSequence: 0, producerEpoch: 0 });
    expect(header === undefined ? null : recordsIn(made, header)).toEqual([
      [100, 'a'],
      [103, null],
    ]);
    expect(next?.position).toBe(SEGMENT_HEADER_BYTES + (header?.sizeBytes ?? 0));
    // What has neither key nor value deletes nothing.
    expect(made.kept).toMatchObject({ recordCount: 5, tombstoneCount: 1 });
  });

  test('cover what follows them and has nothing left', async () => {
    const batches = segmentOf([THREE, THREE, THREE, THREE]);
    const { headers } = await rewrite(batches, (offset) => offset < 102 || offset > 108);
    const covered = headers.map(({ baseOffset, lastOffsetDelta, recordCount }) => {
      return [baseOffset, lastOffsetDelta, recordCount];
    });
    expect(covered).toEqual([
      [100, 8, 2],
      [109, 2, 3],
    ]);
  });

  test('are without records where none is left in front, and behind a gap, which stays', async () => {
    const first = { ...THREE, epoch: 2, appendTimeMs: 600, syncedUpTo: 90, topologyVersion: 4 };
    const batches = segmentOf([first, { ...THREE, epoch: 9 }, 1000, THREE, THREE]);
    const { headers, bytes } = await rewrite(batches, () => false);
    const [front, between, behind] = headers;
    expect(headers).toHaveLength(3);
    const none = { kind: BatchKind.data, recordCount: 0, baseCreateTimeMs: 0, maxCreateTimeMs: 0 };
    const stamps = { epoch: 2, appendTimeMs: 600, syncedUpTo: 90, topologyVersion: 4 };
    expect(front).toMatchObject({ ...none, ...stamps, baseOffset: 100, lastOffsetDelta: 5 });
    expect(front?.sizeBytes).toBe(112);
    const lost = { kind: BatchKind.gap, baseOffset: 106, lastOffsetDelta: 999, sizeBytes: 120 };
    expect(between).toMatchObject(lost);
    expect(behind).toMatchObject({ ...none, baseOffset: 1106, lastOffsetDelta: 5 });
    expect(bytes).toHaveLength(112 + 120 + 112);
  });

  test('do not cover more offsets than a batch can', async () => {
    const [one, wide, last] = segmentOf([THREE, THREE, THREE]);
    if (one === undefined || wide === undefined || last === undefined) throw new Error('three');
    wide.header.lastOffsetDelta = 2 ** 32 - 4; // With the one before it is as many as can be.
    last.header.baseOffset = nextOffsetOf(wide.header);
    const { headers } = await rewrite([one, wide, last], (offset) => offset < 103);
    const covered = headers.map(({ baseOffset, lastOffsetDelta }) => [baseOffset, lastOffsetDelta]);
    expect(covered).toEqual([
      [100, 2 ** 32 - 1],
      [100 + 2 ** 32, 2],
    ]);
  });

  test('are compressed as they were, where that pays', async () => {
    const values = Array.from({ length: 40 }, (_, n) => `value ${n} ${'.'.repeat(90)}`);
    const batches = segmentOf([{ values, compressor: gzip }, { values }]);
    const many = await rewrite(batches, (offset) => offset % 2 === 0);
    expect(many.headers.map(({ attributes }) => attributes)).toEqual([
      Compression.gzip,
      Compression.none,
    ]);
    for (const header of many.headers) {
      const { baseOffset } = header;
      const expected = values
        .map((value, n) => [baseOffset + n, value])
        .filter((_, n) => n % 2 === 0);
      expect(recordsIn(many, header)).toEqual(expected);
    }
    const few = segmentOf([{ values: [...values, 'x'], compressor: gzip }]);
    const short = await rewrite(few, (offset) => offset === FIRST + 40);
    expect(short.headers).toMatchObject([{ attributes: Compression.none, recordCount: 1 }]);
  });

  test('are the same when they are taken away one by one', async () => {
    const values = Array.from({ length: 300 }, (_, n) => `${n} ${'.'.repeat(900)}`);
    const batches = segmentOf([THREE, { values }, THREE, 5, THREE, { values }]);
    const keeps = (offset: number) => offset % 3 === 0;
    const { bytes, headers } = await rewrite(batches, keeps, true);
    const whole = await rewrite(batches, keeps);
    expect(Buffer.compare(bytes, whole.bytes)).toBe(0);
    expect(headers).toEqual(whole.headers);
  });

  test('are not made of entries of a journal', async () => {
    const batches = segmentOf([{ ...THREE, kind: BatchKind.journal }]);
    await expect(rewrite(batches, () => true)).rejects.toThrow(AssertionError);
  });
});
