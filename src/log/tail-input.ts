/** What a walk over the tail of a log is about, and where it begins. */
import type { Checkpoint } from '../format/checkpoint.ts';
import type { FileSystem } from '../io/file-system.ts';
import type { Segment } from '../segment/segment.ts';

export interface TailInput {
  readonly fileSystem: FileSystem;
  readonly segments: readonly Segment[];
  readonly checkpoint: Checkpoint | null;
  /** Log id by checkpoint or earlier segments; 0 when unknown. */
  readonly logId: number;
  /** The walk ends here, and nothing behind it is looked at; null or missing = at the end. */
  readonly to?: number | null;
  /** The walk begins with the segment that holds this offset, or earlier; null: with the tail. */
  readonly fromOffset?: number | null;
}

/**
 * The offset that the walk expects first. In front of the log's first segment that is the start
 * offset: a name that a power cut took leaves a hole there, and R4 says whether it matters.
 */
export function firstExpected(
  first: Segment | undefined,
  firstAt: number,
  checkpoint: Checkpoint | null,
): number {
  const startOffset = checkpoint?.startOffset ?? first?.baseOffset ?? 0;
  if (first === undefined || (firstAt === 0 && first.baseOffset > startOffset)) return startOffset;
  return first.baseOffset;
}

/** The segment that holds the last offset which the checkpoint calls synced, or `fromOffset`. */
export function firstSegmentToWalk({ segments, checkpoint, fromOffset }: TailInput): number {
  if (checkpoint === null) return 0;
  const lastSynced = Math.max(checkpoint.syncedOffset - 1, checkpoint.startOffset);
  const offset = Math.min(lastSynced, fromOffset ?? lastSynced);
  let at = 0;
  segments.forEach((segment, index) => {
    if (segment.baseOffset <= offset) at = index;
  });
  return at;
}
