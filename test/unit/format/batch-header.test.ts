import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { BATCH_BYTES_MAX } from '../../../src/core/limits.ts';
import {
  batchProblem,
  emptyBatchHeader,
  headerProblem,
  hex,
  nextOffsetOf,
  readBatchHeader,
  sealBatch,
  type BatchHeader,
} from '../../../src/format/batch-header.ts';
import { checksum } from '../../../src/format/checksum.ts';
import {
  ATTRIBUTES_AT,
  BASE_OFFSET_AT,
  BATCH_HEADER_BYTES,
  BatchKind,
  Compression,
  CRC_AT,
  EXTENSION_BYTES_AT,
  KIND_AT,
  LAST_OFFSET_DELTA_AT,
  MAGIC_AT,
  RECORD_COUNT_AT,
  SIZE_AT,
  SYNCED_UP_TO_AT,
  VERSION_AT,
} from '../../../src/format/layout.ts';
import { viewOf } from '../../../src/format/u64.ts';
import { encodedBatch } from '../../support/batch-fixture.ts';

const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const u53 = fc.maxSafeNat();

const anyHeader: fc.Arbitrary<BatchHeader> = fc.record({
  crc: fc.constant(0),
  kind: fc.constantFrom(...Object.values(BatchKind)),
  attributes: u16,
  sizeBytes: fc.integer({ min: BATCH_HEADER_BYTES, max: 2000 }),
  position: u32,
  epoch: u32,
  logId: u53,
  segmentId: u53,
  baseOffset: u53,
  lastOffsetDelta: u32,
  recordCount: u32,
  appendTimeMs: u53,
  baseCreateTimeMs: u53,
  maxCreateTimeMs: u53,
  syncedUpTo: u53,
  producerId: u53,
  baseSequence: u32,
  producerEpoch: u16,
  extensionBytes: u16,
  topologyVersion: u53,
});

/** The verdict on `bytes` at their own place, with whatever fields and checksum they have now. */
function verdictOf(bytes: Uint8Array, place = {}): string | null {
  const header = emptyBatchHeader();
  const where = { logId: 1, segmentId: 1, position: 128, bytesLeft: bytes.length, ...place };
  const problem = headerProblem(viewOf(bytes), 0, where, header);
  return problem ?? batchProblem(bytes, 0, header);
}

/** A batch with one field changed behind the encoder's back, and its checksum made right again. */
function withField(write: (view: DataView) => void): Uint8Array {
  const { bytes } = encodedBatch({ values: ['a', 'b', 'c'] });
  const view = viewOf(bytes);
  write(view);
  view.setUint32(CRC_AT, checksum(bytes, MAGIC_AT, bytes.length), true);
  return bytes;
}

describe('a batch header', () => {
  test('comes back as it was sealed, field by field, at any position in a buffer', () => {
    fc.assert(
      fc.property(anyHeader, fc.integer({ min: 0, max: 64 }), (header, at) => {
        const bytes = new Uint8Array(at + header.sizeBytes + 10).fill(0xaa);
        const sealed = { ...header };
        const crc = sealBatch(bytes, viewOf(bytes), at, sealed);
        expect(crc).toBe(sealed.crc);
        const read = emptyBatchHeader();
        readBatchHeader(viewOf(bytes), at, read);
        expect(read).toEqual(sealed);
        expect(bytes.subarray(0, at).every((byte) => byte === 0xaa)).toBe(true);
        expect(bytes.subarray(at + header.sizeBytes).every((byte) => byte === 0xaa)).toBe(true);
      }),
    );
  });

  test('any flipped bit anywhere in the batch is noticed', () => {
    const { bytes } = encodedBatch({ values: ['one', null], keys: ['k', 'gone'] });
    expect(verdictOf(bytes)).toBeNull();
    let flips = 0;
    for (let at = 0; at < bytes.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const damaged = Buffer.from(bytes);
        damaged[at] = (damaged[at] ?? 0) ^ (1 << bit);
        expect(verdictOf(damaged), `byte ${at} bit ${bit}`).not.toBeNull();
        flips++;
      }
    }
    expect(flips).toBe(bytes.length * 8);
  });

  test('says where the next batch begins; an index batch holds no offset', () => {
    const header = { ...emptyBatchHeader(), baseOffset: 10, lastOffsetDelta: 4 };
    expect(nextOffsetOf(header)).toBe(15);
    expect(nextOffsetOf({ ...header, kind: BatchKind.gap })).toBe(15);
    expect(nextOffsetOf({ ...header, kind: BatchKind.index })).toBe(10);
  });
});

describe('headerProblem', () => {
  test.each([
    ['the wrong log', { logId: 2 }, 'log id'],
    ['the wrong segment', { segmentId: 2 }, 'segment id'],
    ['the wrong position', { position: 129 }, 'position'],
    ['fewer bytes left than it claims', { bytesLeft: 128 }, 'left'],
  ])('finds %s', (_name, place, reason) => {
    expect(verdictOf(encodedBatch({ values: ['a'] }).bytes, place)).toContain(reason);
  });

  test('takes an id of 0 for not known', () => {
    const { bytes } = encodedBatch({ values: ['a'] });
    expect(verdictOf(bytes, { logId: 0, segmentId: 0 })).toBeNull();
  });

  test.each<[string, (view: DataView) => void, string]>([
    ['magic', (view) => view.setUint32(MAGIC_AT, 0x12345678, true), 'magic'],
    ['version 0', (view) => view.setUint8(VERSION_AT, 0), 'version'],
    ['kind 0', (view) => view.setUint8(KIND_AT, 0), 'kind'],
    ['kind 5', (view) => view.setUint8(KIND_AT, 5), 'kind'],
    ['length 0', (view) => view.setUint32(SIZE_AT, 0, true), 'length'],
    ['length 111', (view) => view.setUint32(SIZE_AT, BATCH_HEADER_BYTES - 1, true), 'length'],
    ['length 2^32 - 1', (view) => view.setUint32(SIZE_AT, 0xffff_ffff, true), 'length'],
    ['length 16 MiB + 1', (view) => view.setUint32(SIZE_AT, BATCH_BYTES_MAX + 1, true), 'length'],
    ['extension too long', (view) => view.setUint16(EXTENSION_BYTES_AT, 0xffff, true), 'length'],
  ])('refuses %s before it computes a checksum', (_name, write, reason) => {
    const { bytes } = encodedBatch({ values: ['a', 'b', 'c'] });
    write(viewOf(bytes));
    const place = { logId: 1, segmentId: 1, position: 128, bytesLeft: 2 ** 31 };
    expect(headerProblem(viewOf(bytes), 0, place, emptyBatchHeader())).toContain(reason);
  });
});

