import { beforeEach, describe, expect, test } from 'vitest';

import {
  DIRECT_READ_BYTES_MAX,
  DIRECT_READ_PAUSE_MS,
  DIRECT_READ_PAUSE_MS_MAX,
  FAST_READS_TO_FORGET,
  SLOW_READ_MS,
} from '../../../src/core/limits.ts';
import * as layout from '../../../src/format/layout.ts';
import { LogDirectory } from '../../../src/log/log-directory.ts';
import { LogFollower } from '../../../src/log/log-follower.ts';
import { Segment } from '../../../src/segment/segment.ts';
import type { SegmentIndex } from '../../../src/segment/segment-index.ts';
import type { BatchInput } from '../../support/batch-fixture.ts';
import {
  copyBatch,
  DirectReaderBench,
  flipAt,
  LOG_ID,
  makeNewer,
  SEGMENT_PATH,
  setByte,
  setCoveredTo,
  setU32,
  sizeOf,
  zero,
} from '../../support/direct-reader-bench.ts';
import { contentOf, damage } from '../../support/disk-damage.ts';

const { BatchKind, SEGMENT_HEADER_BYTES } = layout;

/** Three records per batch. */
function three(text: string, fields: Partial<BatchInput> = {}): BatchInput {
  return { values: [text, text, text], ...fields };
}

/** Batches at 100, 103, 106 and 109, all in one extent. */
const FOUR = ['one', 'two', 'three', 'four'].map((text) => three(text));

describe('the batch that holds an offset', () => {
  test('is found, whichever of several it is, and only it is read and what is indexed with it', async () => {
    const bench = await new DirectReaderBench().lay(FOUR);
    for (let offset = 100; offset < 112; offset++) {
      const batch = bench.reader.read(offset);
      expect(batch?.header.baseOffset).toBe(100 + 3 * Math.floor((offset - 100) / 3));
      const { at = 0, header, bytes } = batch ?? {};
      expect(bytes?.subarray(at, at + (header?.sizeBytes ?? 0))).toEqual(
        new Uint8Array(
          contentOf(bench.fileSystem, SEGMENT_PATH).subarray(
            header?.position,
            (header?.position ?? 0) + (header?.sizeBytes ?? 0),
          ),
        ),
      );
      expect(batch?.file).toBe(SEGMENT_PATH);
    }
    const [read] = bench.probe.direct;
    expect(read?.position).toBe(SEGMENT_HEADER_BYTES);
    expect(read?.length).toBe(bench.segment.sizeBytes - SEGMENT_HEADER_BYTES);
    expect(bench.probe.pooled).toEqual([]);
  });

  test('is read with no byte of the next indexed batch', async () => {
    const big = three('x'.repeat(3000));
    const bench = await new DirectReaderBench().lay([
      big,
      three('small'),
      big,
      three('small'),
      big,
    ]);
    expect(bench.segment.index?.count).toBe(2);
    for (const [offset, first, end] of [
      [100, 0, 1],
      [103, 1, 3],
      [108, 1, 3],
      [109, 3, 5],
    ] as const) {
      // The entry of the fourth is made because 4 KiB lie between it and the second.
      bench.probe.take();
      expect(bench.baseOf(offset)).toBe(100 + 3 * Math.floor((offset - 100) / 3));
      const [read] = bench.probe.direct;
      expect(read?.position).toBe(bench.positionOf(first));
      const until = end < 5 ? bench.positionOf(end) : bench.segment.sizeBytes;
      expect((read?.position ?? 0) + (read?.length ?? 0)).toBe(until);
    }
  });

  test('may be as large as a direct read, and not one byte larger', async () => {
    const roomBytes =
      DIRECT_READ_BYTES_MAX - layout.BATCH_HEADER_BYTES - layout.RECORD_HEADER_BYTES;
    const bench = await new DirectReaderBench().lay([
      { values: ['f'.repeat(roomBytes)] },
      { values: ['g'.repeat(roomBytes + 1)] },
      { values: ['h'] },
    ]);
    expect(bench.headers[0]?.sizeBytes).toBe(DIRECT_READ_BYTES_MAX);
    expect(bench.baseOf(100)).toBe(100);
    bench.probe.take();
    expect(bench.baseOf(101)).toBeNull();
    expect(bench.probe.take()).toBe('none');
    expect(bench.baseOf(102)).toBe(102);
  });
});

