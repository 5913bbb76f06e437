/**
 * Reads one batch on the calling thread, when all that is needed is at hand: an index in memory,
 * an open file, and a disk that answers at once (`DirectReads`).
 *
 * It knows no errors: whatever is not as it should be, it gives up, and `LogReader` says why.
 */
import { DIRECT_READ_BYTES_MAX } from '../core/limits.ts';
import {
  batchProblem,
  batchVersion,
  emptyBatchHeader,
  headerProblem,
  nextOffsetOf,
} from '../format/batch-header.ts';
import type { VerifiedBatch } from '../format/batch-records.ts';
import { BATCH_HEADER_BYTES, BatchKind, FORMAT_VERSION } from '../format/layout.ts';
import { viewOf } from '../format/u64.ts';
import { uninitializedBytes } from '../io/buffer-pool.ts';
import type { Segment } from '../segment/segment.ts';
import type { ReadableLog } from './readable-log.ts';

/** Where in a file the batches stand of which one holds an offset. */
interface Extent {
  readonly position: number;
  readonly sizeBytes: number;
}

export class DirectReader {
  readonly #log: ReadableLog;
  readonly #header = emptyBatchHeader();
  #scratch: Uint8Array | null = null;

  constructor(log: ReadableLog) {
    this.#log = log;
  }

  /**
   * The verified batch that holds `offset`, which is visible, good until the next call.
   * null = ask `LogReader`.
   */
  read(offset: number): VerifiedBatch | null {
    const { segments, handles, follower, directReads } = this.#log;
    if (follower !== null) return null; // What another process writes, it may take back.
    const segment = segments.floor(offset);
    const extent = segment === null ? null : extentOf(segment, offset);
    if (segment === null || extent === null) return null;
    const file = handles.openFile(segment.path);
    if (file === null) return null;
    this.#scratch ??= uninitializedBytes(DIRECT_READ_BYTES_MAX);
    const bytes = this.#scratch.subarray(0, extent.sizeBytes);
    if (directReads.read(file, bytes, extent.position) !== bytes.length) return null;
    return this.#find(offset, segment, { bytes, position: extent.position });
  }

  /** Steps over the batches in front by their headers: damage there is not damage to this one. */
  #find(
    offset: number,
    segment: Segment,
    read: { readonly bytes: Uint8Array; readonly position: number },
  ): VerifiedBatch | null {
    const { bytes } = read;
    const view = viewOf(bytes);
    const header = this.#header;
    const { logId } = this.#log;
    const segmentId = segment.header?.segmentId ?? 0;
    for (let at = 0; at + BATCH_HEADER_BYTES <= bytes.length; at += header.sizeBytes) {
      const place = {
        logId,
        segmentId,
        position: read.position + at,
        bytesLeft: bytes.length - at,
      };
      if (headerProblem(view, at, place, header) !== null) return null;
      if (nextOffsetOf(header) <= offset) continue;
      const isWanted =
        header.kind === BatchKind.data &&
        header.baseOffset <= offset &&
        batchVersion(view, at) === FORMAT_VERSION &&
        batchProblem(bytes, at, header) === null;
      return isWanted ? { bytes, view, at, header, file: segment.path } : null;
    }
    return null;
  }
}

/** Null when it is not known without reading, or too large for the calling thread. */
function extentOf({ index, header, dataEndPosition }: Segment, offset: number): Extent | null {
  if (index === null || header === null || offset >= index.coveredTo) return null;
  const position = index.positionForOffset(offset);
  // The index of the active segment is ahead of what is written.
  const indexedEnd = index.endForOffset(offset) ?? Number.POSITIVE_INFINITY;
  const end = Math.min(indexedEnd, dataEndPosition ?? Number.POSITIVE_INFINITY);
  const sizeBytes = end - position;
  return sizeBytes > 0 && sizeBytes <= DIRECT_READ_BYTES_MAX ? { position, sizeBytes } : null;
}
