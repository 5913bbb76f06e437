/** What passes of compaction have found and done, added up. */
import type { CompactionReason } from './compaction-plan.ts';
import type { KeyFilter } from './key-filter.ts';

/** A pass that put other segments in place. */
export interface CompactedSegments {
  /** `settled`: nobody wants most of what a segment of a queue held. */
  readonly why: CompactionReason | 'settled';
  readonly segmentCount: number;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  /** Records that went: superseded ones and tombstones, or settled ones. */
  readonly removedCount: number;
}

/** A segment that was read to its end. */
interface ReadSegment {
  readonly sizeBytes: number;
  readonly keylessCount: number;
  readonly tombstoneCount: number;
}

export class CompactionTally {
  passCount = 0;
  keyCount = 0;
  supersededCount = 0;
  droppedTombstoneCount = 0;
  rewrittenSegmentCount = 0;
  freedBytes = 0;
  /** Of the largest next generation. */
  neededFreeBytes = 0;
  /** By base offset, as they are now. */
  readonly #segments = new Map<number, ReadSegment>();
  #pass: { readonly why: CompactionReason; bytesBefore: number; bytesAfter: number } | null = null;
  #passStart = { segmentCount: 0, removedCount: 0 };

  get removedCount(): number {
    return this.supersededCount + this.droppedTombstoneCount;
  }

  beginPass(why: CompactionReason): void {
    this.passCount++;
    this.#pass = { why, bytesBefore: 0, bytesAfter: 0 };
    const { rewrittenSegmentCount: segmentCount, removedCount } = this;
    this.#passStart = { segmentCount, removedCount };
  }

  /** @returns what it put in place; null = nothing */
  endPass(): CompactedSegments | null {
    const pass = this.#pass;
    this.#pass = null;
    const segmentCount = this.rewrittenSegmentCount - this.#passStart.segmentCount;
    if (pass === null || segmentCount === 0) return null;
    return {
      ...pass,
      segmentCount,
      removedCount: this.removedCount - this.#passStart.removedCount,
    };
  }

  /** A segment stays as it is. */
  kept(baseOffset: number, sizeBytes: number, filter: KeyFilter): void {
    this.#note(baseOffset, sizeBytes, filter);
  }

  /** A segment is replaced by one of so many bytes, of the records that the filter kept. */
  rewrote(
    { baseOffset, sizeBytes }: { readonly baseOffset: number; readonly sizeBytes: number },
    newSizeBytes: number,
    filter: KeyFilter,
  ): void {
    this.#note(baseOffset, newSizeBytes, filter);
    this.rewrittenSegmentCount++;
    this.supersededCount += filter.supersededCount;
    this.droppedTombstoneCount += filter.droppedTombstoneCount;
    this.freedBytes += sizeBytes - newSizeBytes;
    this.neededFreeBytes = Math.max(this.neededFreeBytes, newSizeBytes);
    if (this.#pass === null) return;
    this.#pass.bytesBefore += sizeBytes;
    this.#pass.bytesAfter += newSizeBytes;
  }

  /** What was found of a segment; null = it was not read. */
  of(baseOffset: number): ReadSegment | null {
    return this.#segments.get(baseOffset) ?? null;
  }

  get keylessCount(): number {
    let count = 0;
    for (const { keylessCount } of this.#segments.values()) count += keylessCount;
    return count;
  }

  #note(baseOffset: number, sizeBytes: number, filter: KeyFilter): void {
    const { keylessCount, tombstoneCount } = filter;
    this.#segments.set(baseOffset, { sizeBytes, keylessCount, tombstoneCount });
  }
}
