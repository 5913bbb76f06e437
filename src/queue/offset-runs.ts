/**
 * Offsets as runs of neighbours: what is acquired or settled together mostly lies together.
 *
 * Runs are a flat list `[start, count, start, count, ...]`, ascending and never touching, so a set
 * of offsets has one form.
 */
import { assert } from '../core/assert.ts';
import { BadEntryError } from '../journal/entry-bytes.ts';
import type { Field } from '../journal/entry-fields.ts';

/** Collects offsets, each once, in any order; ascending is cheapest. */
export class OffsetRuns {
  #runs: number[] = [];
  /** The offset behind the last run, which is where the next neighbour would be. */
  #end = -1;
  #isSorted = true;
  #count = 0;

  /** Offsets collected since the last `take`. */
  get count(): number {
    return this.#count;
  }

  add(offset: number): void {
    this.addRun(offset, 1);
  }

  /** Adds `count` offsets from `start` on. */
  addRun(start: number, count: number): void {
    assert(count > 0, 'a run has offsets');
    const runs = this.#runs;
    if (start === this.#end && runs.length > 0) {
      runs[runs.length - 1] = (runs.at(-1) ?? 0) + count;
    } else {
      if (start < this.#end) this.#isSorted = false;
      runs.push(start, count);
    }
    this.#end = start + count;
    this.#count += count;
  }

  /** The runs, which are the caller's; the builder begins anew. O(n), or O(n log n) if unsorted. */
  take(): number[] {
    const runs = this.#isSorted ? this.#runs : sortedRuns(this.#runs);
    this.#runs = [];
    this.#end = -1;
    this.#isSorted = true;
    this.#count = 0;
    return runs;
  }
}

/** Runs of ascending order, each as long as it can be. */
function sortedRuns(runs: readonly number[]): number[] {
  const starts = new Float64Array(runs.length / 2);
  // Out of order most runs are single offsets, so few lengths have to be looked up.
  const counts = new Map<number, number>();
  for (let at = 0; at < starts.length; at++) {
    const start = runs[2 * at] ?? 0;
    const count = runs[2 * at + 1] ?? 0;
    starts[at] = start;
    if (count > 1) counts.set(start, count);
  }
  starts.sort();
  const sorted: number[] = [];
  let end = -1;
  for (const start of starts) {
    assert(start >= end, 'no offset is collected twice');
    const count = counts.get(start) ?? 1;
    if (start === end) sorted[sorted.length - 1] = (sorted.at(-1) ?? 0) + count;
    else sorted.push(start, count);
    end = start + count;
  }
  return sorted;
}

/** Offsets in runs. */
export function offsetCountOf(runs: readonly number[]): number {
  let count = 0;
  for (let at = 1; at < runs.length; at += 2) count += runs[at] ?? 0;
  return count;
}

/** Calls `visit` for each run, ascending. */
export function eachRun(
  runs: readonly number[],
  visit: (start: number, count: number) => void,
): void {
  for (let at = 0; at < runs.length; at += 2) visit(runs[at] ?? 0, runs[at + 1] ?? 0);
}

/** Calls `visit` for each offset, ascending. */
export function eachOffset(runs: readonly number[], visit: (offset: number) => void): void {
  eachRun(runs, (start, count) => {
    for (let offset = start; offset < start + count; offset++) visit(offset);
  });
}

/** The number of runs, then of each the distance from the end of the one before, and the count. */
export const offsetRuns: Field<readonly number[]> = {
  write(to, runs) {
    assert(runs.length % 2 === 0, 'runs are pairs');
    to.uint(runs.length / 2);
    let end = 0;
    for (let at = 0; at < runs.length; at += 2) {
      const start = runs[at] ?? 0;
      const count = runs[at + 1] ?? 0;
      assert(at === 0 || start > end, 'runs ascend and do not touch');
      assert(count > 0 && isOffset(start + (count - 1)), 'a run has offsets, all of them safe');
      to.uint(start - end);
      to.uint(count);
      end = start + count;
    }
  },
  read(from) {
    const runs: number[] = [];
    let end = 0;
    for (let left = from.uint(); left > 0; left--) {
      const distance = from.uint();
      // Overlapping ones cannot be said; touching ones are one.
      if (distance === 0 && runs.length > 0) throw new BadEntryError('two runs touch');
      const count = from.uint();
      if (count === 0) throw new BadEntryError('a run is empty');
      const start = end + distance;
      // Each by itself, for a sum beyond 2^53 may be rounded.
      const isSafe = isOffset(start) && count - 1 <= Number.MAX_SAFE_INTEGER - start;
      if (!isSafe) throw new BadEntryError('a run ends beyond the last offset');
      runs.push(start, count);
      end = start + count;
    }
    return runs;
  },
};

function isOffset(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
