/**
 * What a full segment gets behind its data: the tables of its fingerprints, if it has any, and the index
 * batch.
 *
 * All of it is derived. Without room for it a segment goes without, and after a crash it may have torn
 * tables or none: nothing counts that the index batch, the last of them, does not name. The tables are made
 * of what is read back from the file, so they say what any reader would find there: no state is kept for
 * them while records are appended, or has to be found again when a log is opened.
 */
import { assert, present } from '../core/assert.ts';
import { CorruptLogError, DiskFullError, IoError } from '../core/errors.ts';
import { emptyBatchHeader } from '../format/batch-header.ts';
import { dedupTableBytes, encodeDedupTable } from '../format/dedup-table-batch.ts';
import { TableKind, type TablePlace } from '../format/index-tables.ts';
import { SEGMENT_HEADER_BYTES } from '../format/layout.ts';
import type { File } from '../io/file-system.ts';
import { writeFully } from '../io/transfer.ts';
import { DedupTableColumns } from '../segment/dedup-columns.ts';
import type { IndexBatchPlace } from '../segment/segment-index.ts';
import { SegmentScanner } from '../segment/segment-scanner.ts';
import type { Segment } from '../segment/segment.ts';

/** Where the data of a segment ends, as its index batch states it. */
export interface SealedEnd {
  /** First offset after the segment. */
  readonly offset: number;
  /** As the next segment states it. */
  readonly endCrc: number;
  readonly appendTimeMs: number;
  /** Not below the epoch of any batch before. */
  readonly epoch: number;
  readonly syncedUpTo: number;
}

export interface SealOptions {
  /** Its header, index and end of data are known. */
  readonly segment: Segment;
  readonly file: File;
  readonly end: SealedEnd;
  /** Whether so many bytes may be written for what could be left out. */
  readonly admits: (sizeBytes: number) => Promise<boolean>;
  /** Removes what was written from a position on, durably. */
  readonly cutBack: (position: number) => Promise<void>;
}

/** Writes what stands behind the data of one segment. */
export class SegmentSeal {
  readonly #options: SealOptions;
  readonly #place: IndexBatchPlace;
  /** Where the next batch goes. */
  #position: number;
  /** There may be bytes behind the data. */
  #hasBegun = false;

  constructor(options: SealOptions) {
    const { segment, end } = options;
    const { header, dataEndPosition } = segment;
    assert(header !== null && dataEndPosition !== null, 'a segment that is sealed is known');
    this.#options = options;
    this.#position = dataEndPosition;
    this.#place = {
      logId: header.logId,
      segmentId: header.segmentId,
      epoch: end.epoch,
      position: dataEndPosition,
      baseOffset: end.offset,
      appendTimeMs: end.appendTimeMs,
      syncedUpTo: end.syncedUpTo,
    };
  }

  /** @throws what `File` throws, but for a full disk: then there is nothing behind the data */
  async write(): Promise<void> {
    const { segment } = this.#options;
    const isDone = segment.hasFingerprints && (await this.#tried(() => this.#writeTables()));
    if (!isDone) await this.#tried(() => this.#writeIndex([]));
  }

  /** @returns whether it was done; if not, all of it is undone */
  async #tried(write: () => Promise<boolean>): Promise<boolean> {
    try {
      if (await write()) return true;
    } catch (error) {
      if (!(error instanceof DiskFullError)) throw error;
    }
    const { segment, cutBack } = this.#options;
    if (this.#hasBegun) await cutBack(this.#place.position);
    this.#hasBegun = false;
    this.#position = this.#place.position;
    segment.sizeBytes = this.#position;
    return false;
  }

  /** The tables, and the index that names them. @returns false when not all of them could be made */
  async #writeTables(): Promise<boolean> {
    const { segment } = this.#options;
    const columns = new DedupTableColumns(segment.baseOffset);
    const scanner = this.#scanner();
    const places: TablePlace[] = [];
    for (;;) {
      const status = await nextOf(scanner, segment.path, columns);
      if (status === 'unread') return false;
      if (status === 'batch' && !columns.isFull) continue;
      if (!columns.isEmpty) {
        const place = await this.#writeTable(columns);
        if (place === null) return false;
        places.push(place);
        columns.clear();
      }
      if (status === 'end') return this.#writeIndex(places);
    }
  }

  async #writeIndex(places: readonly TablePlace[]): Promise<boolean> {
    const { segment, end } = this.#options;
    const index = present(segment.index, 'a segment that is sealed is known');
    const place = { ...this.#place, position: this.#position };
    await this.#write(index.encode(place, { endCrc: end.endCrc, places }));
    return true;
  }

  async #writeTable(columns: DedupTableColumns): Promise<TablePlace | null> {
    const { admits } = this.#options;
    if (!(await admits(dedupTableBytes(columns.count, columns.sampleCount)))) return null;
    const position = this.#position;
    const header = Object.assign(emptyBatchHeader(), { ...this.#place, position });
    const bytes = encodeDedupTable(columns, header);
    await this.#write(bytes);
    return { kind: TableKind.dedup, position, sizeBytes: bytes.length, crc: header.crc };
  }

  async #write(bytes: Uint8Array): Promise<void> {
    const { segment, file } = this.#options;
    this.#hasBegun = true;
    await writeFully(file, bytes, this.#position);
    this.#position += bytes.length;
    segment.finishedWrites++;
    segment.sizeBytes = this.#position;
  }

  #scanner(): SegmentScanner {
    const { segment, file } = this.#options;
    const { logId, segmentId, position: endPosition } = this.#place;
    const ids = { logId, segmentId };
    const start = { position: SEGMENT_HEADER_BYTES, baseOffset: segment.baseOffset };
    return new SegmentScanner(file, { ...ids, ...start, endPosition, keepBuffers: false });
  }
}

/** Takes the next batch into the columns. What cannot be read, or contradicts itself, is told by its readers. */
async function nextOf(
  scanner: SegmentScanner,
  file: string,
  columns: DedupTableColumns,
): Promise<'batch' | 'end' | 'unread'> {
  try {
    const status = await scanner.next();
    if (status === 'end') return 'end';
    if (status !== 'batch') return 'unread';
    const { bytes, start: at, header } = scanner;
    columns.add({ bytes, at, header, file });
    return columns.isFit ? 'batch' : 'unread';
  } catch (error) {
    if (error instanceof IoError || error instanceof CorruptLogError) return 'unread';
    throw error;
  }
}
