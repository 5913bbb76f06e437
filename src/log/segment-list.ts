/** The segments of a log in offset order. */
import { assert } from '../core/assert.ts';
import type { Segment } from '../segment/segment.ts';

export class SegmentList {
  #segments: readonly Segment[];
  #swapCount = 0;

  constructor(segments: readonly Segment[]) {
    this.#segments = segments;
  }

  /** Ascending by base offset. */
  get all(): readonly Segment[] {
    return this.#segments;
  }

  /** Grows whenever another file took the place of a segment: what was remembered of batches may be of before. */
  get swapCount(): number {
    return this.#swapCount;
  }

  get last(): Segment | null {
    return this.#segments.at(-1) ?? null;
  }

  add(segment: Segment): void {
    const { last } = this;
    assert(last === null || last.baseOffset < segment.baseOffset, 'segments ascend');
    this.#segments = [...this.#segments, segment];
  }

  /** The segment that may hold `offset`: the last that begins at or before it. O(log n). */
  floor(offset: number): Segment | null {
    return this.#segments[this.#floorAt(offset)] ?? null;
  }

  /** The segment that follows one with this base offset. */
  after(baseOffset: number): Segment | null {
    return this.#segments[this.#floorAt(baseOffset) + 1] ?? null;
  }

  /** The segment before one with this base offset. */
  before(baseOffset: number): Segment | null {
    return this.#segments[this.#floorAt(baseOffset) - 1] ?? null;
  }

  /** Segments that hold nothing at or above `offset`; never the last one. */
  whollyBelow(offset: number): readonly Segment[] {
    return this.#segments.filter((_, at) => {
      const next = this.#segments[at + 1];
      return next !== undefined && next.baseOffset <= offset;
    });
  }

  /** Puts another list in place of this one. What is in it with another object is another file by now. */
  replace(segments: readonly Segment[]): void {
    const bases = new Map(segments.map((segment) => [segment.baseOffset, segment]));
    for (const segment of this.#segments) {
      const other = bases.get(segment.baseOffset) ?? segment;
      if (other === segment) continue;
      segment.isReplaced = true;
      this.#swapCount++;
    }
    this.#segments = segments;
  }

  /** Puts the next generation of a listed segment in its place. O(n), but a copy of the list is all of it. */
  swap(old: Segment, next: Segment): void {
    assert(old.baseOffset === next.baseOffset, 'a segment keeps its base offset');
    const at = this.#floorAt(old.baseOffset);
    assert(this.#segments[at] === old, 'what is swapped is listed');
    this.#segments = this.#segments.with(at, next);
    old.isReplaced = true;
    this.#swapCount++;
  }

  remove(segments: readonly Segment[]): void {
    this.#segments = this.#segments.filter((segment) => !segments.includes(segment));
  }

  #floorAt(offset: number): number {
    let low = 0;
    let high = this.#segments.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const segment = this.#segments[middle];
      if (segment !== undefined && segment.baseOffset <= offset) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
