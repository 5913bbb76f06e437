/** Turns where a read shall begin into an offset. */
import { isIoError, OffsetOutOfRangeError } from '../core/errors.ts';
import { BatchCursor } from '../format/batch-cursor.ts';
import { nextOffsetOf } from '../format/batch-header.ts';
import { recordsOf } from '../format/batch-records.ts';
import { BatchKind, SEGMENT_HEADER_BYTES } from '../format/layout.ts';
import { enterSegment } from '../segment/segment-entry.ts';
import { SegmentScanner } from '../segment/segment-scanner.ts';
import type { Segment } from '../segment/segment.ts';
import { endOfEpoch } from './epochs.ts';
import { growsTo, type ReadableLog } from './readable-log.ts';
import type { ReadFrom } from './read-options.ts';
import { acquireListed } from './segment-access.ts';

/**
 * The first offset that a read from `from` is about; the visible offset when nothing is there yet.
 *
 * @throws OffsetOutOfRangeError when an offset was deleted, lies beyond the end, or belongs to an
 *   epoch that ended before it
 */
export async function resolveFrom(log: ReadableLog, from: ReadFrom): Promise<number> {
  const { startOffset, visibleOffset } = log.marks;
  if (from === 'earliest') return startOffset;
  if (from === 'latest') return visibleOffset;
  if (typeof from === 'number') return checkOffset(log, from, null);
  if ('last' in from) return Math.max(startOffset, visibleOffset - from.last);
  if ('timestamp' in from) return offsetForTime(log, from.timestamp);
  checkEpoch(log, from);
  return checkOffset(log, from.offset, from.epoch);
}

/** Throws unless `offset` is readable or the next to be. */
export function checkOffset(log: ReadableLog, offset: number, epoch: number | null): number {
  const { startOffset, visibleOffset } = log.marks;
  if (offset >= startOffset && offset <= visibleOffset) return offset;
  throw new OffsetOutOfRangeError({
    requested: offset,
    startOffset,
    endOffset: visibleOffset,
    epoch,
  });
}

/**
 * Throws when a later epoch began before the position, or, for a record, at it: what was read there
 * is gone. A position may stand at the end of its epoch; a record of it lies below.
 */
export function checkEpoch(
  log: ReadableLog,
  place: { readonly offset: number; readonly epoch: number; readonly isRecord?: boolean },
): void {
  const endOffset = endOfEpoch(log.marks.epochs, place.epoch);
  const behind = place.isRecord === true ? place.offset + 1 : place.offset;
  if (endOffset === null || behind <= endOffset) return;
  throw new OffsetOutOfRangeError({
    requested: place.offset,
    startOffset: log.marks.startOffset,
    endOffset,
    epoch: place.epoch,
  });
}

/**
 * The first visible offset whose create time is at or after `timestampMs`.
 *
 * Create times come in any order, so segments are asked one by one for their largest; within the
 * first that may hold the record the index skips what is older.
 */
async function offsetForTime(log: ReadableLog, timestampMs: number): Promise<number> {
  const { marks } = log;
  const { visibleOffset } = marks;
  const segments = [...log.segments.all]; // Retention may take some away meanwhile.
  // The first segments are missing: the read begins there and reports it.
  if ((segments[0]?.baseOffset ?? 0) > marks.startOffset) return marks.startOffset;
  for (const [at, segment] of segments.entries()) {
    const endOffset = Math.min(segments[at + 1]?.baseOffset ?? visibleOffset, visibleOffset);
    if (segment.baseOffset >= endOffset || endOffset <= marks.startOffset) continue;
    try {
      const found = await firstAtOrAfter(log, segment, { timestampMs, endOffset });
      if (found !== null && endOffset > marks.startOffset) return found;
    } catch (error) {
      if (!isIoError(error, 'ENOENT')) throw error;
      await log.follower?.relist();
      if (endOffset > marks.startOffset) throw error;
    }
  }
  return visibleOffset;
}

interface TimeSearch {
  readonly timestampMs: number;
  /** Where the segment, or what was visible of it when the search began, ends. */
  readonly endOffset: number;
  /** What looked like damage at first is looked at again, see `LogReader`. */
  readonly isSecondLook?: boolean;
}

async function firstAtOrAfter(
  log: ReadableLog,
  known: Segment,
  search: TimeSearch,
): Promise<number | null> {
  const { timestampMs, endOffset } = search;
  const listed = await acquireListed(log, known);
  if (listed === null) return null; // Retention took it away.
  const { segment, lease } = listed;
  try {
    const header = await enterSegment(segment, lease.file, {
      logId: log.logId,
      previous: null,
    });
    const index = await log.indexes.load(segment, lease.file, growsTo(log, segment));
    if (index.coveredTo >= endOffset && index.maxCreateTimeMs < timestampMs) return null;
    const position = index.positionForTime(timestampMs);
    // The index knows batches that are still being written; all before them is older.
    if (segment.dataEndPosition !== null && position >= segment.dataEndPosition) return null;
    const scanner = new SegmentScanner(lease.file, {
      logId: log.logId,
      segmentId: header.segmentId,
      position,
      baseOffset: position === SEGMENT_HEADER_BYTES ? segment.baseOffset : null,
      keepBuffers: false,
    });
    const found = await scanForTime(log, segment, { ...search, scanner });
    if (found !== 'damage') return found;
    if (log.follower === null || search.isSecondLook === true) {
      return reachedBy(log, segment, scanner);
    }
  } finally {
    lease.release();
  }
  await log.follower.relist();
  log.handles.forget(segment.path);
  segment.forget();
  return firstAtOrAfter(log, segment, { ...search, isSecondLook: true });
}

/** Damage is the answer, so that the read begins there and reports it. */
function reachedBy(log: ReadableLog, segment: Segment, scanner: SegmentScanner): number {
  return Math.max(scanner.expectedOffset ?? segment.baseOffset, log.marks.startOffset);
}

async function scanForTime(
  log: ReadableLog,
  segment: Segment,
  search: TimeSearch & { readonly scanner: SegmentScanner },
): Promise<number | null | 'damage'> {
  const { scanner, timestampMs, endOffset } = search;
  const { startOffset } = log.marks;
  const cursor = new BatchCursor();
  for (;;) {
    if (segment.dataEndPosition !== null) scanner.extendTo(segment.dataEndPosition);
    const status = await scanner.next();
    if (status !== 'batch') return (scanner.expectedOffset ?? 0) >= endOffset ? null : 'damage';
    const { header, bytes, view, start } = scanner;
    if (header.baseOffset >= endOffset) return null;
    if (header.kind === BatchKind.gap || header.maxCreateTimeMs < timestampMs) continue;
    if (nextOffsetOf(header) <= startOffset) continue;
    cursor.reset(recordsOf({ bytes, view, at: start, header, file: segment.path }));
    while (cursor.next()) {
      if (cursor.offset >= endOffset) return null;
      if (cursor.offset >= startOffset && cursor.createTimeMs >= timestampMs) return cursor.offset;
    }
  }
}
