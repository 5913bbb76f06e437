import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { checksum } from '../../../src/format/checksum.ts';
import {
  SEGMENT_CRC_AT,
  SEGMENT_HEADER_BYTES,
  SEGMENT_LOG_ID_AT,
  SEGMENT_MAGIC_AT,
  SEGMENT_SEGMENT_ID_AT,
  SEGMENT_VERSION_AT,
} from '../../../src/format/layout.ts';
import {
  encodeSegmentHeader,
  parseSegmentHeader,
  segmentHeaderCrc,
  type SegmentHeader,
} from '../../../src/format/segment-header.ts';
import { viewOf } from '../../../src/format/u64.ts';

const u53 = fc.maxSafeNat();
const id = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const anyHeader: fc.Arbitrary<SegmentHeader> = fc.record({
  logId: id,
  segmentId: id,
  generation: u32,
  baseOffset: u53,
  previousId: u53,
  previousEndOffset: u53,
  previousEndCrc: u32,
  epoch: u32,
  createdTimeMs: u53,
  ownerId: u53,
  endOffset: u53,
  endCrc: u32,
});

const HEADER: SegmentHeader = {
  logId: 1,
  segmentId: 2,
  generation: 0,
  baseOffset: 42,
  previousId: 3,
  previousEndOffset: 42,
  previousEndCrc: 0xdeadbeef,
  epoch: 5,
  createdTimeMs: 1000,
  ownerId: 0,
  endOffset: 0,
  endCrc: 0,
};

function resealed(write: (view: DataView) => void): Uint8Array {
  const bytes = encodeSegmentHeader(HEADER);
  const view = viewOf(bytes);
  write(view);
  view.setUint32(SEGMENT_CRC_AT, checksum(bytes, SEGMENT_MAGIC_AT, bytes.length), true);
  return bytes;
}

describe('a segment header', () => {
  test('comes back as it was written', () => {
    fc.assert(
      fc.property(anyHeader, (header) => {
        const bytes = encodeSegmentHeader(header);
        expect(bytes).toHaveLength(SEGMENT_HEADER_BYTES);
        expect(parseSegmentHeader(bytes)).toEqual({
          header,
          crc: segmentHeaderCrc(bytes),
          problem: null,
        });
      }),
    );
  });

  test('with any flipped bit is refused, in the reserved bytes too', () => {
    const bytes = encodeSegmentHeader(HEADER);
    for (let at = 0; at < bytes.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const damaged = bytes.slice();
        damaged[at] = (damaged[at] ?? 0) ^ (1 << bit);
        expect(parseSegmentHeader(damaged).header, `byte ${at} bit ${bit}`).toBeNull();
      }
    }
  });

  test.each([0, 1, 64, 127])('of %i bytes is a problem, not an error', (length) => {
    const parsed = parseSegmentHeader(encodeSegmentHeader(HEADER).subarray(0, length));
    expect(parsed.header).toBeNull();
    expect(parsed.problem).toContain(`${length} of 128`);
  });

  test.each([
    ['a log id of 0', (view: DataView) => view.setBigUint64(SEGMENT_LOG_ID_AT, 0n, true)],
    ['a segment id of 0', (view: DataView) => view.setBigUint64(SEGMENT_SEGMENT_ID_AT, 0n, true)],
    [
      'a log id above 2^53',
      (view: DataView) => view.setBigUint64(SEGMENT_LOG_ID_AT, 2n ** 53n, true),
    ],
    ['another magic', (view: DataView) => view.setUint32(SEGMENT_MAGIC_AT, 1, true)],
  ])('with %s under a right checksum is refused', (_name, write) => {
    expect(parseSegmentHeader(resealed(write)).header).toBeNull();
  });

  test('of a version to come says which, unless it is damaged', () => {
    const future = resealed((view) => view.setUint16(SEGMENT_VERSION_AT, 7, true));
    expect(parseSegmentHeader(future)).toMatchObject({ header: null, version: 7 });
    future[100] = 1;
    expect(parseSegmentHeader(future)).toMatchObject({ header: null, version: null });
  });
});
