/** Which whole segments retention lets go of. Pure: the log carries it out. */

export interface RetentionPolicy {
  /** Null = never by age. */
  readonly retentionMs: number | null;
  /** Null = never by size. */
  readonly retentionBytes: number | null;
}

export interface RetainedSegment {
  readonly baseOffset: number;
  readonly sizeBytes: number;
  /** Append time of its last batch, ms; null = unknown, so never old enough. */
  readonly lastAppendTimeMs: number | null;
}

/** Why segments are deleted. */
export const RETENTION_REASONS = ['age', 'size', 'settled'] as const;

export type RetentionReason = (typeof RETENTION_REASONS)[number];

export interface RetentionChoice {
  /** The log's new start: the base offset of the oldest segment that stays. */
  readonly startOffset: number;
  readonly segmentCount: number;
  readonly sizeBytes: number;
  readonly reasons: readonly RetentionReason[];
}

/**
 * Chooses the oldest segments to delete; the last one always stays.
 *
 * By age: all records of the segment were appended more than `retentionMs` ago. By size: without
 * the segment the rest still holds at least `retentionBytes`, as Kafka counts.
 *
 * @param endOffset  only segments that end at or below it
 */
export function chooseRetention(
  segments: readonly RetainedSegment[],
  policy: RetentionPolicy,
  nowMs: number,
  endOffset = Number.POSITIVE_INFINITY,
): RetentionChoice | null {
  let totalBytes = segments.reduce((sum, segment) => sum + segment.sizeBytes, 0);
  const reasons: RetentionReason[] = [];
  let sizeBytes = 0;
  let kept = 0;
  while (kept < segments.length - 1) {
    const segment = segments[kept];
    if ((segments[kept + 1]?.baseOffset ?? 0) > endOffset) break;
    const reason =
      segment === undefined ? null : reasonToDelete(segment, policy, { nowMs, totalBytes });
    if (segment === undefined || reason === null) break;
    totalBytes -= segment.sizeBytes;
    sizeBytes += segment.sizeBytes;
    reasons.push(reason);
    kept++;
  }
  const first = segments[kept];
  if (kept === 0 || first === undefined) return null;
  return { startOffset: first.baseOffset, segmentCount: kept, sizeBytes, reasons };
}

/** A segment that retention lets go of, unless somebody needs it. */
export interface DueSegment {
  /** First offset behind it. */
  readonly endOffset: number;
  readonly sizeBytes: number;
  readonly reason: RetentionReason;
}

/**
 * The segments that are to go now: those of settled records alone first, then by age and size.
 *
 * @param settledOffset  nobody wants what lies below; 0 = nothing goes for that
 */
export function dueSegments(
  segments: readonly RetainedSegment[],
  policy: RetentionPolicy,
  { nowMs, settledOffset }: { readonly nowMs: number; readonly settledOffset: number },
): readonly DueSegment[] {
  const due: DueSegment[] = [];
  const add = (at: number, reason: RetentionReason): void => {
    const [segment, next] = [segments[at], segments[at + 1]];
    if (segment === undefined || next === undefined) return;
    due.push({ endOffset: next.baseOffset, sizeBytes: segment.sizeBytes, reason });
  };
  for (let next = segments[1]; next !== undefined; next = segments[due.length + 1]) {
    if (next.baseOffset > settledOffset) break;
    add(due.length, 'settled');
  }
  const choice = chooseRetention(segments.slice(due.length), policy, nowMs);
  for (const reason of choice?.reasons ?? []) add(due.length, reason);
  return due;
}

function reasonToDelete(
  segment: RetainedSegment,
  policy: RetentionPolicy,
  state: { readonly nowMs: number; readonly totalBytes: number },
): RetentionReason | null {
  const { retentionMs, retentionBytes } = policy;
  const { lastAppendTimeMs } = segment;
  // A time of 0 was never written by us: nothing is deleted on its word.
  const isDated = lastAppendTimeMs !== null && lastAppendTimeMs > 0;
  if (retentionMs !== null && isDated && state.nowMs - lastAppendTimeMs > retentionMs) return 'age';
  if (retentionBytes !== null && state.totalBytes - segment.sizeBytes >= retentionBytes) {
    return 'size';
  }
  return null;
}
