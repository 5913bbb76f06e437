import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { CorruptLogError } from '../../../src/core/errors.ts';
import { BatchCursor } from '../../../src/format/batch-cursor.ts';
import { BatchEncoder, encodedRecordBytes } from '../../../src/format/batch-encoder.ts';
import { emptyEncodable } from '../../../src/log/record-input.ts';
import { emptyBatchHeader } from '../../../src/format/batch-header.ts';
import { recordsOf, type BatchRecords } from '../../../src/format/batch-records.ts';
import {
  BATCH_HEADER_BYTES,
  CREATE_TIME_MS_MAX,
  RECORD_FLAGS_SHIFT,
  RECORD_HEADER_BYTES,
  RECORD_KEY_BYTES_AT,
  RECORD_OFFSET_DELTA_AT,
  RECORD_SIZE_AND_FLAGS_AT,
} from '../../../src/format/layout.ts';
import { decodeHeaders } from '../../../src/format/record-headers.ts';
import { viewOf } from '../../../src/format/u64.ts';
import { encodedBatch, type EncodedBatch } from '../../support/batch-fixture.ts';
import { thrownBy } from '../../support/log-fixture.ts';

function recordsIn({ bytes, header }: EncodedBatch): BatchRecords {
  return recordsOf({ bytes, view: viewOf(bytes), at: 0, header, file: '/test.log' });
}

function cursorOver(batch: EncodedBatch): BatchCursor {
  const cursor = new BatchCursor();
  cursor.reset(recordsIn(batch));
  return cursor;
}

interface Decoded {
  offset: number;
  createTimeMs: number;
  key: string | null;
  value: string | null;
  headers: [string, string][];
}

function decodeAll(batch: EncodedBatch): Decoded[] {
  const cursor = cursorOver(batch);
  const { bytes } = recordsIn(batch);
  const decoded: Decoded[] = [];
  while (cursor.next()) {
    const { offset, createTimeMs, headersStart, headersBytes } = cursor;
    const key = cursor.keyView();
    const value = cursor.valueView();
    const headers = decodeHeaders(bytes, headersStart, headersStart + headersBytes);
    decoded.push({
      offset,
      createTimeMs,
      key: key === null ? null : Buffer.from(key).toString('hex'),
      value: value === null ? null : Buffer.from(value).toString('hex'),
      headers: [...(headers ?? [])].map(([name, of]) => [name, Buffer.from(of).toString('hex')]),
    });
  }
  return decoded;
}

const hexOf = (text: string | Uint8Array): string => Buffer.from(text).toString('hex');
const wellFormed = fc
  .string({ unit: 'binary', maxLength: 30 })
  .filter((text) => !/\p{Surrogate}/u.test(text));

describe('records of a batch', () => {
  test('come back as they went in', () => {
    const record = fc.record({
      value: fc.option(wellFormed, { nil: null }),
      key: fc.option(fc.oneof(wellFormed, fc.uint8Array({ maxLength: 30 })), { nil: null }),
      headers: fc.dictionary(wellFormed, wellFormed, { maxKeys: 3 }),
      createTimeMs: fc.integer({ min: 0, max: CREATE_TIME_MS_MAX }),
    });
    fc.assert(
      fc.property(
        fc.array(record, { minLength: 1, maxLength: 20 }),
        fc.maxSafeNat(),
        (records, base) => {
          const baseOffset = Math.min(base, Number.MAX_SAFE_INTEGER - 100);
          const batch = encodedBatch({
            baseOffset,
            values: records.map(({ value }) => value),
            keys: records.map(({ key }) => key),
            headers: records.map(({ headers }) => headers),
            createTimesMs: records.map(({ createTimeMs }) => createTimeMs),
          });
          const times = records.map(({ createTimeMs }) => createTimeMs);
          expect(batch.header).toMatchObject({
            recordCount: records.length,
            lastOffsetDelta: records.length - 1,
            baseCreateTimeMs: Math.min(...times),
            maxCreateTimeMs: Math.max(...times),
            sizeBytes: batch.bytes.length,
          });
          expect(decodeAll(batch)).toEqual(
            records.map(({ value, key, headers, createTimeMs }, at) => ({
              offset: baseOffset + at,
              createTimeMs,
              key: key === null ? null : hexOf(key),
              value: value === null ? null : hexOf(value),
              headers: Object.entries(headers).map(([name, of]) => [name, hexOf(of)]),
            })),
          );
        },
      ),
    );
  });

  test('are as long as was said before', () => {
    expect(encodedRecordBytes(0, null, null)).toBe(RECORD_HEADER_BYTES);
    expect(encodedRecordBytes(3, new Uint8Array(7), new Uint8Array(5))).toBe(16 + 15);
    const { bytes } = encodedBatch({ values: ['abc', null], keys: ['k', null] });
    expect(bytes).toHaveLength(BATCH_HEADER_BYTES + 16 + 1 + 3 + 16);
  });

  test('seek finds each record that is there, from anywhere, and goes on behind it', () => {
    const batch = encodedBatch({ values: ['a', 'bb', 'ccc', 'dddd'], baseOffset: 7 });
    const cursor = new BatchCursor();
    for (const offset of [9, 7, 10, 8, 8]) {
      expect(cursor.seek(recordsIn(batch), offset)).toBe(true);
      expect(cursor.offset).toBe(offset);
      expect(cursor.valueView()).toHaveLength(offset - 6);
      let left = 0;
      while (cursor.next()) left++;
      expect(left).toBe(10 - offset);
    }
    for (const offset of [6, 11]) expect(cursor.seek(recordsIn(batch), offset)).toBe(false);
  });

  test('before its first record a cursor is at none', () => {
    const cursor = new BatchCursor();
    for (let round = 0; round < 2; round++) {
      expect([cursor.createTimeMs, cursor.keyView(), cursor.valueView()]).toEqual([0, null, null]);
      cursor.reset(recordsIn(encodedBatch({ values: ['a'] })));
    }
  });
});

