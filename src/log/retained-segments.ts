/** The segments of a log as retention judges them. */
import type { ReadableLog } from './readable-log.ts';
import type { RetainedSegment, RetentionPolicy } from './retention.ts';
import { lastAppendTimeOf } from './segment-times.ts';

/** Segments from the oldest on; ages are only looked up as long as they may matter. @throws IoError */
export async function retainedSegments(
  log: ReadableLog,
  { retentionMs }: Pick<RetentionPolicy, 'retentionMs'>,
  nowMs: number,
): Promise<readonly RetainedSegment[]> {
  const described: RetainedSegment[] = [];
  let looksUp = retentionMs !== null;
  for (const segment of log.segments.all) {
    const isLast = segment === log.segments.last;
    const lastAppendTimeMs = looksUp && !isLast ? await lastAppendTimeOf(log, segment) : null;
    looksUp &&= lastAppendTimeMs !== null && nowMs - lastAppendTimeMs > (retentionMs ?? 0);
    const { baseOffset, sizeBytes } = segment;
    described.push({ baseOffset, sizeBytes, lastAppendTimeMs });
  }
  return described;
}
