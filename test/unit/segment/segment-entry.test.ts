import { describe, expect, test } from 'vitest';

import { CorruptLogError, UnsupportedVersionError } from '../../../src/core/errors.ts';
import { checksum } from '../../../src/format/checksum.ts';
import {
  SEGMENT_CRC_AT,
  SEGMENT_HEADER_BYTES,
  SEGMENT_MAGIC_AT,
  SEGMENT_VERSION_AT,
} from '../../../src/format/layout.ts';
import { encodeSegmentHeader, type SegmentHeader } from '../../../src/format/segment-header.ts';
import { viewOf } from '../../../src/format/u64.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import { enterSegment, foreignProblem, linkProblem } from '../../../src/segment/segment-entry.ts';
import { Segment } from '../../../src/segment/segment.ts';
import { rejectionOf } from '../../support/log-fixture.ts';

const HEADER: SegmentHeader = {
  logId: 10,
  segmentId: 20,
  generation: 0,
  baseOffset: 42,
  previousId: 19,
  previousEndOffset: 42,
  previousEndCrc: 0xabcd,
  epoch: 1,
  createdTimeMs: 1000,
  ownerId: 0,
  endOffset: 0,
  endCrc: 0,
};

/** The segment before, as far as it was entered. */
function previousSegment(
  known: { readonly segmentId?: number; readonly endCrc?: number } = {},
): Segment {
  const { segmentId = 19, endCrc = 0xabcd } = known;
  const segment = new Segment('/before.log', 30, 500);
  segment.learnHeader({ ...HEADER, segmentId, baseOffset: 30 }, 0);
  segment.learnEnd(endCrc);
  return segment;
}

async function enter(bytes: Uint8Array, baseOffset = 42, logId = 10) {
  const fileSystem = new MemoryFileSystem();
  const file = await fileSystem.open('/test.log', 'create');
  if (bytes.length > 0) await file.write(bytes, 0);
  const segment = new Segment('/test.log', baseOffset, bytes.length);
  return { segment, header: enterSegment(segment, file, { logId, previous: null }) };
}

describe('linkProblem', () => {
  test('has nothing against the next segment', () => {
    expect(linkProblem(previousSegment(), HEADER)).toBeNull();
  });

  test.each([
    ['another id before it', previousSegment({ segmentId: 18 }), HEADER, 'previous segment'],
    ['another end checksum', previousSegment({ endCrc: 1 }), HEADER, 'crc'],
    [
      'an end that is not its beginning',
      previousSegment(),
      { ...HEADER, previousEndOffset: 41 },
      '41',
    ],
  ])('finds %s', (_name, previous, header, reason) => {
    expect(linkProblem(previous, header)).toContain(reason);
  });

  test('compares only what is known of the segment before', () => {
    const unknown = new Segment('/before.log', 30, 500);
    expect(linkProblem(unknown, HEADER)).toBeNull();
  });
});

describe('foreignProblem', () => {
  const segment = new Segment('/test.log', 42, 0);

  test('has nothing against a header of the log whose name is right', () => {
    expect(foreignProblem(segment, HEADER, 10)).toBeNull();
    expect(foreignProblem(segment, HEADER, 0)).toBeNull();
  });

  test('finds another log, and another base offset than the name says', () => {
    expect(foreignProblem(segment, HEADER, 11)).toContain('log id is 10, expected 11');
    expect(foreignProblem(new Segment('/x.log', 43, 0), HEADER, 10)).toContain('43');
  });
});

describe('enterSegment', () => {
  test('takes the header once', async () => {
    const { segment, header } = await enter(encodeSegmentHeader(HEADER));
    expect(await header).toEqual(HEADER);
    expect(segment.header).toEqual(HEADER);
    expect(segment.headerCrc).toBe(viewOf(encodeSegmentHeader(HEADER)).getUint32(0, true));
  });

  test.each([
    ['a short file', encodeSegmentHeader(HEADER).subarray(0, 50), 'header'],
    ['an empty file', new Uint8Array(0), 'header'],
    ['zeros', new Uint8Array(SEGMENT_HEADER_BYTES), 'header'],
    ['another base offset', encodeSegmentHeader({ ...HEADER, baseOffset: 43 }), 'chain'],
    ['another log', encodeSegmentHeader({ ...HEADER, logId: 11 }), 'chain'],
  ])('refuses %s with its name and offset', async (_name, bytes, kind) => {
    const { segment, header } = await enter(bytes);
    const error = await rejectionOf(header);
    expect(error).toBeInstanceOf(CorruptLogError);
    expect(error).toMatchObject({
      details: { file: '/test.log', position: 0, kind, firstOffset: 42 },
    });
    expect(segment.header).toBeNull();
  });

  test('refuses a version to come by name', async () => {
    const bytes = encodeSegmentHeader(HEADER);
    const view = viewOf(bytes);
    view.setUint16(SEGMENT_VERSION_AT, 2, true);
    view.setUint32(SEGMENT_CRC_AT, checksum(bytes, SEGMENT_MAGIC_AT, bytes.length), true);
    const { header } = await enter(bytes);
    const error = await rejectionOf(header);
    expect(error).toBeInstanceOf(UnsupportedVersionError);
    expect(error).toMatchObject({ details: { file: '/test.log', found: 2, supported: 1 } });
  });
});
