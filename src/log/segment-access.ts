/**
 * Opens the file that a segment is about.
 *
 * Compaction puts another file under the name of a segment, here or in another process. What is known of the
 * one, where its batches stand and where they end, is wrong for the other; so nobody may read the new file by
 * what was learned of the old one.
 */
import type { Segment } from '../segment/segment.ts';
import type { FileLease } from './handle-cache.ts';
import type { LogFollower } from './log-follower.ts';
import type { ReadableLog } from './readable-log.ts';

/**
 * The file of a segment; null when another one was put in its place: look up again what is listed there.
 *
 * @throws IoError, ENOENT when it was deleted; of a read-only handle as `LogFollower.relist`
 *
 * Cost: opens it, unless it is kept open. In a read-only handle one `fstat` more for each file that is opened.
 */
export async function acquireSegment(
  log: ReadableLog,
  segment: Segment,
): Promise<FileLease | null> {
  const { handles, follower } = log;
  if (segment.isReplaced) return null;
  const lease = await handles.acquire(segment.path);
  try {
    const isIt = follower === null || (await lease.identity()) === segment.identity;
    if (isIt && !segment.isReplaced) return lease;
  } catch (error) {
    lease.release();
    throw error;
  }
  lease.release();
  return follower === null ? null : acquireAnew(log, segment, follower);
}

/** A segment as it is listed now, and its file. */
export interface ListedSegment {
  readonly segment: Segment;
  readonly lease: FileLease;
}

/** As `acquireSegment`, of what is listed in its place if it was replaced; null = nothing is. @throws as that */
export async function acquireListed(
  log: ReadableLog,
  segment: Segment,
): Promise<ListedSegment | null> {
  const { baseOffset } = segment;
  let listed = segment;
  for (;;) {
    const lease = await acquireSegment(log, listed);
    if (lease !== null) return { segment: listed, lease };
    const found = log.segments.floor(baseOffset);
    if (found?.baseOffset !== baseOffset) return null;
    listed = found;
  }
}

/**
 * Another process replaced the file between a listing and its being opened. A file that is still another one
 * than was listed right before is taken as it is: on some network file systems nothing tells files apart.
 */
async function acquireAnew(
  { handles }: ReadableLog,
  segment: Segment,
  follower: LogFollower,
): Promise<FileLease | null> {
  handles.forget(segment.path);
  await follower.relist();
  if (segment.isReplaced) return null;
  const lease = await handles.acquire(segment.path);
  if (!segment.isReplaced) return lease;
  lease.release();
  return null;
}
