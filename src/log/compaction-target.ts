/** What becomes of the segments that a pass of compaction rewrites: it is done, or it is only planned. */
import { present } from '../core/assert.ts';
import type { Mutex } from '../core/mutex.ts';
import type { Pace } from '../core/pace.ts';
import type { BatchCursor } from '../format/batch-cursor.ts';
import type { Segment } from '../segment/segment.ts';
import { describeSegment } from './compactable-segments.ts';
import type { CompactableSegment, CompactionStamps } from './compaction-plan.ts';
import type { KeyFilter } from './key-filter.ts';
import type { SegmentRewriter } from './segment-rewriter.ts';
import type { SegmentSwap } from './segment-swap.ts';

export interface CompactionTarget {
  describe(segment: Segment): CompactableSegment;
  /** Runs what is done with one segment: nobody else puts another in its place meanwhile. */
  inTurn<T>(action: () => Promise<T>): Promise<T>;
  /** Has the filter asked for the records of a segment, as far as it takes to know whether any goes. */
  survey(segment: Segment, filter: KeyFilter): Promise<void>;
  /**
   * Has its next generation put in its place. The filter has counted all of its records then.
   *
   * @returns bytes of the new one; null when nothing was changed: it is gone, or may not be swapped now
   * @throws as `SegmentRewriter.rewrite` and `SegmentSwap.swap`
   */
  rewrite(segment: Segment, filter: KeyFilter, stamps: CompactionStamps): Promise<number | null>;
}

export interface DiskTargetParts {
  readonly rewriter: SegmentRewriter;
  readonly swap: SegmentSwap;
  /** Held from the survey of a segment until its next generation is in place. */
  readonly rewriting: Mutex;
  readonly pace: Pace;
  /** Whether the log is to be compacted: that may change while a pass goes on. */
  readonly isOn: () => boolean;
  /** @throws FailedError when the writer has failed; ConflictError when it is not to be compacted any more */
  readonly check: () => void;
}

/** On the disk. */
export class DiskTarget implements CompactionTarget {
  readonly #parts: DiskTargetParts;

  constructor(parts: DiskTargetParts) {
    this.#parts = parts;
  }

  describe(segment: Segment): CompactableSegment {
    return describeSegment(segment);
  }

  inTurn<T>(action: () => Promise<T>): Promise<T> {
    return this.#parts.rewriting.run(action);
  }

  async survey(segment: Segment, filter: KeyFilter): Promise<void> {
    const { rewriter, pace, check } = this.#parts;
    check();
    await rewriter.survey(segment, filter, pace, { stopsAtFirst: true });
  }

  async rewrite(
    segment: Segment,
    filter: KeyFilter,
    stamps: CompactionStamps,
  ): Promise<number | null> {
    const { rewriter, swap, pace, isOn, check } = this.#parts;
    const made = await rewriter.rewrite(segment, { filter, stamps, pace });
    if (await swap.swap(made, isOn)) return made.segment.sizeBytes;
    check();
    return null;
  }
}

/** In memory: says what the next passes would find. */
export class PlannedTarget implements CompactionTarget {
  readonly #parts: Pick<DiskTargetParts, 'rewriter' | 'pace'>;
  /** By base offset: what a pass would have made of it. */
  readonly #segments = new Map<number, CompactableSegment>();
  /** By base offset: a bit for each offset of the segment, set where a pass would have removed the record. */
  readonly #removed = new Map<number, Uint8Array>();
  #sizeBytes = 0;

  constructor(parts: Pick<DiskTargetParts, 'rewriter' | 'pace'>) {
    this.#parts = parts;
  }

  describe(segment: Segment): CompactableSegment {
    return this.#segments.get(segment.baseOffset) ?? describeSegment(segment);
  }

  inTurn<T>(action: () => Promise<T>): Promise<T> {
    return action();
  }

  /** To its end: what `rewrite` has to know. */
  async survey(segment: Segment, filter: KeyFilter): Promise<void> {
    const { rewriter, pace } = this.#parts;
    const { baseOffset } = segment;
    let removed = this.#removed.get(baseOffset) ?? null;
    const begin = (_: Segment, end: number) => {
      filter.begin();
      removed ??= new Uint8Array(Math.ceil((end - baseOffset) / 8));
    };
    const keeps = (record: BatchCursor) => {
      const at = record.offset - baseOffset;
      const byte = Math.floor(at / 8);
      const bit = 1 << (at & 7);
      const bits = present(removed?.[byte], 'an offset of the segment');
      if ((bits & bit) !== 0) return false;
      if (filter.keeps(record)) return true;
      if (removed !== null) removed[byte] = bits | bit;
      return false;
    };
    const { sizeBytes } = await rewriter.survey(segment, { begin, keeps }, pace);
    this.#sizeBytes = sizeBytes;
    if (filter.removedCount > 0 && removed !== null) this.#removed.set(baseOffset, removed);
  }

  async rewrite(
    segment: Segment,
    filter: KeyFilter,
    stamps: CompactionStamps,
  ): Promise<number | null> {
    const { tombstoneCount } = filter;
    const sizeBytes = this.#sizeBytes;
    const before = this.describe(segment);
    this.#segments.set(segment.baseOffset, { ...before, ...stamps, sizeBytes, tombstoneCount });
    return sizeBytes;
  }
}
