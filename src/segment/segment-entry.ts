/**
 * What a reader learns when it enters a segment that it did not write: header, link, index.
 *
 * The index is never evidence: a missing one is normal after a crash, a damaged one is ignored, and
 * both are made again from the batches (12 ms per 64 MiB).
 */
import { CorruptLogError, UnsupportedVersionError } from '../core/errors.ts';
import {
  emptyBatchHeader,
  headerProblem,
  nextOffsetOf,
  type BatchHeader,
} from '../format/batch-header.ts';
import { decodeIndexBatch, isIndexIntact, type IndexColumns } from '../format/index-batch.ts';
import { indexTablesIn, type IndexTables } from '../format/index-tables.ts';
import {
  BATCH_HEADER_BYTES,
  BatchKind,
  FORMAT_VERSION,
  INDEX_TRAILER_BYTES,
  SEGMENT_HEADER_BYTES,
} from '../format/layout.ts';
import { parseSegmentHeader, type SegmentHeader } from '../format/segment-header.ts';
import { viewOf } from '../format/u64.ts';
import type { File } from '../io/file-system.ts';
import { SegmentScanner } from './segment-scanner.ts';
import { SegmentIndex } from './segment-index.ts';
import type { Segment } from './segment.ts';

/** Why `header` is of another log or another place; null when it is not. 0 = log id unknown. */
export function foreignProblem(
  segment: Segment,
  header: SegmentHeader,
  logId: number,
): string | null {
  if (logId !== 0 && header.logId !== logId) {
    return `log id is ${header.logId}, expected ${logId}`;
  }
  if (header.baseOffset !== segment.baseOffset) {
    return `base offset is ${header.baseOffset}, the file name says ${segment.baseOffset}`;
  }
  return null;
}

/** Why `header` does not follow `previous`, as far as that is known; null when it does. */
export function linkProblem(previous: Segment, header: SegmentHeader): string | null {
  const { previousId, previousEndOffset, previousEndCrc } = header;
  if (previous.header !== null && previousId !== previous.header.segmentId) {
    return `previous segment is ${previousId}, found ${previous.header.segmentId}`;
  }
  if (previousEndOffset !== header.baseOffset) {
    return `previous segment ends at ${previousEndOffset}, this one begins at ${header.baseOffset}`;
  }
  if (previous.endCrc !== null && previousEndCrc !== previous.endCrc) {
    return `end crc of the previous segment is ${previousEndCrc}, found ${previous.endCrc}`;
  }
  return null;
}

export interface SegmentEntry {
  readonly logId: number;
  /** The segment before, whose link is checked as far as it is known; null = do not check. */
  readonly previous: Segment | null;
}

/**
 * Reads and checks the header of a segment once.
 *
 * @throws CorruptLogError (kinds `header` and `chain`), UnsupportedVersionError, IoError
 */
export async function enterSegment(
  segment: Segment,
  file: File,
  entry: SegmentEntry,
): Promise<SegmentHeader> {
  if (segment.header !== null) return segment.header;
  const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
  const parsed = parseSegmentHeader(bytes.subarray(0, await file.read(bytes, 0)));
  if (parsed.header === null) {
    if (parsed.version !== null) {
      const versions = { found: parsed.version, supported: FORMAT_VERSION };
      throw new UnsupportedVersionError({ file: segment.path, ...versions });
    }
    throw headerError(segment, 'header', parsed.problem);
  }
  const { header } = parsed;
  const link = entry.previous === null ? null : linkProblem(entry.previous, header);
  const problem = foreignProblem(segment, header, entry.logId) ?? link;
  if (problem !== null) throw headerError(segment, 'chain', problem);
  segment.learnHeader(header, parsed.crc);
  return header;
}

/**
 * Checks the backward link of an entered segment to the one before, whose end was reached.
 *
 * @throws CorruptLogError (kind `chain`)
 */
export function checkLink(segment: Segment, previous: Segment | null): void {
  if (previous === null || segment.header === null) return;
  const problem = linkProblem(previous, segment.header);
  if (problem !== null) throw headerError(segment, 'chain', problem);
}

function headerError(segment: Segment, kind: 'header' | 'chain', reason: string): CorruptLogError {
  return new CorruptLogError({
    file: segment.path,
    position: 0,
    kind,
    firstOffset: segment.baseOffset,
    nextOffset: null,
    reason,
  });
}

