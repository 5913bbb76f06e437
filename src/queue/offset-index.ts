/**
 * Finds the slots of a lease table by offset.
 *
 * @hot A key is the offset less an origin, as a signed 32-bit integer, so offsets may lie 2^31 to
 * either side; the origin moves when one lies beyond.
 *
 * The hash has open addressing with linear probing; entries behind a removed one move up
 * (Knuth, The Art of Computer Programming 3, 6.4, algorithm R), so that nothing is left of it.
 *
 * Eight neighbouring offsets share a cache line of 16 entries, at every other place of it, so a run
 * of offsets meets no collision and few cache misses. Which line, and which half of it, is the
 * product with the golden ratio (Knuth's multiplicative hashing), which spreads runs evenly and
 * powers of two as well.
 */
import { assert } from '../core/assert.ts';
import { SlotState } from './record-state.ts';
import { Row, type SlotRows } from './slot-rows.ts';

const { WORDS, BYTES, KEY, STATE } = Row;
const { free: FREE } = SlotState;

/** Slots by entry, when all are taken: what lies between a few probes and little memory. */
const LOAD_MAX = 5 / 8;
/** 2^32 divided by the golden ratio; odd, as it must be. */
const GOLDEN = 0x9e37_79b1;
/** Offsets in a line: 2^3. */
const LINE_BITS = 3;
const LINE_MASK = (1 << LINE_BITS) - 1;
const EMPTY = 0;
const NONE = -1;
const U32_MAX = 0xffff_ffff;
const KEY_MAX = 2 ** 31 - 1;
const KEY_MIN = -(2 ** 31);

export class OffsetIndex {
  readonly #rows: SlotRows;
  /** Slot + 1, or 0. */
  #entries = new Int32Array(0);
  #mask = 0;
  /** What is left of a product's 32 bits is the number of an entry. */
  #shift = 0;
  /** Offset of key 0. */
  #origin = 0;
  #count = 0;

  constructor(rows: SlotRows) {
    this.#rows = rows;
    this.rebuild();
  }

  get byteLength(): number {
    return this.#entries.byteLength;
  }

  /** The slot of an offset, or -1. */
  find(offset: number): number {
    const key = offset - this.#origin;
    if (key > KEY_MAX || key < KEY_MIN) return NONE;
    return this.findKey(key | 0);
  }

