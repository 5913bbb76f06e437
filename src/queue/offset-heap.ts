/**
 * Slots of a lease table by offset, the lowest first: what is ready to be acquired again.
 *
 * @hot A binary min-heap in one array. Where a slot stands is kept in the `NEXT` of its row,
 * which is free while a slot is in no wheel, so that any slot can be taken out in O(log size).
 */
import { assert } from '../core/assert.ts';
import { Row, type SlotRows } from './slot-rows.ts';

const { WORDS, KEY, NEXT } = Row;

const CAPACITY_MIN = 16;

export class OffsetHeap {
  readonly #rows: SlotRows;
  #slots = new Int32Array(CAPACITY_MIN);
  #size = 0;

  constructor(rows: SlotRows) {
    this.#rows = rows;
  }

  get size(): number {
    return this.#size;
  }

  get byteLength(): number {
    return this.#slots.byteLength;
  }

  /** Adds a slot that is in no heap. */
  push(slot: number): void {
    if (this.#size === this.#slots.length) this.#resize(2 * this.#size);
    this.#rise(this.#size++, slot);
  }

  /** The slot with the lowest offset, or -1. */
  peekMin(): number {
    return this.#size === 0 ? -1 : (this.#slots[0] as number);
  }

  /** Takes out the slot with the lowest offset; -1 if there is none. */
  popMin(): number {
    const slot = this.peekMin();
    if (slot >= 0) this.#takeAt(0);
    return slot;
  }

  /** Takes out a slot that is in. */
  remove(slot: number): void {
    const at = this.#rows.words[(slot << WORDS) | NEXT] as number;
    if (at >= this.#size || this.#slots[at] !== slot) throwMissing(slot);
    this.#takeAt(at);
  }

  /** The slots have new numbers: `slots` gives them by the old ones. Offsets and places are the same. */
  renumber(slots: Int32Array): void {
    for (let at = 0; at < this.#size; at++) {
      this.#slots[at] = slots[this.#slots[at] as number] as number;
    }
  }

  clear(): void {
    this.#slots = new Int32Array(CAPACITY_MIN);
    this.#size = 0;
  }

  #takeAt(at: number): void {
    const last = this.#slots[--this.#size] as number;
    if (at < this.#size) {
      const { words } = this.#rows;
      const parent = (at - 1) >> 1;
      const isLower =
        at > 0 &&
        (words[(last << WORDS) | KEY] as number) <
          (words[((this.#slots[parent] as number) << WORDS) | KEY] as number);
      if (isLower) this.#rise(at, last);
      else this.#sink(at, last);
    }
    // At a quarter, so that a few pushes do not undo it.
    const { length } = this.#slots;
    if (length > CAPACITY_MIN && this.#size <= length >> 2) this.#resize(length >> 1);
  }

  /** Puts a slot where the hole at `at` ends up when it rises past all higher offsets. */
  #rise(hole: number, slot: number): void {
    const slots = this.#slots;
    const { words } = this.#rows;
    const key = words[(slot << WORDS) | KEY] as number;
    let at = hole;
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = slots[parentAt] as number;
      if ((words[(parent << WORDS) | KEY] as number) <= key) break;
      slots[at] = parent;
      words[(parent << WORDS) | NEXT] = at;
      at = parentAt;
    }
    slots[at] = slot;
    words[(slot << WORDS) | NEXT] = at;
  }

  #sink(hole: number, slot: number): void {
    const slots = this.#slots;
    const size = this.#size;
    const { words } = this.#rows;
    const key = words[(slot << WORDS) | KEY] as number;
    let at = hole;
    for (let childAt = 2 * at + 1; childAt < size; childAt = 2 * at + 1) {
      let child = slots[childAt] as number;
      const other = childAt + 1 < size ? (slots[childAt + 1] as number) : child;
      if ((words[(other << WORDS) | KEY] as number) < (words[(child << WORDS) | KEY] as number)) {
        child = other;
        childAt++;
      }
      if ((words[(child << WORDS) | KEY] as number) >= key) break;
      slots[at] = child;
      words[(child << WORDS) | NEXT] = at;
      at = childAt;
    }
    slots[at] = slot;
    words[(slot << WORDS) | NEXT] = at;
  }

  #resize(capacity: number): void {
    const resized = new Int32Array(capacity);
    resized.set(this.#slots.subarray(0, this.#size));
    this.#slots = resized;
  }
}

/** Cold on purpose. */
function throwMissing(slot: number): never {
  assert(false, `slot ${slot} is in this heap`);
}