/**
 * The sparse index of an entered segment: from memory, from its index batch, or made again.
 *
 * @param growsTo  of a segment to which another process appends: the offset up to which it may be
 *   walked, and up to which the index shall reach; null = it does not grow
 * @throws IoError
 */
export async function loadIndex(
  segment: Segment,
  file: File,
  growsTo: number | null = null,
): Promise<SegmentIndex> {
  if (segment.index === null) {
    const { sizeBytes } = await file.stat();
    segment.index =
      (await readIndexBatch(segment, file, sizeBytes)) ??
      (await rebuildIndex(segment, file, growsTo ?? Number.POSITIVE_INFINITY));
  } else if (growsTo !== null && segment.dataEndPosition === null) {
    await extendIndex(segment, file, { index: segment.index, to: growsTo });
  }
  return segment.index;
}

/** Takes the index from its batch; null when there is no valid one. */
async function readIndexBatch(
  segment: Segment,
  file: File,
  sizeBytes: number,
): Promise<SegmentIndex | null> {
  const stored = await readStoredIndex(segment, file, sizeBytes);
  if (stored === null) return null;
  const { header, columns, tables } = stored;
  segment.dataEndPosition ??= tables?.places[0]?.position ?? header.position;
  if (segment.lastAppendTimeMs === null) segment.learnAppend(header.appendTimeMs);
  return SegmentIndex.fromColumns(columns, header);
}

/** An index batch as it stands at the end of a file. */
export interface StoredIndex {
  readonly header: BatchHeader;
  readonly columns: IndexColumns;
  /** In front of it; null = there are none. */
  readonly tables: IndexTables | null;
}

/** Reads the index batch of an entered segment from the end of its file; null when there is no valid one. */
export async function readStoredIndex(
  segment: Segment,
  file: File,
  sizeBytes: number,
): Promise<StoredIndex | null> {
  const trailer = new Uint8Array(INDEX_TRAILER_BYTES);
  const trailerAt = sizeBytes - INDEX_TRAILER_BYTES;
  if (trailerAt < SEGMENT_HEADER_BYTES) return null;
  await file.read(trailer, trailerAt);
  const batchBytes = viewOf(trailer).getUint32(0, true);
  const position = sizeBytes - batchBytes;
  if (batchBytes < BATCH_HEADER_BYTES || position < SEGMENT_HEADER_BYTES) return null;
  const head = new Uint8Array(BATCH_HEADER_BYTES);
  await file.read(head, position);
  const header = emptyBatchHeader();
  const place = placeOf(segment, position, sizeBytes);
  if (headerProblem(viewOf(head), 0, place, header) !== null) return null;
  if (header.kind !== BatchKind.index || header.sizeBytes !== batchBytes) return null;
  const bytes = new Uint8Array(batchBytes);
  const bytesRead = await file.read(bytes, position);
  if (!isIndexIntact(bytes.subarray(0, bytesRead), batchBytes)) return null;
  const columns = decodeIndexBatch(bytes, header);
  return columns === null ? null : { header, columns, tables: indexTablesIn(bytes, header) };
}

/** Makes the index by walking the batches, checksums and all, up to `to` or the first that is bad. */
async function rebuildIndex(segment: Segment, file: File, to: number): Promise<SegmentIndex> {
  const index = new SegmentIndex();
  index.coveredTo = segment.baseOffset;
  await extendIndex(segment, file, { index, to });
  return index;
}

/** Goes on with an index where the walk before ended. */
async function extendIndex(
  segment: Segment,
  file: File,
  { index, to }: { readonly index: SegmentIndex; readonly to: number },
): Promise<void> {
  const scanner = new SegmentScanner(file, {
    logId: segment.header?.logId ?? 0,
    segmentId: segment.header?.segmentId ?? 0,
    position: index.coveredPosition,
    baseOffset: index.coveredTo,
    keepBuffers: false,
  });
  while (index.coveredTo < to && (await scanner.next()) === 'batch') {
    if (scanner.position !== index.coveredPosition) return; // Another reader went on meanwhile.
    index.add(scanner.header);
    index.coveredTo = nextOffsetOf(scanner.header);
    index.coveredPosition = scanner.nextPosition;
    segment.learnAppend(scanner.header.appendTimeMs);
  }
}

function placeOf(segment: Segment, position: number, sizeBytes: number) {
  return {
    logId: segment.header?.logId ?? 0,
    segmentId: segment.header?.segmentId ?? 0,
    position,
    bytesLeft: sizeBytes - position,
  };
}
