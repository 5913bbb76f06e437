/** The slow twin of `SegmentIndex`: the same table from a plain list of batches. */
import { INDEX_INTERVAL_BYTES } from '../../../src/core/limits.ts';
import { SEGMENT_HEADER_BYTES } from '../../../src/format/layout.ts';
import type { IndexedBatch } from '../../../src/segment/segment-index.ts';

export interface ReferenceIndex {
  /** (base offset, largest create time of all records before, position) */
  readonly rows: readonly (readonly [number, number, number])[];
  readonly maxCreateTimeMs: number;
}

/** Makes the index of a segment with these batches. */
export function referenceIndex(batches: readonly IndexedBatch[]): ReferenceIndex {
  const rows: [number, number, number][] = [];
  const maxBefore = (at: number) =>
    Math.max(0, ...batches.slice(0, at).map(({ maxCreateTimeMs }) => maxCreateTimeMs));
  batches.forEach(({ baseOffset, position }, at) => {
    const lastPosition = rows.at(-1)?.[2] ?? SEGMENT_HEADER_BYTES;
    if (position - lastPosition < INDEX_INTERVAL_BYTES) return;
    rows.push([baseOffset, maxBefore(at), position]);
  });
  return { rows, maxCreateTimeMs: maxBefore(batches.length) };
}

/** Position of the last row's batch that begins at or before `offset`, else the first batch's. */
export function referencePositionForOffset(index: ReferenceIndex, offset: number): number {
  return index.rows.findLast(([base]) => base <= offset)?.[2] ?? SEGMENT_HEADER_BYTES;
}

/** Position of the last row before which every record is older than `timestampMs`. */
export function referencePositionForTime(index: ReferenceIndex, timestampMs: number): number {
  return index.rows.findLast(([, before]) => before < timestampMs)?.[2] ?? SEGMENT_HEADER_BYTES;
}
