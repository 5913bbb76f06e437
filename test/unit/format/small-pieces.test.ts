import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import zlib from 'node:zlib';

import { AssertionError } from '../../../src/core/assert.ts';
import {
  batchProblem,
  emptyBatchHeader,
  readBatchHeader,
} from '../../../src/format/batch-header.ts';
import { checksum, CRC_MASK } from '../../../src/format/checksum.ts';
import { parseSegmentFileName, segmentFileName } from '../../../src/format/file-names.ts';
import {
  encodeGapBatch,
  GAP_BATCH_BYTES_MIN,
  readReplacedEndCrc,
} from '../../../src/format/gap-batch.ts';
import { BATCH_HEADER_BYTES, BatchKind } from '../../../src/format/layout.ts';
import { getU64, setU64, viewOf } from '../../../src/format/u64.ts';

describe('u64', () => {
  test('every safe integer comes back, byte for byte as a u64', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        const view = viewOf(new Uint8Array(12));
        setU64(view, 3, value);
        expect(getU64(view, 3)).toBe(value);
        expect(view.getBigUint64(3, true)).toBe(BigInt(value));
      }),
    );
  });

  test('what is above 2^53 - 1 comes back as -1', () => {
    const view = viewOf(new Uint8Array(8));
    for (const value of [2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n]) {
      view.setBigUint64(0, value, true);
      expect(getU64(view, 0)).toBe(-1);
    }
    view.setBigUint64(0, 2n ** 53n - 1n, true);
    expect(getU64(view, 0)).toBe(Number.MAX_SAFE_INTEGER);
  });
});

describe('checksum', () => {
  test('is zlib’s CRC-32 XOR the mask, on both sides of the switch, in any range', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1200 }), fc.nat(20), (bytes, cut) => {
        const start = Math.min(cut, bytes.length);
        const expected = (zlib.crc32(bytes.subarray(start)) ^ CRC_MASK) >>> 0;
        expect(checksum(bytes, start, bytes.length)).toBe(expected);
      }),
    );
    for (const length of [0, 1, 511, 512, 513, 70_000]) {
      const bytes = Uint8Array.from({ length }, (_, at) => (at * 31) & 0xff);
      expect(checksum(bytes, 0, length)).toBe((zlib.crc32(bytes) ^ CRC_MASK) >>> 0);
    }
  });

  test('is the known one of "123456789"', () => {
    expect((checksum(Buffer.from('123456789'), 0, 9) ^ CRC_MASK) >>> 0).toBe(0xcbf43926);
  });
});

describe('file names', () => {
  test('hold a base offset in 20 digits, and give it back', () => {
    expect(segmentFileName(42)).toBe('00000000000000000042.log');
    fc.assert(
      fc.property(fc.maxSafeNat(), (offset) => {
        expect(parseSegmentFileName(segmentFileName(offset))).toBe(offset);
        expect(segmentFileName(offset)).toHaveLength(24);
      }),
    );
  });

  test.each([
    '42.log',
    '0000000000000000042.log',
    '000000000000000000042.log',
    '00000000000000000042.LOG',
    '00000000000000000042.log.tmp',
    'x00000000000000000042.log',
    '0000000000000000004x.log',
    '-0000000000000000042.log',
    '00009007199254740992.log',
    '99999999999999999999.log',
    '00000000000000000042.log\n',
    '',
  ])('%j is not a segment', (name) => {
    expect(parseSegmentFileName(name)).toBeNull();
  });

  test('in offset order are in alphabetical order', () => {
    const offsets = [0, 9, 10, 99, 100, 2 ** 32, Number.MAX_SAFE_INTEGER];
    const names = offsets.map(segmentFileName);
    expect([...names].sort()).toEqual(names);
  });
});

describe('a gap batch', () => {
  const PLACE = {
    logId: 1,
    segmentId: 2,
    epoch: 3,
    position: 500,
    baseOffset: 10,
    appendTimeMs: 99,
    nextOffset: 25,
    sizeBytes: GAP_BATCH_BYTES_MIN,
    replacedEndCrc: null,
  };

  test('covers its offsets and its bytes, and holds no record', () => {
    const bytes = encodeGapBatch({ ...PLACE, sizeBytes: 700 });
    const header = emptyBatchHeader();
    readBatchHeader(viewOf(bytes), 0, header);
    expect(bytes).toHaveLength(700);
    expect(header).toMatchObject({
      kind: BatchKind.gap,
      sizeBytes: 700,
      position: 500,
      baseOffset: 10,
      lastOffsetDelta: 14,
      recordCount: 0,
    });
    expect(batchProblem(bytes, 0, header)).toBeNull();
    expect(bytes.subarray(BATCH_HEADER_BYTES).every((byte) => byte === 0)).toBe(true);
    expect(readReplacedEndCrc(bytes, 0, header)).toBeNull();
  });

  test('states the end checksum of what it replaced', () => {
    for (const crc of [0, 1, 0xffff_ffff]) {
      const bytes = encodeGapBatch({ ...PLACE, replacedEndCrc: crc });
      const header = emptyBatchHeader();
      readBatchHeader(viewOf(bytes), 0, header);
      expect(batchProblem(bytes, 0, header)).toBeNull();
      expect(readReplacedEndCrc(bytes, 0, header)).toBe(crc);
    }
  });

  test('a reader skips extension fields that it does not know, and stops at a wrong length', () => {
    const header = { ...emptyBatchHeader(), extensionBytes: 20 };
    const bytes = new Uint8Array(BATCH_HEADER_BYTES + 20);
    const view = viewOf(bytes);
    view.setUint16(BATCH_HEADER_BYTES, 999, true); // A field of a version to come: 8 bytes.
    view.setUint16(BATCH_HEADER_BYTES + 2, 8, true);
    view.setUint16(BATCH_HEADER_BYTES + 12, 1, true);
    view.setUint16(BATCH_HEADER_BYTES + 14, 4, true);
    view.setUint32(BATCH_HEADER_BYTES + 16, 0xcafe, true);
    expect(readReplacedEndCrc(bytes, 0, header)).toBe(0xcafe);
    view.setUint16(BATCH_HEADER_BYTES + 2, 5000, true);
    expect(readReplacedEndCrc(bytes, 0, header)).toBeNull();
  });

  test.each([
    ['no offset', { nextOffset: 10 }],
    ['fewer bytes than a batch', { sizeBytes: GAP_BATCH_BYTES_MIN - 1 }],
    ['more bytes than a batch', { sizeBytes: 16 * 1024 * 1024 + 1 }],
  ])('is never made of %s', (_name, change) => {
    expect(() => encodeGapBatch({ ...PLACE, ...change })).toThrow(AssertionError);
  });
});
