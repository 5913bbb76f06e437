import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { checksum } from '../../../src/format/checksum.ts';
import {
  SEGMENT_COMPACTED_TO_AT,
  SEGMENT_CRC_AT,
  SEGMENT_END_OFFSET_AT,
  SEGMENT_GENERATION_AT,
  SEGMENT_HEADER_BYTES,
  SEGMENT_LOG_ID_AT,
  SEGMENT_MAGIC_AT,
  SEGMENT_RECORD_COUNT_AT,
  SEGMENT_SEGMENT_ID_AT,
  SEGMENT_TOMBSTONE_COUNT_AT,
  SEGMENT_VERSION_AT,
} from '../../../src/format/layout.ts';
import {
  encodeSegmentHeader,
  ORIGINAL,
  parseSegmentHeader,
  segmentHeaderCrc,
  type SegmentHeader,
  type SegmentRewriting,
} from '../../../src/format/segment-header.ts';
import { viewOf } from '../../../src/format/u64.ts';

const u53 = fc.maxSafeNat();
const id = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const BASE_MAX = 2 ** 52;
const count = fc.integer({ min: 0, max: 0xffff_fffe });
/** Of a segment that begins at or below `BASE_MAX`. */
const anyRewriting: fc.Arbitrary<SegmentRewriting> = fc
  .record({
    generation: fc.integer({ min: 1, max: 0xffff_ffff }),
    endOffset: fc.integer({ min: BASE_MAX + 1, max: Number.MAX_SAFE_INTEGER }),
    endCrc: u32,
    compactedTo: u53,
    cleanedTimeMs: u53,
    lastAppendTimeMs: u53,
    counts: fc.option(fc.tuple(count, count)),
  })
  .map(({ counts, ...rewriting }) => ({
    ...rewriting,
    recordCount: counts === null ? null : Math.max(...counts),
    tombstoneCount: counts === null ? null : Math.min(...counts),
  }));
const anyIdentity = fc.record({
  logId: id,
  segmentId: id,
  baseOffset: fc.integer({ min: 0, max: BASE_MAX }),
  previousId: u53,
  previousEndOffset: u53,
  previousEndCrc: u32,
  epoch: u32,
  createdTimeMs: u53,
  ownerId: u53,
});
const anyHeader: fc.Arbitrary<SegmentHeader> = fc
  .tuple(anyIdentity, fc.oneof(fc.constant(ORIGINAL), anyRewriting))
  .map(([identity, rewriting]) => ({ ...identity, ...rewriting }));

const HEADER: SegmentHeader = {
  logId: 1,
  segmentId: 2,
  ...ORIGINAL,
  baseOffset: 42,
  previousId: 3,
  previousEndOffset: 42,
  previousEndCrc: 0xdeadbeef,
  epoch: 5,
  createdTimeMs: 1000,
  ownerId: 0,
};

function resealed(write: (view: DataView) => void): Uint8Array {
  const bytes = encodeSegmentHeader(HEADER);
  const view = viewOf(bytes);
  write(view);
  view.setUint32(SEGMENT_CRC_AT, checksum(bytes, SEGMENT_MAGIC_AT, bytes.length), true);
  return bytes;
}

/** Of generation 1, up to offset 50, with 2 records, and what `write` makes of it. */
function rewritten(write: (view: DataView) => void): (view: DataView) => void {
  return (view) => {
    view.setUint32(SEGMENT_GENERATION_AT, 1, true);
    view.setBigUint64(SEGMENT_END_OFFSET_AT, 50n, true);
    view.setUint32(SEGMENT_RECORD_COUNT_AT, 2, true);
    write(view);
  };
}

describe('a segment header', () => {
  test('of a generation says what is left, and of an original nothing is read that may come to stand there', () => {
    const header = parseSegmentHeader(resealed(rewritten(() => undefined))).header;
    expect(header).toMatchObject({ generation: 1, endOffset: 50, recordCount: 2 });
    const original = resealed((view) => view.setUint32(SEGMENT_RECORD_COUNT_AT, 2, true));
    expect(parseSegmentHeader(original).header).toEqual(HEADER);
  });

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
    [
      'a generation that ends where it begins',
      rewritten((view) => view.setBigUint64(SEGMENT_END_OFFSET_AT, 42n, true)),
    ],
    [
      'an end above 2^53',
      rewritten((view) => view.setBigUint64(SEGMENT_END_OFFSET_AT, 2n ** 53n, true)),
    ],
    [
      'keys compared up to an offset above 2^53',
      rewritten((view) => view.setBigUint64(SEGMENT_COMPACTED_TO_AT, 2n ** 53n, true)),
    ],
    [
      'more tombstones than records',
      rewritten((view) => view.setUint32(SEGMENT_TOMBSTONE_COUNT_AT, 3, true)),
    ],
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
