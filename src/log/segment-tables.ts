/**
 * Reads what sealed segments say in their tables, instead of walking their batches.
 *
 * It knows no errors: a table that is missing, damaged, or of other data than the segment has now, is left
 * to those who walk the batches, and they say what is wrong.
 */
import { CorruptLogError, IoError, UnsupportedVersionError } from '../core/errors.ts';
import { BATCH_BYTES_MAX } from '../core/limits.ts';
import {
  batchProblem,
  batchVersion,
  emptyBatchHeader,
  headerProblem,
} from '../format/batch-header.ts';
import {
  decodeDedupTable,
  type BucketExtent,
  type StoredDedupTable,
} from '../format/dedup-table-batch.ts';
import { TableKind, type IndexTables, type TablePlace } from '../format/index-tables.ts';
import { FORMAT_VERSION } from '../format/layout.ts';
import { viewOf } from '../format/u64.ts';
import { uninitializedBytes } from '../io/buffer-pool.ts';
import type { File } from '../io/file-system.ts';
import { enterSegment, readStoredIndex } from '../segment/segment-entry.ts';
import type { Segment } from '../segment/segment.ts';
import type { ReadableLog } from './readable-log.ts';
import { acquireListed } from './segment-access.ts';

/** A sealed segment, and where its tables of fingerprints stand. */
export interface TabledSegment {
  readonly baseOffset: number;
  readonly endOffset: number;
  readonly places: readonly TablePlace[];
}

/** A segment as it is listed now, and its file. */
interface OpenSegment {
  readonly listed: Segment;
  readonly file: File;
}

export class SegmentTables {
  readonly #log: ReadableLog;

  constructor(log: ReadableLog) {
    this.#log = log;
  }

  /** The sealed segments with tables that hold offsets from `from` on, and none from `to` on; ascending. */
  async list(from: number, to: number): Promise<TabledSegment[]> {
    const { segments } = this.#log;
    const found: TabledSegment[] = [];
    for (const segment of segments.all) {
      const next = segments.after(segment.baseOffset);
      if (next === null || next.baseOffset > to) break;
      if (next.baseOffset <= from) continue;
      const tables = await this.#tablesOf(segment, next);
      const places = tables?.places.filter(({ kind }) => kind === TableKind.dedup) ?? [];
      const { baseOffset } = segment;
      if (places.length > 0) found.push({ baseOffset, endOffset: next.baseOffset, places });
    }
    return found;
  }

  /** A whole table, its checksum right; null when it is not. @param into  memory that it may take */
  async read(
    { baseOffset, endOffset }: TabledSegment,
    place: TablePlace,
    into: TableMemory,
  ): Promise<StoredDedupTable | null> {
    const segment = this.#log.segments.floor(baseOffset);
    const { position, sizeBytes } = place;
    if (segment?.baseOffset !== baseOffset || sizeBytes > BATCH_BYTES_MAX) return null;
    const bytes = into.take(sizeBytes);
    const bytesRead = await this.#using(segment, ({ file }) => file.read(bytes, position));
    if (bytesRead !== sizeBytes) return null;
    const header = emptyBatchHeader();
    const ids = { logId: this.#log.logId, segmentId: segment.header?.segmentId ?? 0 };
    const view = viewOf(bytes);
    const stated = { ...ids, position, bytesLeft: sizeBytes };
    if (headerProblem(view, 0, stated, header) !== null) return null;
    const isNamed = header.sizeBytes === sizeBytes && header.crc === place.crc;
    if (!isNamed || header.baseOffset !== endOffset) return null;
    if (batchVersion(view, 0) !== FORMAT_VERSION || batchProblem(bytes, 0, header) !== null) {
      return null;
    }
    return decodeDedupTable(bytes, header, endOffset - baseOffset);
  }

  /** Some bytes of a table, unchecked; null when they cannot be read. */
  async readPart(
    { baseOffset }: TabledSegment,
    { position }: TablePlace,
    { at, sizeBytes }: BucketExtent,
  ): Promise<Uint8Array | null> {
    const { segments, directReads } = this.#log;
    const segment = segments.floor(baseOffset);
    if (segment?.baseOffset !== baseOffset) return null;
    const bytes = new Uint8Array(sizeBytes);
    const bytesRead = await this.#using(
      segment,
      async ({ file }) =>
        directReads.read(file, bytes, position + at) ?? file.read(bytes, position + at),
    );
    return bytesRead === sizeBytes ? bytes : null;
  }

  /** What the index batch says, if it is about the data that the next segment goes on from. */
  async #tablesOf(segment: Segment, next: Segment): Promise<IndexTables | null> {
    const { logId } = this.#log;
    const stored = await this.#using(segment, async ({ file, listed }) => {
      await enterSegment(listed, file, { logId, previous: null });
      return readStoredIndex(listed, file, (await file.stat()).sizeBytes);
    });
    const tables = stored?.tables ?? null;
    if (tables === null || stored?.header.baseOffset !== next.baseOffset) return null;
    const header = await this.#using(next, ({ file, listed }) =>
      enterSegment(listed, file, { logId, previous: null }),
    );
    return header?.previousEndCrc === tables.endCrc ? tables : null;
  }

  async #using<T>(segment: Segment, use: (opened: OpenSegment) => Promise<T>): Promise<T | null> {
    try {
      const found = await acquireListed(this.#log, segment);
      if (found === null) return null;
      const { segment: listed, lease } = found;
      try {
        return await use({ listed, file: lease.file });
      } finally {
        lease.release();
      }
    } catch (error) {
      const isTold = error instanceof IoError || error instanceof CorruptLogError;
      if (isTold || error instanceof UnsupportedVersionError) return null;
      throw error;
    }
  }
}

/** Memory that one table after the other lies in. */
export class TableMemory {
  #bytes: Uint8Array = new Uint8Array(0);

  /** Good until the next call. */
  take(sizeBytes: number): Uint8Array {
    if (this.#bytes.length < sizeBytes) this.#bytes = uninitializedBytes(sizeBytes);
    return this.#bytes.subarray(0, sizeBytes);
  }
}