describe('batchProblem, under a right checksum', () => {
  test('has nothing against a correct batch', () => {
    expect(verdictOf(withField(() => undefined))).toBeNull();
  });

  test.each<[string, (view: DataView) => void, string]>([
    [
      'attributes of a version to come',
      (view) => view.setUint16(ATTRIBUTES_AT, 8, true),
      'attributes',
    ],
    [
      'a gap batch that says it is compressed',
      (view) => {
        view.setUint8(KIND_AT, BatchKind.gap);
        view.setUint16(ATTRIBUTES_AT, 1, true);
      },
      'attributes',
    ],
    ['more records than fit', (view) => view.setUint32(RECORD_COUNT_AT, 1000, true), 'records'],
    [
      'a count of 2^32 - 1',
      (view) => view.setUint32(RECORD_COUNT_AT, 0xffff_ffff, true),
      'records',
    ],
    [
      'more records than offsets',
      (view) => view.setUint32(LAST_OFFSET_DELTA_AT, 1, true),
      'offsets',
    ],
    [
      'a base offset above 2^53 - 1',
      (view) => view.setUint32(BASE_OFFSET_AT + 4, 0x20_0000, true),
      'offset',
    ],
    [
      'a last offset above 2^53 - 2',
      (view) => {
        view.setUint32(BASE_OFFSET_AT, 0xffff_fffe, true);
        view.setUint32(BASE_OFFSET_AT + 4, 0x1f_ffff, true);
      },
      'offset',
    ],
    [
      'a syncedUpTo above 2^53 - 1',
      (view) => view.setUint32(SYNCED_UP_TO_AT + 4, 0x20_0000, true),
      'offset',
    ],
  ])('finds %s', (_name, write, reason) => {
    expect(verdictOf(withField(write))).toContain(reason);
  });
});

describe('batchProblem of a compressed batch, under a right checksum', () => {
  const storedBytes = 4 + 40;

  /** Of kind data, with one record, whose uncompressed size is stated as `size`. */
  function verdictOn(size: number, changes: Partial<BatchHeader> = {}): string | null {
    const header = {
      ...emptyBatchHeader(),
      logId: 1,
      segmentId: 1,
      position: 128,
      recordCount: 1,
      attributes: Compression.gzip,
      sizeBytes: BATCH_HEADER_BYTES + storedBytes,
      ...changes,
    };
    const bytes = new Uint8Array(Math.max(header.sizeBytes, BATCH_HEADER_BYTES + 8));
    viewOf(bytes).setUint32(BATCH_HEADER_BYTES, size, true);
    sealBatch(bytes, viewOf(bytes), 0, header);
    return verdictOf(bytes.subarray(0, header.sizeBytes));
  }

  test('believes a size above the payload, up to 1000 times the compressed bytes', () => {
    expect(verdictOn(storedBytes + 1)).toBeNull();
    expect(verdictOn(40_000)).toBeNull();
    for (const size of [0, 1, storedBytes, 40_001, 0x8000_0000, 0xffff_ffff]) {
      expect(verdictOn(size)).toContain(`uncompressed size is ${size}`);
    }
  });

  test('believes at most what fits a batch', () => {
    const sizeBytes = 100_000;
    const recordBytesMax = BATCH_BYTES_MAX - BATCH_HEADER_BYTES;
    expect(verdictOn(recordBytesMax, { sizeBytes })).toBeNull();
    expect(verdictOn(recordBytesMax + 1, { sizeBytes })).toContain('uncompressed size');
  });

  test.each([0, 3, 4])('finds a payload of %i bytes, too short to be one', (payloadBytes) => {
    const sizeBytes = BATCH_HEADER_BYTES + payloadBytes;
    expect(verdictOn(100, { sizeBytes })).toContain('no compressed records');
  });

  test('bounds the number of records by the uncompressed size', () => {
    const counted = (recordCount: number) => ({ recordCount, lastOffsetDelta: recordCount - 1 });
    expect(verdictOn(1600, counted(100))).toBeNull();
    expect(verdictOn(1600, counted(101))).toContain('101 records do not fit 1600 bytes');
  });

  test('has nothing against a compression of a version to come, whatever the payload', () => {
    for (const attributes of [3, 7]) {
      expect(verdictOn(0xffff_ffff, { attributes })).toBeNull();
      expect(verdictOn(0, { attributes, sizeBytes: BATCH_HEADER_BYTES })).toBeNull();
    }
  });
});

test('hex prints a word as it is stored', () => {
  expect(hex(0)).toBe('0x00000000');
  expect(hex(-1)).toBe('0xffffffff');
  expect(hex(0xbadcafe)).toBe('0x0badcafe');
});
