/** One segment as the log knows it: a name, its bounds, and what was learned of it so far. */
import type { SegmentHeader } from '../format/segment-header.ts';
import { SEGMENT_HEADER_BYTES } from '../format/layout.ts';
import type { File } from '../io/file-system.ts';
import { SegmentIndex } from './segment-index.ts';

export class Segment {
  readonly path: string;
  readonly baseOffset: number;
  /** Known once the segment was created, recovered or entered by a reader. */
  header: SegmentHeader | null = null;
  /** Stored checksum of `header`. */
  headerCrc = 0;
  /** Sparse index; null until it was built or loaded. */
  index: SegmentIndex | null = null;
  /** End of the data, tables and index batch not counted; null until known. */
  dataEndPosition: number | null = null;
  /** Checksum of the last batch of any kind but index; null until known. */
  endCrc: number | null = null;
  /** Bytes of the file as far as known, index batch included. */
  sizeBytes: number;
  /** Whether fingerprints of records were seen in it: then there is a table to make when it is sealed. */
  hasFingerprints = false;
  /** Append time of the last batch, ms; null until known. */
  lastAppendTimeMs: number | null = null;

  /** The writer's handle, from creation or recovery until the segment is sealed and synced. */
  file: File | null = null;
  /** Writes that finished, and those that a finished sync covered. Different = dirty. */
  finishedWrites = 0;
  syncedWrites = 0;

  constructor(path: string, baseOffset: number, sizeBytes: number) {
    this.path = path;
    this.baseOffset = baseOffset;
    this.sizeBytes = sizeBytes;
  }

  /** The same file, without what was learned of it. */
  unread(): Segment {
    return new Segment(this.path, this.baseOffset, this.sizeBytes);
  }

  /** A segment that is about to be created. */
  static planned(path: string, header: SegmentHeader, headerCrc: number): Segment {
    const segment = new Segment(path, header.baseOffset, 0);
    segment.header = header;
    segment.headerCrc = headerCrc;
    segment.index = new SegmentIndex();
    segment.dataEndPosition = SEGMENT_HEADER_BYTES;
    segment.endCrc = headerCrc;
    return segment;
  }

  /** Forgets all but the name: the file may be another by now. */
  forget(): void {
    this.header = null;
    this.headerCrc = 0;
    this.lastAppendTimeMs = null;
    this.forgetEnd();
  }

  /** Forgets where a walk ended: what lies behind is to be looked at again. */
  forgetEnd(): void {
    this.dataEndPosition = null;
    this.endCrc = null;
    this.index = null;
  }

  /** Whether bytes were written that no finished sync covers. */
  get isDirty(): boolean {
    return this.finishedWrites !== this.syncedWrites;
  }
}