describe('what stands in front of the wanted batch', () => {
  const NEWER = layout.FORMAT_VERSION + 1;

  test.each<[string, (bench: DirectReaderBench) => void]>([
    ['flipped bits in its records', (b) => flipAt(b, 1, layout.BATCH_HEADER_BYTES + 20)],
    ['a wrong checksum', (b) => flipAt(b, 1, layout.CRC_AT)],
    ['a newer version', (b) => setByte(b, 1, { at: layout.VERSION_AT, to: NEWER })],
    ['an unknown compression', (b) => setByte(b, 1, { at: layout.ATTRIBUTES_AT, to: 7 })],
    ['an offset above 2^53', (b) => setByte(b, 1, { at: layout.BASE_OFFSET_AT + 7, to: 0xff })],
    ['fewer offsets than it has', (b) => setByte(b, 1, { at: layout.LAST_OFFSET_DELTA_AT, to: 0 })],
  ])('does not hurt it: %s', async (_name, harm) => {
    const bench = await new DirectReaderBench().lay(FOUR);
    harm(bench);
    expect(bench.baseOf(110)).toBe(109);
    expect(bench.baseOf(106)).toBe(106);
    expect(bench.baseOf(104)).toBeNull(); // Itself it is not believed.
    expect(bench.baseOf(100)).toBe(100);
  });

  test.each<[string, (bench: DirectReaderBench) => void]>([
    ['no magic', (b) => flipAt(b, 1, layout.MAGIC_AT)],
    ['a version of 0', (b) => setByte(b, 1, { at: layout.VERSION_AT, to: 0 })],
    ['a length of 0', (b) => setU32(b, 1, { at: layout.SIZE_AT, to: 0 })],
    ['a length within its own header', (b) => setU32(b, 1, { at: layout.SIZE_AT, to: 127 })],
    ['a length of 4 GiB', (b) => setU32(b, 1, { at: layout.SIZE_AT, to: 0xffff_ffff })],
    ['a length one short', (b) => setU32(b, 1, { at: layout.SIZE_AT, to: sizeOf(b, 1) - 1 })],
    ['another position', (b) => flipAt(b, 1, layout.POSITION_AT)],
    ['another log', (b) => flipAt(b, 1, layout.LOG_ID_AT)],
    ['another segment', (b) => flipAt(b, 1, layout.SEGMENT_ID_AT)],
    ['a range that spans it', (b) => setByte(b, 1, { at: layout.LAST_OFFSET_DELTA_AT, to: 99 })],
    ['a later offset', (b) => setByte(b, 1, { at: layout.BASE_OFFSET_AT + 1, to: 9 })],
  ])('blocks the way, and nothing is answered: %s', async (_name, harm) => {
    const bench = await new DirectReaderBench().lay(FOUR);
    harm(bench);
    for (const offset of [103, 106, 111]) expect(bench.baseOf(offset)).toBeNull();
    expect(bench.baseOf(102)).toBe(100);
  });

  test('a length that leads over the wanted batch to the next is no answer', async () => {
    const bench = await new DirectReaderBench().lay(FOUR);
    setU32(bench, 1, { at: layout.SIZE_AT, to: sizeOf(bench, 1) + sizeOf(bench, 2) });
    expect(bench.baseOf(107)).toBeNull();
    expect(bench.baseOf(110)).toBe(109); // There it stands, and proves itself.
  });

  test.each([BatchKind.gap, BatchKind.journal])('is stepped over: kind %i', async (kind) => {
    const bench = await new DirectReaderBench().lay([
      three('one'),
      three('', { kind }),
      three('three'),
    ]);
    expect(bench.baseOf(106)).toBe(106);
    for (const offset of [103, 105]) expect(bench.baseOf(offset)).toBeNull();
  });

  test('is stepped over: an index batch, which holds no offset, in front and behind', async () => {
    const index = { values: [], kind: BatchKind.index, lastOffsetDelta: 0 };
    const bench = await new DirectReaderBench().lay([
      index,
      three('one'),
      index,
      index,
      three('two'),
      index,
    ]);
    expect(bench.headers.map(({ baseOffset }) => baseOffset)).toEqual([
      100, 100, 103, 103, 103, 106,
    ]);
    for (const offset of [100, 102]) expect(bench.baseOf(offset)).toBe(100);
    for (const offset of [103, 105]) expect(bench.baseOf(offset)).toBe(103);
    expect(bench.baseOf(106)).toBeNull();
  });
});

