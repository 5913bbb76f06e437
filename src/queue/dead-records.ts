/**
 * The dead records of a partition that are kept, by offset: where nobody looks after them there may be
 * millions, and an object for each took 400 bytes.
 *
 * An open-addressing hash from offset to row, with linear probing; entries behind a removed one move up
 * (Knuth, The Art of Computer Programming 3, 6.4, algorithm R).
 */
import { DeadRows } from './dead-rows.ts';
import type { DeadRecord } from './share-partition.ts';

const CAPACITY_MIN = 16;
/** Entries for each row that there is room for. */
const ENTRIES_PER_ROW = 2;
/** Memory is given back when less than an eighth of it is used. */
const SHRINK_DIVISOR = 8;
/** 2^32 divided by the golden ratio; odd, as it must be. */
const GOLDEN = 0x9e37_79b1;
/** Odd, too, for the upper bits of an offset. */
const UPPER = 0x85eb_ca6b;
const U32 = 2 ** 32;
const EMPTY = 0;
const NONE = -1;

export class DeadRecords {
  #rows = DeadRows.ofCapacity(CAPACITY_MIN);
  /** Row + 1, or 0. */
  #entries = new Int32Array(CAPACITY_MIN * ENTRIES_PER_ROW);
  /** What is left of a product's 32 bits is the number of an entry. */
  #shift = Math.clz32(this.#entries.length - 1);

  get size(): number {
    return this.#rows.size;
  }

  has(offset: number): boolean {
    return this.#rowOf(offset) !== NONE;
  }

  /** A copy; null when there is none. */
  get(offset: number): DeadRecord | null {
    const row = this.#rowOf(offset);
    return row === NONE ? null : this.#rows.recordAt(row);
  }

  /** The rows as they are now. A copy of memory. */
  copyRows(): DeadRows {
    return this.#rows.copy();
  }

  /** In no order; the array is the caller's. */
  offsets(): Float64Array {
    return this.#rows.offsets();
  }

  /** Adds a record, in the place of one that is there. O(1) amortised. */
  set(offset: number, record: DeadRecord): void {
    const known = this.#rowOf(offset);
    if (known !== NONE) {
      this.#rows.set(known, offset, record);
      return;
    }
    const { size, capacity } = this.#rows;
    if (size === capacity) this.#resize(2 * capacity);
    this.#entries[this.#entryOf(offset)] = size + 1;
    this.#rows.set(size, offset, record);
  }

  /** @returns whether it was there */
  delete(offset: number): boolean {
    const at = this.#entryOf(offset);
    const row = this.#rowAt(at);
    if (row === NONE) return false;
    this.#leave(at);
    const last = this.#rows.size - 1;
    // The last row takes the place of this one.
    if (last !== row) this.#entries[this.#entryOf(this.#rows.offsetAt(last))] = row + 1;
    this.#rows.remove(row);
    const { size, capacity } = this.#rows;
    if (capacity > CAPACITY_MIN && size < capacity / SHRINK_DIVISOR) this.#resize(capacity / 2);
    return true;
  }

  /** Forgets those below an offset. */
  deleteBelow(endOffset: number): void {
    // Backwards: what takes the place of a row was looked at.
    for (let row = this.size - 1; row >= 0; row--) {
      const offset = this.#rows.offsetAt(row);
      if (offset < endOffset) this.delete(offset);
    }
  }

  #rowOf(offset: number): number {
    return this.#rowAt(this.#entryOf(offset));
  }

  #rowAt(at: number): number {
    return (this.#entries[at] ?? EMPTY) - 1;
  }

  /** Where its entry is, or would be. */
  #entryOf(offset: number): number {
    const entries = this.#entries;
    let at = this.#homeOf(offset);
    for (;;) {
      const row = this.#rowAt(at);
      if (row === NONE || this.#rows.offsetAt(row) === offset) return at;
      at = (at + 1) & (entries.length - 1);
    }
  }

  #leave(from: number): void {
    const entries = this.#entries;
    const mask = entries.length - 1;
    let hole = from;
    for (let at = (hole + 1) & mask; ; at = (at + 1) & mask) {
      const row = this.#rowAt(at);
      if (row === NONE) break;
      const home = this.#homeOf(this.#rows.offsetAt(row));
      // It may move to the hole unless it would stand before its home.
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      entries[hole] = row + 1;
      hole = at;
    }
    entries[hole] = EMPTY;
  }

  #resize(capacity: number): void {
    this.#rows = this.#rows.copy(capacity);
    this.#entries = new Int32Array(capacity * ENTRIES_PER_ROW);
    this.#shift = Math.clz32(this.#entries.length - 1);
    for (let row = 0; row < this.size; row++) {
      this.#entries[this.#entryOf(this.#rows.offsetAt(row))] = row + 1;
    }
  }

  #homeOf(offset: number): number {
    const upper = Math.imul(Math.floor(offset / U32), UPPER);
    return Math.imul(offset ^ upper, GOLDEN) >>> this.#shift;
  }
}
