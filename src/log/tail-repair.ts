/**
 * Makes a torn tail whole and durable: the effects behind `examineTail`'s judgement.
 *
 * Every step may be the last one before a crash; running again from the start is always right.
 */
import { present } from '../core/assert.ts';
import { READ_WINDOW_BYTES } from '../core/limits.ts';
import type { File } from '../io/file-system.ts';
import { writeFully } from '../io/transfer.ts';
import type { Segment } from '../segment/segment.ts';
import type { LogDirectory } from './log-directory.ts';
import { Quarantine } from './quarantine.ts';
import type { TailExamination } from './tail-examination.ts';

export interface CutReport {
  readonly cutBytes: number;
  /** Copies and moved files, all in `quarantine/`. */
  readonly quarantined: readonly string[];
}

/**
 * Cuts off everything behind `examination.endOffset`, keeping a copy.
 *
 * Order: copy first, then truncate, then later segments, newest first: whatever step a crash
 * follows, the next examination ends at the same offset.
 *
 * @throws DiskFullError when the copy does not fit; nothing was cut then
 */
export async function cutTornTail(
  directory: LogDirectory,
  examination: TailExamination,
): Promise<CutReport> {
  const { damage, segments, lastAt } = examination;
  if (damage === null) return { cutBytes: 0, quarantined: [] };
  const quarantine = new Quarantine(directory);
  const quarantined: string[] = [];
  let cutBytes = 0;
  const last = segments[lastAt];
  if (last?.dataEndPosition != null && !examination.isSealed) {
    const cut = await cutSegment(directory, quarantine, {
      segment: last,
      at: last.dataEndPosition,
    });
    cutBytes += cut.cutBytes;
    quarantined.push(...cut.quarantined);
  }
  for (const segment of segments.slice(lastAt + 1).toReversed()) {
    cutBytes += segment.sizeBytes;
    const moved = await removeSegment(directory, quarantine, segment);
    if (moved !== null) quarantined.push(moved);
  }
  return { cutBytes, quarantined };
}

async function cutSegment(
  directory: LogDirectory,
  quarantine: Quarantine,
  cut: { readonly segment: Segment; readonly at: number },
): Promise<CutReport> {
  const { segment, at } = cut;
  const file = await directory.fileSystem.open(segment.path, 'write');
  try {
    const { sizeBytes } = await file.stat();
    if (sizeBytes <= at) return { cutBytes: 0, quarantined: [] };
    const copy = await quarantine.copy(file, at, sizeBytes);
    await file.truncate(at);
    await file.datasync();
    segment.sizeBytes = at;
    return {
      cutBytes: sizeBytes - at,
      quarantined: copy === null ? [] : [copy],
    };
  } finally {
    await file.close();
  }
}

/** Moves a segment that holds nothing valid; an empty or all-zero one is unlinked. */
async function removeSegment(
  directory: LogDirectory,
  quarantine: Quarantine,
  segment: Segment,
): Promise<string | null> {
  if (!(await isAllZero(directory, segment))) return quarantine.move(segment.path);
  await directory.fileSystem.unlink(segment.path);
  await directory.sync();
  return null;
}

async function isAllZero(directory: LogDirectory, segment: Segment): Promise<boolean> {
  const file = await directory.fileSystem.open(segment.path, 'read');
  try {
    const window = windowFor(segment.sizeBytes);
    for (let position = 0; ;) {
      const bytesRead = await file.read(window, position);
      if (bytesRead === 0) return true;
      if (window.subarray(0, bytesRead).some((byte) => byte !== 0)) return false;
      position += bytesRead;
    }
  } finally {
    await file.close();
  }
}

/**
 * Writes the tail again, the same bytes at the same place, and syncs it and the directory.
 *
 * A plain fdatasync is not enough: after one that failed in an earlier process the page cache calls
 * pages clean that never reached the disk, and reading them back shows them as good.
 *
 * @returns bytes written again
 */
export async function rewriteTail(
  directory: LogDirectory,
  examination: TailExamination,
): Promise<number> {
  const { segments, tailStart, lastAt } = examination;
  let rewrittenBytes = 0;
  for (let at = tailStart.segmentAt; at <= lastAt; at++) {
    const segment = present(segments[at], 'at <= lastAt < length');
    const from = at === tailStart.segmentAt ? tailStart.position : 0;
    const file = await directory.fileSystem.open(segment.path, 'write');
    try {
      rewrittenBytes += await rewriteRange(file, from, segment.sizeBytes);
      // As the bytes, so the size: a cut whose sync failed in an earlier process is not on disk.
      await file.truncate(segment.sizeBytes);
      await file.datasync();
    } finally {
      await file.close();
    }
  }
  await directory.sync();
  return rewrittenBytes;
}

/** A read buffer that is not larger than what there is to read. */
function windowFor(sizeBytes: number): Buffer {
  return Buffer.allocUnsafe(Math.max(1, Math.min(READ_WINDOW_BYTES, sizeBytes)));
}

async function rewriteRange(file: File, from: number, endPosition: number): Promise<number> {
  const window = windowFor(endPosition - from);
  let position = from;
  while (position < endPosition) {
    const bytesRead = await file.read(window.subarray(0, endPosition - position), position);
    if (bytesRead === 0) break;
    await writeFully(file, window.subarray(0, bytesRead), position);
    position += bytesRead;
  }
  return position - from;
}
