/** One segment made by hand, a `DirectReader` over it, and ways to harm it. */
import { ManualClock } from '../../src/core/clock.ts';
import { SeededRandom } from '../../src/core/random.ts';
import { nextOffsetOf, type BatchHeader } from '../../src/format/batch-header.ts';
import { FORMAT_VERSION, SEGMENT_HEADER_BYTES, VERSION_AT } from '../../src/format/layout.ts';
import { viewOf } from '../../src/format/u64.ts';
import { DirectReader } from '../../src/log/direct-reader.ts';
import { DirectReads } from '../../src/log/direct-reads.ts';
import { HandleCache } from '../../src/log/handle-cache.ts';
import { IndexCache } from '../../src/log/index-cache.ts';
import type { LogFollower } from '../../src/log/log-follower.ts';
import { LogMarks } from '../../src/log/marks.ts';
import type { ReadableLog } from '../../src/log/readable-log.ts';
import { SegmentList } from '../../src/log/segment-list.ts';
import { SegmentIndex } from '../../src/segment/segment-index.ts';
import { Segment } from '../../src/segment/segment.ts';
import { encodedBatch, type BatchInput } from './batch-fixture.ts';
import { damage, flipBit } from './disk-damage.ts';
import { ReadProbe } from './direct-reads.ts';
import { reseal } from './faults/forged-fields.ts';
import { FaultyFileSystem } from './faulty-file-system.ts';

export const SEGMENT_PATH = '/segment.log';
export const LOG_ID = 5;
const SEGMENT_ID = 7;
/** Offsets from 100 on, an open file, nothing in the cache of anything. */
export class DirectReaderBench {
  readonly clock = new ManualClock();
  readonly probe = new ReadProbe();
  readonly fileSystem = new FaultyFileSystem({
    random: new SeededRandom(1),
    trace: this.probe.trace,
  });
  readonly handles = new HandleCache(this.fileSystem, 4);
  readonly headers: BatchHeader[] = [];
  readonly segment = new Segment(SEGMENT_PATH, 100, 0);
  readonly log: ReadableLog;
  readonly reader: DirectReader;

  constructor(follower: LogFollower | null = null) {
    this.log = {
      path: '/',
      logId: LOG_ID,
      marks: new LogMarks({ startOffset: 100, endOffset: 1_000_000 }),
      segments: new SegmentList([this.segment]),
      handles: this.handles,
      indexes: new IndexCache(),
      directReads: new DirectReads(this.clock),
      follower,
      readOnlyCause: null,
    };
    this.reader = new DirectReader(this.log);
  }

  /** Writes the batches one behind the other, indexes them and opens the file. */
  async lay(inputs: readonly BatchInput[], index = new SegmentIndex()): Promise<this> {
    const file = await this.fileSystem.open(SEGMENT_PATH, 'create');
    await file.write(new Uint8Array(SEGMENT_HEADER_BYTES).fill(0xee), 0);
    let position = SEGMENT_HEADER_BYTES;
    let baseOffset = this.segment.baseOffset;
    for (const input of inputs) {
      const place = { position, baseOffset, logId: LOG_ID, segmentId: SEGMENT_ID };
      const { bytes, header } = encodedBatch({ ...place, ...input });
      await file.write(bytes, position);
      this.headers.push(header);
      index.add(header);
      position += bytes.length;
      baseOffset = nextOffsetOf(header);
    }
    await file.close();
    index.coveredTo = baseOffset;
    Object.assign(this.segment, { index, dataEndPosition: position, sizeBytes: position });
    const header = {
      logId: LOG_ID,
      segmentId: SEGMENT_ID,
      generation: 0,
      baseOffset: this.segment.baseOffset,
      previousId: 0,
      previousEndOffset: this.segment.baseOffset,
      previousEndCrc: 0,
      epoch: 1,
      createdTimeMs: 0,
      ownerId: 0,
      endOffset: 0,
      endCrc: 0,
    };
    this.segment.learnHeader(header, 0);
    (await this.handles.acquire(SEGMENT_PATH)).release();
    this.probe.take();
    return this;
  }

  /** Base offset of the batch that is answered; null for none. */
  baseOf(offset: number): number | null {
    return this.reader.read(offset)?.header.baseOffset ?? null;
  }

  positionOf(batch: number): number {
    return this.headers[batch]?.position ?? 0;
  }
}

export function sizeOf(bench: DirectReaderBench, batch: number): number {
  return bench.headers[batch]?.sizeBytes ?? 0;
}

export function setCoveredTo({ segment }: DirectReaderBench, offset: number): void {
  (segment.index as SegmentIndex).coveredTo = offset;
}

export interface ByteChange {
  readonly at: number;
  readonly to: number;
}

export function flipAt(bench: DirectReaderBench, batch: number, at: number): void {
  flipBit(bench.fileSystem, SEGMENT_PATH, { position: bench.positionOf(batch) + at });
}

export function setByte(bench: DirectReaderBench, batch: number, { at, to }: ByteChange): void {
  changeBytes(bench, batch, (view) => view.setUint8(at, to));
}

export function setU32(bench: DirectReaderBench, batch: number, { at, to }: ByteChange): void {
  changeBytes(bench, batch, (view) => view.setUint32(at, to, true));
}

function changeBytes(
  bench: DirectReaderBench,
  batch: number,
  change: (view: DataView) => void,
): void {
  damage(bench.fileSystem, SEGMENT_PATH, (bytes) => {
    change(new DataView(bytes.buffer, bytes.byteOffset + bench.positionOf(batch)));
    return bytes;
  });
}

/** Gives it the next format version, and the checksum that goes with it. */
export function makeNewer(bench: DirectReaderBench, batch: number): void {
  damage(bench.fileSystem, SEGMENT_PATH, (bytes) => {
    const at = bench.positionOf(batch);
    viewOf(bytes).setUint8(at + VERSION_AT, FORMAT_VERSION + 1);
    reseal(bytes, { kind: 'batch', at, sizeBytes: 0 });
    return bytes;
  });
}

export function zero(bench: DirectReaderBench, batch: number): void {
  const start = bench.positionOf(batch);
  damage(bench.fileSystem, SEGMENT_PATH, (bytes) =>
    bytes.fill(0, start, start + sizeOf(bench, batch)),
  );
}

export function copyBatch(bench: DirectReaderBench, from: number, to: number): void {
  const start = bench.positionOf(from);
  damage(bench.fileSystem, SEGMENT_PATH, (bytes) =>
    bytes.copyWithin(bench.positionOf(to), start, start + sizeOf(bench, from)),
  );
}
