/** When the last batch of a segment was appended, for what is done by the age of records. */
import { CorruptLogError } from '../core/errors.ts';
import { enterSegment } from '../segment/segment-entry.ts';
import type { Segment } from '../segment/segment.ts';
import type { ReadableLog } from './readable-log.ts';
import { acquireListed } from './segment-access.ts';

/**
 * Append time of the last batch of a sealed segment, ms; null when it cannot be told, for damage never
 * authorises a deletion, or when the segment is gone.
 *
 * @throws IoError
 *
 * Cost: as `readAppendTime`.
 */
export async function lastAppendTimeOf(log: ReadableLog, listed: Segment): Promise<number | null> {
  try {
    return await readAppendTime(log, listed);
  } catch (error) {
    if (error instanceof CorruptLogError) return null;
    throw error;
  }
}

/**
 * The same, where damage is to be told. Null = the segment is gone.
 *
 * @throws CorruptLogError, IoError, UnsupportedVersionError
 *
 * Cost: nothing once it is known; else it reads the index, or makes it again from all batches.
 */
export async function readAppendTime(log: ReadableLog, listed: Segment): Promise<number | null> {
  if (listed.lastAppendTimeMs !== null) return listed.lastAppendTimeMs;
  const acquired = await acquireListed(log, listed);
  if (acquired === null) return null;
  const { segment, lease } = acquired;
  try {
    await enterSegment(segment, lease.file, { logId: log.logId, previous: null });
    const index = await log.indexes.load(segment, lease.file);
    const endOffset = log.segments.after(segment.baseOffset)?.baseOffset ?? 0;
    if (index.coveredTo >= endOffset) return segment.lastAppendTimeMs;
    throw new CorruptLogError({
      file: segment.path,
      position: index.coveredPosition,
      kind: 'batch',
      firstOffset: index.coveredTo,
      nextOffset: null,
      reason: `no whole batch follows, and the next segment begins at ${endOffset}`,
    });
  } finally {
    lease.release();
  }
}
