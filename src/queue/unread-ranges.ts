/**
 * Which offsets a group has not looked at yet: all from some offset on, and what lies before and came
 * back (a purge that was undone) or was taken out (a record that was cancelled).
 */
import { present } from '../core/assert.ts';

/** Where the last range ends: nowhere. */
const OPEN_END = Number.MAX_SAFE_INTEGER;

export interface OffsetRange {
  readonly from: number;
  /** First offset after it. */
  readonly to: number;
}

export class UnreadRanges {
  /** Ascending, neither empty nor touching; the last one has no end. */
  #ranges: OffsetRange[];
  /** Offsets in all of them but the last. */
  #closedCount = 0;

  constructor(from: number) {
    this.#ranges = [{ from, to: OPEN_END }];
  }

  /** From flat pairs, as `toPairs` gives them, without the end of the last. */
  static ofPairs(pairs: readonly number[]): UnreadRanges {
    const from = present(pairs.at(-1), 'the begin of the last range');
    const unread = new UnreadRanges(from);
    unread.#ranges = [];
    for (let at = 0; at + 1 < pairs.length; at += 2) {
      const [begin, end] = [pairs[at], pairs[at + 1]];
      unread.#ranges.push({ from: present(begin, 'a pair'), to: present(end, 'a pair') });
    }
    unread.#closedCount = countOf(unread.#ranges);
    unread.#ranges.push({ from, to: OPEN_END });
    return unread;
  }

  toPairs(): number[] {
    return this.#ranges.flatMap(({ from, to }) => (to === OPEN_END ? [from] : [from, to]));
  }

  /** A copy, to be written later: without the end of the last, which has none. */
  copy(): OffsetRange[] {
    return [...this.#ranges];
  }

  /** First offset of all. */
  get first(): number {
    return present(this.#ranges[0], 'one at least').from;
  }

  /** Begin of the last range: nothing behind it was ever looked at. */
  get frontier(): number {
    return present(this.#ranges.at(-1), 'one at least').from;
  }

  /** How many of them are below `endOffset`. O(1) from the frontier on, else O(ranges below). */
  countBelow(endOffset: number): number {
    if (endOffset >= this.frontier) return this.#closedCount + endOffset - this.frontier;
    let count = 0;
    for (const { from, to } of this.#ranges) {
      if (from >= endOffset) break;
      count += Math.min(to, endOffset) - from;
    }
    return count;
  }

  /** The first range that has something at or behind `offset`, cut to what is. */
  next(offset: number): OffsetRange {
    const range = present(this.#ranges[this.#indexBehind(offset)], 'the last one has no end');
    return range.from >= offset ? range : { from: offset, to: range.to };
  }

  /** Calls `visit` for each range that has something in [from, to), cut to that, ascending. */
  eachIn({ from, to }: OffsetRange, visit: (range: OffsetRange) => void): void {
    for (let at = this.#indexBehind(from); ; at++) {
      const range = this.#ranges[at];
      if (range === undefined || range.from >= to || from >= to) return;
      const isInside = range.from >= from && range.to <= to;
      visit(isInside ? range : { from: Math.max(range.from, from), to: Math.min(range.to, to) });
    }
  }

  has(offset: number): boolean {
    return this.next(offset).from === offset;
  }

  /** Everything below `offset` was looked at. @returns how many offsets that were not, before */
  takeBelow(offset: number): number {
    const first = present(this.#ranges[0], 'one at least');
    if (offset <= first.from) return 0;
    if (offset < first.to) {
      this.#ranges[0] = { from: offset, to: first.to };
      if (first.to !== OPEN_END) this.#closedCount -= offset - first.from;
      return offset - first.from;
    }
    return this.#takeBetween(first.from, offset);
  }

  /**
   * Offsets were looked at, or are settled. O(log ranges), and a move of those behind.
   *
   * @returns how many of them were not, before
   */
  take(first: number, count: number): number {
    const end = first + count;
    const range = present(this.#ranges[0], 'one at least');
    if (end <= range.from) return 0;
    if (first <= range.from) return this.takeBelow(end);
    return this.#takeBetween(first, end);
  }

  /** Searches, and moves what lies behind: there may be very many, of which few are taken each time. */
  #takeBetween(first: number, end: number): number {
    const at = this.#indexBehind(first);
    const rest: OffsetRange[] = [];
    let taken = 0;
    let behind = at;
    for (let range = this.#ranges[at]; range !== undefined; range = this.#ranges[++behind]) {
      const { from, to } = range;
      if (from >= end) break;
      taken += Math.min(to, end) - Math.max(from, first);
      if (from < first) rest.push({ from, to: first });
      if (to > end) rest.push({ from: end, to });
    }
    const before = this.#ranges.splice(at, behind - at, ...rest);
    this.#closedCount += countOf(rest) - countOf(before);
    return taken;
  }

  /** Of the first range that has something at or behind `offset`. O(log ranges). */
  #indexBehind(offset: number): number {
    let low = 0;
    let high = this.#ranges.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (present(this.#ranges[middle], 'below the length').to > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** What lies below `endOffset`, which is taken out. */
  cut(endOffset: number): OffsetRange[] {
    const cut = this.#ranges
      .filter(({ from }) => from < endOffset)
      .map(({ from, to }) => ({ from, to: Math.min(to, endOffset) }));
    this.takeBelow(endOffset);
    return cut;
  }

  /** Brings ranges back that `cut` took out; what is not below the first one now is left out. */
  restore(ranges: readonly OffsetRange[]): void {
    const all = [...ranges, ...this.#ranges].toSorted((one, two) => one.from - two.from);
    const merged: OffsetRange[] = [];
    for (const range of all) {
      const last = merged.at(-1);
      if (last === undefined || range.from > last.to) merged.push(range);
      else merged[merged.length - 1] = { from: last.from, to: Math.max(last.to, range.to) };
    }
    this.#ranges = merged;
    this.#closedCount = countOf(merged);
  }
}

/** Offsets in those that have an end. */
function countOf(ranges: readonly OffsetRange[]): number {
  let count = 0;
  for (const { from, to } of ranges) if (to !== OPEN_END) count += to - from;
  return count;
}