/** The same segment, to a log that has not read its header. */
function unentered({ segment }: DirectReaderBench): Segment {
  const { index, dataEndPosition } = segment;
  return Object.assign(segment.unread(), { index, dataEndPosition });
}

describe('nothing is answered', () => {
  test.each<[string, (bench: DirectReaderBench) => unknown]>([
    ['without an index', (b) => (b.segment.index = null)],
    ['without a segment header', (b) => b.log.segments.replace([unentered(b)])],
    ['without a segment', (b) => b.log.segments.replace([])],
    ['below the first segment', (b) => b.log.segments.replace([new Segment(SEGMENT_PATH, 107, 0)])],
    ['beyond what the index covers', (b) => setCoveredTo(b, 106)],
    ['when neither index nor data end says how far', (b) => (b.segment.dataEndPosition = null)],
    ['when the data ends at the batch', (b) => (b.segment.dataEndPosition = b.positionOf(2))],
    ['when the data ends in it', (b) => (b.segment.dataEndPosition = b.positionOf(3) - 1)],
    ['when the data ends in its header', (b) => (b.segment.dataEndPosition = b.positionOf(2) + 20)],
    ['when the data ends at the index', (b) => (b.segment.dataEndPosition = SEGMENT_HEADER_BYTES)],
    ['when the file is not open', (b) => b.handles.forget(SEGMENT_PATH)],
    [
      'when the file is shorter',
      (b) => damage(b.fileSystem, SEGMENT_PATH, (all) => all.subarray(0, -1)),
    ],
    ['when the file is empty', (b) => damage(b.fileSystem, SEGMENT_PATH, () => new Uint8Array())],
    ['when the read fails', (b) => b.fileSystem.addFault({ errno: 'EIO', operations: ['read'] })],
    ['when the batch is damaged', (b) => flipAt(b, 2, layout.BATCH_HEADER_BYTES + 3)],
    ['when its checksum is', (b) => flipAt(b, 2, layout.CRC_AT)],
    ['when it is of a newer version', (b) => makeNewer(b, 2)],
    ['when zeros stand there', (b) => zero(b, 2)],
    ['when an older batch stands there', (b) => copyBatch(b, 1, 2)],
  ])('%s', async (_name, arrange) => {
    const bench = await new DirectReaderBench().lay(FOUR);
    expect(bench.baseOf(107)).toBe(106);
    arrange(bench);
    expect(bench.baseOf(107)).toBeNull();
  });

  test.each([-200, -1, 1, 77, 200])('when the index is wrong by %i bytes', async (shift) => {
    const big = three('x'.repeat(3000));
    const bench = await new DirectReaderBench().lay([big, big, big]);
    const { index } = bench.segment;
    for (let slot = 0; slot < (index?.count ?? 0); slot++) {
      (index as SegmentIndex).positions[slot] = bench.positionOf(slot + 1) + shift;
    }
    for (const offset of [103, 108]) expect(bench.baseOf(offset)).toBeNull();
    expect([100, null]).toContain(bench.baseOf(100)); // Its extent may end within it.
  });

  test('when the index leads behind the batch, or to its end', async () => {
    const big = three('x'.repeat(3000));
    const bench = await new DirectReaderBench().lay([big, big, big]);
    const index = bench.segment.index as SegmentIndex;
    index.positions[0] = bench.positionOf(2);
    expect(bench.baseOf(103)).toBeNull();
    index.positions.fill(bench.segment.sizeBytes);
    for (const offset of [103, 106]) expect(bench.baseOf(offset)).toBeNull();
  });

  test('to one who follows a writer in another process', async () => {
    const { fileSystem, handles, log } = new DirectReaderBench();
    const follower = new LogFollower({
      directory: new LogDirectory(fileSystem, '/'),
      logId: LOG_ID,
      marks: log.marks,
      segments: log.segments,
      handles,
      sequence: 1,
      isBesideWriter: false,
    });
    const bench = await new DirectReaderBench(follower).lay(FOUR);
    expect(bench.baseOf(107)).toBeNull();
    expect(bench.probe.take()).toBe('none');
  });

  test('but an error that is not of the disk is nobody’s to swallow', async () => {
    const bench = await new DirectReaderBench().lay(FOUR);
    bench.probe.onRead = () => {
      throw new RangeError('a bug');
    };
    expect(() => bench.reader.read(107)).toThrow(RangeError);
  });
});

