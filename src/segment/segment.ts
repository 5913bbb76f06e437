/** One segment as the log knows it: a name, its bounds, and what was learned of it so far. */
import type { SegmentHeader } from '../format/segment-header.ts';
import { SEGMENT_HEADER_BYTES } from '../format/layout.ts';
import type { File } from '../io/file-system.ts';
import { SegmentIndex } from './segment-index.ts';

export class Segment {
  readonly path: string;
  readonly baseOffset: number;
  /** Of the file when it was listed: another one is another file under that name; null = it was not. */
  readonly identity: string | null;
  /** Sparse index; null until it was built or loaded. */
  index: SegmentIndex | null = null;
  /** End of the data, tables and index batch not counted; null until known. */
  dataEndPosition: number | null = null;
  /** Bytes of the file as far as known, index batch included. */
  sizeBytes: number;
  /** Whether fingerprints of records were seen in it: then there is a table to make when it is sealed. */
  hasFingerprints = false;

  /** The writer's handle, from creation or recovery until the segment is sealed and synced. */
  file: File | null = null;
  /** Writes that finished, and those that a finished sync covered. Different = dirty. */
  finishedWrites = 0;
  syncedWrites = 0;
  /** Whether another file was put in its place: what is opened under its name now is not what this is about. */
  isReplaced = false;

  #header: SegmentHeader | null = null;
  #headerCrc = 0;
  #endCrc: number | null = null;
  #lastAppendTimeMs: number | null = null;

  constructor(path: string, baseOffset: number, sizeBytes: number, identity?: string) {
    this.path = path;
    this.baseOffset = baseOffset;
    this.sizeBytes = sizeBytes;
    this.identity = identity ?? null;
  }

  /** The same file, without what was learned of it. */
  unread(): Segment {
    return new Segment(this.path, this.baseOffset, this.sizeBytes, this.identity ?? undefined);
  }

  /** A segment that is about to be created. */
  static planned(path: string, header: SegmentHeader, headerCrc: number): Segment {
    const segment = new Segment(path, header.baseOffset, 0);
    segment.learnHeader(header, headerCrc);
    segment.learnEnd(headerCrc);
    segment.index = new SegmentIndex();
    segment.dataEndPosition = SEGMENT_HEADER_BYTES;
    return segment;
  }

  /** Known once the segment was created, recovered or entered by a reader. */
  get header(): SegmentHeader | null {
    return this.#header;
  }

  /** Stored checksum of `header`. */
  get headerCrc(): number {
    return this.#headerCrc;
  }

  /** Whether it was rewritten: its header says how it ended, and nothing is appended to it. */
  get isRewritten(): boolean {
    return this.#header !== null && this.#header.generation > 0;
  }

  /**
   * What the next segment states of its end: checksum of the last batch of any kind but index, as that was
   * appended; null until known. Of a segment whose header cannot be read nobody knows whether it was rewritten.
   */
  get endCrc(): number | null {
    if (this.#header === null) return null;
    return this.isRewritten ? this.#header.endCrc : this.#endCrc;
  }

  /** Append time of the last batch that was appended to it, ms; null until known. */
  get lastAppendTimeMs(): number | null {
    const stated = this.#header?.lastAppendTimeMs ?? 0;
    return stated > 0 ? stated : this.#lastAppendTimeMs;
  }

  /** First offset after it, where its header says so; null = the next segment does. */
  get statedEnd(): number | null {
    return this.isRewritten ? (this.#header?.endOffset ?? null) : null;
  }

  /** Takes note of its header, as it was read or is about to be written. */
  learnHeader(header: SegmentHeader, crc: number): void {
    this.#header = header;
    this.#headerCrc = crc;
  }

  /** Takes note of the checksum in which its batches end; null = batches are missing. */
  learnEnd(crc: number | null): void {
    this.#endCrc = crc;
  }

  /** Takes note of the append time of its last batch so far. */
  learnAppend(timeMs: number): void {
    this.#lastAppendTimeMs = timeMs;
  }

  /** Forgets all but the name: the file may be another by now. */
  forget(): void {
    this.#header = null;
    this.#headerCrc = 0;
    this.#lastAppendTimeMs = null;
    this.forgetEnd();
  }

  /** Forgets where a walk ended: what lies behind is to be looked at again. */
  forgetEnd(): void {
    this.dataEndPosition = null;
    this.#endCrc = null;
    this.index = null;
  }

  /** Whether bytes were written that no finished sync covers. */
  get isDirty(): boolean {
    return this.finishedWrites !== this.syncedWrites;
  }
}
