/**
 * The sparse index of one segment: offset to position, and create time to position.
 *
 * Built while batches are appended or walked; two builds over the same batches are equal bit for
 * bit. One entry per 4 KiB at least; the entry of a batch holds the largest create time of all
 * records *before* it, so one table answers both questions.
 */
import { INDEX_INTERVAL_BYTES } from '../core/limits.ts';
import { type BatchHeader, emptyBatchHeader } from '../format/batch-header.ts';
import { encodeIndexBatch, type IndexColumns } from '../format/index-batch.ts';
import type { IndexTables } from '../format/index-tables.ts';
import { SEGMENT_HEADER_BYTES } from '../format/layout.ts';
import { floorSlot } from './index-search.ts';

/** State of an index that a failed write goes back to. */
export interface IndexMark {
  readonly count: number;
  readonly lastPosition: number;
  readonly maxCreateTimeMs: number;
}

/** What an index needs to know of a batch. */
export type IndexedBatch = Pick<BatchHeader, 'baseOffset' | 'position' | 'maxCreateTimeMs'>;

/** What the header of an index batch says of the whole segment; its base offset is the end. */
export type IndexEnd = Pick<BatchHeader, 'baseOffset' | 'maxCreateTimeMs'>;

const INITIAL_SLOTS = 64;

export class SegmentIndex implements IndexColumns {
  count = 0;
  offsets: Float64Array = new Float64Array(INITIAL_SLOTS);
  maxCreateTimes: Float64Array = new Float64Array(INITIAL_SLOTS);
  positions: Uint32Array = new Uint32Array(INITIAL_SLOTS);

  /** Offsets below this are known to it: fewer than expected when batches or segments are missing. */
  coveredTo = Number.POSITIVE_INFINITY;
  /** Of an index made by a walk: where in the file the walk ended. */
  coveredPosition = SEGMENT_HEADER_BYTES;

  #lastPosition = SEGMENT_HEADER_BYTES;
  #maxCreateTimeMs = 0;

  /** An index over decoded columns. It answers look-ups; nothing may be added to it. */
  static fromColumns(columns: IndexColumns, end: IndexEnd): SegmentIndex {
    const index = new SegmentIndex();
    index.coveredTo = end.baseOffset;
    index.count = columns.count;
    index.offsets = columns.offsets;
    index.maxCreateTimes = columns.maxCreateTimes;
    index.positions = columns.positions;
    index.#maxCreateTimeMs = end.maxCreateTimeMs;
    return index;
  }

  /** Largest create time of the segment so far, ms; 0 when it has no record. */
  get maxCreateTimeMs(): number {
    return this.#maxCreateTimeMs;
  }

  /** Memory that the columns take. */
  get sizeBytes(): number {
    return this.offsets.byteLength + this.maxCreateTimes.byteLength + this.positions.byteLength;
  }

  /** Takes note of the next batch of the segment. */
  add(batch: IndexedBatch): void {
    if (batch.position - this.#lastPosition >= INDEX_INTERVAL_BYTES) {
      if (this.count === this.offsets.length) this.#grow();
      this.offsets[this.count] = batch.baseOffset;
      this.maxCreateTimes[this.count] = this.#maxCreateTimeMs;
      this.positions[this.count] = batch.position;
      this.count++;
      this.#lastPosition = batch.position;
    }
    this.#maxCreateTimeMs = Math.max(this.#maxCreateTimeMs, batch.maxCreateTimeMs);
  }

  mark(): IndexMark {
    return {
      count: this.count,
      lastPosition: this.#lastPosition,
      maxCreateTimeMs: this.#maxCreateTimeMs,
    };
  }

  restore(mark: IndexMark): void {
    this.count = mark.count;
    this.#lastPosition = mark.lastPosition;
    this.#maxCreateTimeMs = mark.maxCreateTimeMs;
  }

  /** Where to start a scan for `offset`: the position of a batch at or before it. */
  positionForOffset(offset: number): number {
    return this.#positionAt(floorSlot(this.offsets, this.count, offset));
  }

  /** Where the batches end that `positionForOffset` names the first of; null = with the segment's data. */
  endForOffset(offset: number): number | null {
    const next = floorSlot(this.offsets, this.count, offset) + 1;
    return next < this.count ? (this.positions[next] as number) : null; // next < count
  }

  /** Where to start a scan for the first record whose create time is at or after `timestampMs`. */
  positionForTime(timestampMs: number): number {
    // Everything before a slot is older than its maximum: take the last slot with a maximum below.
    return this.#positionAt(floorSlot(this.maxCreateTimes, this.count, timestampMs - 1));
  }

  /** Encodes the index batch that seals the segment. @param tables  that stand in front of it */
  encode(place: IndexBatchPlace, tables?: IndexTables): Uint8Array {
    const header = Object.assign(emptyBatchHeader(), place);
    header.maxCreateTimeMs = this.#maxCreateTimeMs;
    return encodeIndexBatch(this, header, tables);
  }

  #positionAt(slot: number): number {
    return slot < 0 ? SEGMENT_HEADER_BYTES : (this.positions[slot] as number); // slot < count
  }

  #grow(): void {
    const slots = this.offsets.length * 2;
    this.offsets = copyInto(new Float64Array(slots), this.offsets);
    this.maxCreateTimes = copyInto(new Float64Array(slots), this.maxCreateTimes);
    this.positions = copyInto(new Uint32Array(slots), this.positions);
  }
}

/** Where and when an index batch stands; its base offset is the segment's end offset. */
export type IndexBatchPlace = Pick<
  BatchHeader,
  'logId' | 'segmentId' | 'epoch' | 'position' | 'baseOffset' | 'appendTimeMs' | 'syncedUpTo'
>;

function copyInto<A extends Float64Array | Uint32Array>(target: A, source: A): A {
  target.set(source);
  return target;
}