describe('a slow read', () => {
  let bench: DirectReaderBench;
  let takesMs = 0;

  beforeEach(async () => {
    bench = await new DirectReaderBench().lay(FOUR);
    takesMs = 0;
    bench.probe.onRead = () => bench.clock.advance(takesMs);
  });

  test('is answered, and pauses the next ones for exactly the pause', () => {
    takesMs = SLOW_READ_MS + 0.001;
    expect(bench.baseOf(101)).toBe(100);
    takesMs = 0;
    bench.probe.take();
    for (const waitMs of [0, DIRECT_READ_PAUSE_MS - 1, 0.5]) {
      bench.clock.advance(waitMs);
      expect(bench.baseOf(101)).toBeNull();
      expect(bench.probe.take()).toBe('none');
    }
    bench.clock.advance(0.5);
    for (let n = 0; n < 3; n++) expect(bench.baseOf(101)).toBe(100);
  });

  test('again and again pauses four times as long, up to a limit; 64 fast reads forget it', () => {
    const pauseMs = () => {
      takesMs = 5;
      expect(bench.baseOf(101)).toBe(100);
      takesMs = 0;
      let waitedMs = 0;
      for (; bench.baseOf(101) === null; waitedMs++) bench.clock.advance(1);
      return waitedMs;
    };
    const pauses = Array.from({ length: 6 }, pauseMs);
    expect(pauses).toEqual([4, 16, 64, 256, 1024, 1024]);
    expect(pauses[0]).toBe(DIRECT_READ_PAUSE_MS);
    expect(pauses.at(-1)).toBe(DIRECT_READ_PAUSE_MS_MAX);
    for (let n = 2; n < FAST_READS_TO_FORGET; n++) bench.baseOf(101); // One was the look above.
    expect(pauseMs()).toBe(DIRECT_READ_PAUSE_MS_MAX);
    for (let n = 1; n < FAST_READS_TO_FORGET; n++) bench.baseOf(101);
    expect(pauseMs()).toBe(DIRECT_READ_PAUSE_MS);
  });

  test('pauses from its end on, not from its beginning', () => {
    takesMs = 10 * DIRECT_READ_PAUSE_MS;
    expect(bench.baseOf(101)).toBe(100);
    bench.clock.advance(DIRECT_READ_PAUSE_MS - 1);
    expect(bench.baseOf(101)).toBeNull();
  });

  test('that took no longer than the limit pauses nothing', () => {
    takesMs = SLOW_READ_MS;
    for (let n = 0; n < 5; n++) expect(bench.baseOf(101)).toBe(100);
  });

  test('pauses again when the disk is still slow afterwards', () => {
    takesMs = 5;
    expect(bench.baseOf(101)).toBe(100);
    bench.clock.advance(DIRECT_READ_PAUSE_MS);
    expect(bench.baseOf(101)).toBe(100);
    bench.clock.advance(DIRECT_READ_PAUSE_MS);
    expect(bench.baseOf(101)).toBeNull();
  });

  test('pauses also when it failed', () => {
    bench.fileSystem.addFault({ errno: 'EIO', operations: ['read'] });
    takesMs = 5;
    expect(bench.baseOf(101)).toBeNull();
    bench.probe.take();
    expect(bench.baseOf(101)).toBeNull();
    expect(bench.probe.take()).toBe('none');
    bench.clock.advance(DIRECT_READ_PAUSE_MS);
    expect(bench.baseOf(101)).toBe(100);
  });

  test('is none of the wall clock’s: it may jump', () => {
    takesMs = 5;
    expect(bench.baseOf(101)).toBe(100);
    bench.clock.jumpTo(bench.clock.now() + 1e9);
    expect(bench.baseOf(101)).toBeNull();
  });
});
