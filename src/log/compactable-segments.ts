/** The segments of a log as a plan of compaction wants them: what their headers say, which are read once. */
import { CorruptLogError, isIoError } from '../core/errors.ts';
import type { Pace } from '../core/pace.ts';
import { enterSegment } from '../segment/segment-entry.ts';
import type { Segment } from '../segment/segment.ts';
import type { CompactableSegment } from './compaction-plan.ts';
import type { ReadableLog } from './readable-log.ts';
import { acquireListed } from './segment-access.ts';
import { readAppendTime } from './segment-times.ts';

export interface EntryOptions {
  readonly pace: Pace;
  /** Whether ages count: that of a segment that was never rewritten stands in its index. */
  readonly needsAges: boolean;
}

/**
 * Reads what is not known yet.
 *
 * @returns the first damage of a header, or of what an age was to be read from; null = there is none
 * @throws IoError, UnsupportedVersionError; what `Pace.turn` throws
 *
 * Cost: O(segments), the first time with an open and a read for each.
 */
export async function enterSegments(
  log: ReadableLog,
  { pace, needsAges }: EntryOptions,
): Promise<CorruptLogError | null> {
  let damage: CorruptLogError | null = null;
  for (const segment of log.segments.all) {
    try {
      if (segment.header === null) await enter(log, segment);
      const isAgeKnown = segment.lastAppendTimeMs !== null || segment === log.segments.last;
      if (needsAges && !isAgeKnown) await readAppendTime(log, segment);
    } catch (error) {
      if (error instanceof CorruptLogError) damage ??= error;
      else if (!isIoError(error, 'ENOENT') || log.segments.all.includes(segment)) throw error;
    }
    await pace.turn();
  }
  return damage;
}

async function enter(log: ReadableLog, listed: Segment): Promise<void> {
  const acquired = await acquireListed(log, listed);
  if (acquired === null) return;
  const { segment, lease } = acquired;
  try {
    await enterSegment(segment, lease.file, { logId: log.logId, previous: null });
  } finally {
    lease.release();
  }
}

/** What is known of a segment. Of one that was not entered it is as if it had never been compacted. */
export function describeSegment(segment: Segment): CompactableSegment {
  const { baseOffset, sizeBytes, header, lastAppendTimeMs } = segment;
  return {
    baseOffset,
    sizeBytes,
    firstAppendTimeMs: header?.createdTimeMs ?? null,
    lastAppendTimeMs,
    compactedTo: header?.compactedTo ?? 0,
    cleanedTimeMs: header?.cleanedTimeMs ?? 0,
    // Where the count is not known there may be some.
    tombstoneCount: header === null ? 0 : (header.tombstoneCount ?? 1),
  };
}