describe('BatchEncoder', () => {
  test('writes batch behind batch into one buffer, and forgets one that is discarded', () => {
    const encoder = new BatchEncoder();
    const buffer = Buffer.alloc(1000, 0xaa);
    encoder.reset(buffer, 10);
    const value = Buffer.from('x');
    const sizeBytes = encodedRecordBytes(0, null, value);
    const record = { ...emptyEncodable(), value, createTimeMs: 5, sizeBytes };
    encoder.begin();
    encoder.add(record);
    const first = encoder.seal(emptyBatchHeader(), null);
    const end = 10 + BATCH_HEADER_BYTES + sizeBytes;
    expect(encoder).toMatchObject({ start: end, end, recordCount: 0 });
    encoder.begin();
    encoder.add(record);
    encoder.add(record);
    expect(encoder.recordCount).toBe(2);
    encoder.discard();
    expect(encoder).toMatchObject({ start: end, end, recordCount: 0 });
    encoder.begin();
    encoder.add(record);
    expect(encoder.seal(emptyBatchHeader(), null)).toBe(first); // Same bytes, same checksum.
    expect(buffer.subarray(0, 10).every((byte) => byte === 0xaa)).toBe(true);
    // Of the discarded batch the second record's bytes are left, and nothing behind them.
    const discarded = encoder.end + sizeBytes;
    expect(buffer.subarray(discarded).every((byte) => byte === 0xaa)).toBe(true);
  });
});

describe('a record that does not fit, under a right checksum', () => {
  const FIRST = BATCH_HEADER_BYTES;

  test.each<[string, (view: DataView) => void]>([
    [
      'a size beyond the batch',
      (view) => view.setUint32(FIRST + RECORD_SIZE_AND_FLAGS_AT, 5000, true),
    ],
    ['a size of 0', (view) => view.setUint32(FIRST + RECORD_SIZE_AND_FLAGS_AT, 0, true)],
    [
      'a size below its header',
      (view) => view.setUint32(FIRST + RECORD_SIZE_AND_FLAGS_AT, 15, true),
    ],
    ['a key beyond the record', (view) => view.setUint16(FIRST + RECORD_KEY_BYTES_AT, 500, true)],
    [
      'an offset behind the batch',
      (view) => view.setUint32(FIRST + RECORD_OFFSET_DELTA_AT, 3, true),
    ],
    [
      'headers that are not there',
      (view) =>
        view.setUint32(
          FIRST + RECORD_SIZE_AND_FLAGS_AT,
          (view.getUint32(FIRST + RECORD_SIZE_AND_FLAGS_AT, true) & 0xff_ffff) |
            (2 << RECORD_FLAGS_SHIFT),
          true,
        ),
    ],
  ])('%s is damage with its offsets, never a wrong record', (_name, write) => {
    const batch = encodedBatch({ values: ['aa', 'bb', 'cc'], baseOffset: 40 });
    write(viewOf(batch.bytes));
    const error = thrownBy(() => decodeAll(batch));
    expect(error).toBeInstanceOf(CorruptLogError);
    expect(error).toMatchObject({
      details: {
        file: '/test.log',
        position: 128,
        kind: 'record',
        firstOffset: 40,
        nextOffset: 43,
      },
    });
  });

  test('offsets that do not ascend are damage', () => {
    const batch = encodedBatch({ values: ['aa', 'bb'], baseOffset: 40 });
    viewOf(batch.bytes).setUint32(FIRST + 18 + RECORD_OFFSET_DELTA_AT, 0, true);
    expect(thrownBy(() => decodeAll(batch))).toBeInstanceOf(CorruptLogError);
  });

  test('whatever bytes stand there: records, or CorruptLogError, nothing else', () => {
    let refused = 0;
    let read = 0;
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 60, maxLength: 60 }), fc.nat(5), (noise, count) => {
        const batch = encodedBatch({ values: ['x'.repeat(44)], baseOffset: 40 });
        batch.bytes.set(noise, FIRST);
        batch.header.recordCount = count;
        batch.header.lastOffsetDelta = count;
        try {
          decodeAll(batch);
          read++;
        } catch (error) {
          if (!(error instanceof CorruptLogError)) throw error;
          refused++;
        }
      }),
      { numRuns: 300 },
    );
    expect(refused).toBeGreaterThan(50);
    expect(read).toBeGreaterThan(5); // Those with no record at all.
  });
});