  findKey(key: number): number {
    const { words } = this.#rows;
    const entries = this.#entries;
    const mask = this.#mask;
    let at = homeOf(key, this.#shift);
    for (;;) {
      const entry = entries[at] as number; // at <= mask
      if (entry === EMPTY) return NONE;
      if (words[((entry - 1) << WORDS) | KEY] === key) return entry - 1;
      at = (at + 1) & mask;
    }
  }

  offsetAt(slot: number): number {
    return this.#origin + (this.#rows.words[(slot << WORDS) | KEY] as number);
  }

  /** Whether it can be added: no two offsets may lie 2^32 or more apart. */
  fits(offset: number): boolean {
    const key = offset - this.#origin;
    if ((key <= KEY_MAX && key >= KEY_MIN) || this.#count === 0) return true;
    return Math.max(offset, this.#highest()) - Math.min(offset, this.#lowest()) <= U32_MAX;
  }

  /** Adds a slot that is still free by its state, with an offset that no other has. */
  add(slot: number, offset: number): void {
    if (this.#count === 0) this.#origin = offset;
    let key = offset - this.#origin;
    if (key > KEY_MAX || key < KEY_MIN) {
      if (!this.fits(offset)) throwTooFar(offset);
      this.#moveOrigin(offset);
      key = offset - this.#origin;
    }
    this.#rows.words[(slot << WORDS) | KEY] = key;
    this.#enter(slot, key | 0);
    this.#count++;
  }

  /** Takes out a slot that is in, while its key is still in its row. */
  remove(slot: number): void {
    const { words } = this.#rows;
    const entries = this.#entries;
    const mask = this.#mask;
    const shift = this.#shift;
    let hole = homeOf(words[(slot << WORDS) | KEY] as number, shift);
    while (entries[hole] !== slot + 1) {
      if (entries[hole] === EMPTY) throwMissing(slot);
      hole = (hole + 1) & mask;
    }
    for (let at = (hole + 1) & mask; ; at = (at + 1) & mask) {
      const entry = entries[at] as number;
      if (entry === EMPTY) break;
      const home = homeOf(words[((entry - 1) << WORDS) | KEY] as number, shift);
      // It may move to the hole unless it would stand before its home.
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      entries[hole] = entry;
      hole = at;
    }
    entries[hole] = EMPTY;
    this.#count--;
  }

  /** Enters all slots anew, after the rows were replaced. O(capacity). */
  rebuild(): void {
    const { words, bytes, capacity } = this.#rows;
    this.#entries = new Int32Array(2 ** Math.ceil(Math.log2(capacity / LOAD_MAX)));
    this.#mask = this.#entries.length - 1;
    this.#shift = Math.clz32(this.#mask);
    this.#count = 0;
    for (let slot = 0; slot < capacity; slot++) {
      if (bytes[(slot << BYTES) | STATE] === FREE) continue;
      this.#enter(slot, words[(slot << WORDS) | KEY] as number);
      this.#count++;
    }
  }

  #enter(slot: number, key: number): void {
    const { words } = this.#rows;
    const entries = this.#entries;
    const mask = this.#mask;
    let at = homeOf(key, this.#shift);
    for (;;) {
      const entry = entries[at] as number;
      if (entry === EMPTY) break;
      if (words[((entry - 1) << WORDS) | KEY] === key) throwTwice(slot, entry - 1);
      at = (at + 1) & mask;
    }
    entries[at] = slot + 1;
  }

  /** Puts the origin halfway between the lowest and the highest offset, so that it is not soon moved again. */
  #moveOrigin(offset: number): void {
    const lowest = Math.min(offset, this.#lowest());
    const highest = Math.max(offset, this.#highest());
    const origin = lowest + Math.ceil((highest - lowest) / 2);
    const { words, bytes, capacity } = this.#rows;
    const distance = this.#origin - origin;
    for (let slot = 0; slot < capacity; slot++) {
      if (bytes[(slot << BYTES) | STATE] !== FREE)
        words[(slot << WORDS) | KEY] = (words[(slot << WORDS) | KEY] as number) + distance;
    }
    this.#origin = origin;
    this.rebuild();
  }

  #lowest(): number {
    const { words, bytes, capacity } = this.#rows;
    let lowest = KEY_MAX;
    for (let slot = 0; slot < capacity; slot++) {
      if (bytes[(slot << BYTES) | STATE] !== FREE)
        lowest = Math.min(lowest, words[(slot << WORDS) | KEY] as number);
    }
    return this.#origin + lowest;
  }

  #highest(): number {
    const { words, bytes, capacity } = this.#rows;
    let highest = KEY_MIN;
    for (let slot = 0; slot < capacity; slot++) {
      if (bytes[(slot << BYTES) | STATE] !== FREE)
        highest = Math.max(highest, words[(slot << WORDS) | KEY] as number);
    }
    return this.#origin + highest;
  }
}

/** Where the entry of a key is looked for first. */
function homeOf(key: number, shift: number): number {
  return (Math.imul(key >> LINE_BITS, GOLDEN) >>> shift) ^ ((key & LINE_MASK) << 1);
}

/** Cold on purpose, as the next ones. */
function throwTooFar(offset: number): never {
  assert(false, `offset ${offset} is within 2^32 of all others in the table`);
}

function throwTwice(slot: number, other: number): never {
  assert(false, `slots ${slot} and ${other} are of different offsets`);
}

function throwMissing(slot: number): never {
  assert(false, `slot ${slot} is in the index`);
}
