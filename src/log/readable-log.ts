/** What all readers of a log share. */
import { ReadOnlyError } from '../core/errors.ts';
import type { Segment } from '../segment/segment.ts';
import type { DirectReads } from './direct-reads.ts';
import type { HandleCache } from './handle-cache.ts';
import type { IndexCache } from './index-cache.ts';
import type { LogFollower } from './log-follower.ts';
import type { LogMarks } from './marks.ts';
import type { SegmentList } from './segment-list.ts';

export interface ReadableLog {
  readonly path: string;
  readonly logId: number;
  readonly marks: LogMarks;
  readonly segments: SegmentList;
  readonly handles: HandleCache;
  readonly indexes: IndexCache;
  readonly directReads: DirectReads;
  /** Of a read-only handle: looks for what a writer in another process did; null in the writer's. */
  readonly follower: LogFollower | null;
  /** The damage that made it read-only, its own or that of the journal; null when none did. */
  readonly readOnlyCause: Error | null;
}

/** The refusal of a call that writes. */
export function readOnlyError({ path, readOnlyCause }: ReadableLog, operation: string) {
  return new ReadOnlyError(
    { operation, path },
    readOnlyCause === null ? {} : { cause: readOnlyCause },
  );
}

/**
 * Up to which offset a segment may be walked whose end is not known because another process
 * appends to it; null when it does not grow, or grows here.
 */
export function growsTo(log: ReadableLog, segment: Segment): number | null {
  return log.follower !== null && segment === log.segments.last ? log.marks.visibleOffset : null;
}
