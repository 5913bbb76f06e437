/**
 * Finds the slots of a lease table by offset.
 *
 * @hot A key is the offset less an origin, as a signed 32-bit integer, so offsets may lie 2^31 to
 * either side; the origin moves when one lies beyond.
 *
 * Four fifths of the slots are homes: that of a key is the slot with its lower bits. Offsets that
 * are in flight lie close together, so nearly all of them are at home, where they are found by one
 * look at the row, and neighbours have neighbouring rows. Only those that are not (a home is taken
 * if a multiple of their number lies between two offsets) are in a hash beside the rows.
 *
 * The hash has open addressing with linear probing; entries behind a removed one move up
 * (Knuth, The Art of Computer Programming 3, 6.4, algorithm R), so that nothing is left of it.
 */
import { assert } from '../core/assert.ts';
import { FreeSlots } from './free-slots.ts';
import { SlotState } from './record-state.ts';
import { Row, type SlotRows } from './slot-rows.ts';

const { WORDS, BYTES, KEY, STATE, STRAYS } = Row;
const { free: FREE } = SlotState;

/** Of the hash: what lies between a few probes and little memory. */
const LOAD_MAX = 5 / 8;
/** 1.3 GiB of rows. */
const CAPACITY_MAX = 40 * 2 ** 20;
const ENTRIES_MIN = 16;
/** Nothing is known of how many there are, so they stay so many. */
const STRAYS_MAX = 255;
/** 2^32 divided by the golden ratio; odd, as it must be. */
const GOLDEN = 0x9e37_79b1;
const EMPTY = 0;
const NONE = -1;
const U32_MAX = 0xffff_ffff;
const KEY_MAX = 2 ** 31 - 1;
const KEY_MIN = -(2 ** 31);

export class OffsetIndex {
  readonly #rows: SlotRows;
  readonly #free: FreeSlots;
  /** The lower bits of a key that are its home. */
  #homeMask = 0;
  /** Of slots that are not at home: slot + 1, or 0. */
  #entries = new Int32Array(0);
  /** Entries that are not 0. */
  #strays = 0;
  #mask = 0;
  /** What is left of a product's 32 bits is the number of an entry. */
  #shift = 0;
  /** Offset of key 0. */
  #origin = 0;
  #count = 0;

  constructor(rows: SlotRows) {
    this.#rows = rows;
    this.#free = new FreeSlots(homesOf(rows.capacity), rows.capacity);
    this.#rebuild();
  }

  get byteLength(): number {
    return this.#entries.byteLength + this.#free.byteLength;
  }

  /** The slot of an offset, or -1. */
  find(offset: number): number {
    const key = offset - this.#origin;
    if (key > KEY_MAX || key < KEY_MIN) return NONE;
    return this.findKey(key | 0);
  }

  findKey(key: number): number {
    const home = key & this.#homeMask;
    if (this.#rows.words[(home << WORDS) | KEY] === key) return home;
    return this.#rows.bytes[(home << BYTES) | STRAYS] === 0 ? NONE : this.#findStray(key);
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

  /**
   * Gives an offset that has none a slot, which is free by its state until the caller sets it.
   *
   * O(1) amortised: the rows double when none is free.
   */
  add(offset: number): number {
    if (this.#count === 0) this.#origin = offset;
    const key = offset - this.#origin;
    if (key > KEY_MAX || key < KEY_MIN) return this.#addFar(offset);
    const { words, bytes } = this.#rows;
    const home = key & this.#homeMask;
    const found = this.findKey(key | 0); // As a rule it is not at home, nor a stray of it.
    if (found !== NONE) throwTwice(offset, found);
    let slot = home;
    if (bytes[(home << BYTES) | STATE] !== FREE) {
      slot = this.#free.next();
      if (slot === NONE) return this.#addGrown(offset);
      this.#addStray(slot, key | 0);
    }
    words[(slot << WORDS) | KEY] = key;
    this.#free.take(slot);
    this.#count++;
    return slot;
  }

  /** Frees a slot that is in. */
  remove(slot: number): void {
    const { words } = this.#rows;
    const key = words[(slot << WORDS) | KEY] as number;
    if (slot !== (key & this.#homeMask)) this.#removeStray(slot, key);
    words[(slot << WORDS) | KEY] = ~slot; // The slot is not its home.
    this.#free.free(slot);
    this.#count--;
  }

  /** Forgets all, with rows for `capacity`. */
  clear(capacity: number): void {
    this.#rows.compact(capacity, new Int32Array(0));
    this.#free.reset(0, homesOf(capacity), capacity);
    this.#rebuild();
  }

  /**
   * Makes do with rows for `capacity`, which is enough: every slot has a new number, its home where
   * that can be.
   *
   * @returns the new numbers by the old; -1 for what was free
   */
  shrink(capacity: number): Int32Array {
    const { words, bytes } = this.#rows;
    const moves = new Int32Array(this.#rows.capacity).fill(NONE);
    const homeMask = homesOf(capacity) - 1;
    const free = this.#free;
    free.reset(0, homesOf(capacity), capacity);
    for (let slot = 0; slot < moves.length; slot++) {
      const home = (words[(slot << WORDS) | KEY] as number) & homeMask;
      if (bytes[(slot << BYTES) | STATE] === FREE || !free.isFree(home)) continue;
      free.take(home);
      moves[slot] = home;
    }
    for (let slot = 0; slot < moves.length; slot++) {
      if (bytes[(slot << BYTES) | STATE] === FREE || moves[slot] !== NONE) continue;
      const other = free.next();
      free.take(other);
      moves[slot] = other;
    }
    this.#rows.compact(capacity, moves);
    this.#rebuild();
    return moves;
  }

  #addFar(offset: number): number {
    if (!this.fits(offset)) throwTooFar(offset);
    this.#moveOrigin(offset);
    return this.add(offset);
  }

  #addGrown(offset: number): number {
    const { capacity } = this.#rows;
    assert(capacity < CAPACITY_MAX, 'a table is below its largest size');
    this.#rows.grow(2 * capacity);
    this.#free.reset(capacity, homesOf(2 * capacity), 2 * capacity);
    this.#rebuild();
    return this.add(offset);
  }

  /** Finds out who is a stray, after the rows were replaced or the keys changed. O(capacity). */
  #rebuild(): void {
    const { words, bytes, capacity } = this.#rows;
    this.#homeMask = homesOf(capacity) - 1;
    this.#count = 0;
    this.#entries = new Int32Array(0);
    this.#strays = 0;
    for (let slot = 0; slot < capacity; slot++) bytes[(slot << BYTES) | STRAYS] = 0;
    for (let slot = 0; slot < capacity; slot++) {
      if (bytes[(slot << BYTES) | STATE] === FREE) continue;
      const key = words[(slot << WORDS) | KEY] as number;
      if (slot !== (key & this.#homeMask)) this.#addStray(slot, key);
      this.#count++;
    }
  }

  #findStray(key: number): number {
    const { words } = this.#rows;
    const entries = this.#entries;
    const mask = this.#mask;
    let at = Math.imul(key, GOLDEN) >>> this.#shift;
    for (;;) {
      const entry = entries[at] as number; // at <= mask
      if (entry === EMPTY) return NONE;
      if (words[((entry - 1) << WORDS) | KEY] === key) return entry - 1;
      at = (at + 1) & mask;
    }
  }

  #addStray(slot: number, key: number): void {
    const { bytes } = this.#rows;
    const at = ((key & this.#homeMask) << BYTES) | STRAYS;
    if (bytes[at] !== STRAYS_MAX) bytes[at] = (bytes[at] as number) + 1;
    this.#strays++;
    if (this.#strays > this.#entries.length * LOAD_MAX) this.#growEntries();
    this.#enter(slot, key);
  }

  #enter(slot: number, key: number): void {
    const entries = this.#entries;
    const mask = this.#mask;
    let at = Math.imul(key, GOLDEN) >>> this.#shift;
    while (entries[at] !== EMPTY) at = (at + 1) & mask;
    entries[at] = slot + 1;
  }

  #removeStray(slot: number, key: number): void {
    const { words, bytes } = this.#rows;
    const entries = this.#entries;
    const mask = this.#mask;
    const shift = this.#shift;
    let hole = Math.imul(key, GOLDEN) >>> shift;
    while (entries[hole] !== slot + 1) {
      if (entries[hole] === EMPTY) throwMissing(slot);
      hole = (hole + 1) & mask;
    }
    for (let at = (hole + 1) & mask; ; at = (at + 1) & mask) {
      const entry = entries[at] as number;
      if (entry === EMPTY) break;
      const first = Math.imul(words[((entry - 1) << WORDS) | KEY] as number, GOLDEN) >>> shift;
      // It may move to the hole unless it would stand before its first place.
      if (((at - first) & mask) < ((at - hole) & mask)) continue;
      entries[hole] = entry;
      hole = at;
    }
    entries[hole] = EMPTY;
    this.#strays--;
    const home = ((key & this.#homeMask) << BYTES) | STRAYS;
    if (bytes[home] !== STRAYS_MAX) bytes[home] = (bytes[home] as number) - 1;
  }

  #growEntries(): void {
    const { words } = this.#rows;
    const former = this.#entries;
    this.#entries = new Int32Array(Math.max(ENTRIES_MIN, 2 * former.length));
    this.#mask = this.#entries.length - 1;
    this.#shift = Math.clz32(this.#mask);
    for (const entry of former) {
      if (entry !== EMPTY) this.#enter(entry - 1, words[((entry - 1) << WORDS) | KEY] as number);
    }
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
    this.#rebuild();
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

/** The slots that are homes, from 0 on, of a table of that capacity: a power of two. */
function homesOf(capacity: number): number {
  return (capacity / 5) * 4;
}

/** Cold on purpose, as the next ones. */
function throwTooFar(offset: number): never {
  assert(false, `offset ${offset} is within 2^32 of all others in the table`);
}

function throwTwice(offset: number, slot: number): never {
  assert(false, `offset ${offset} is not in slot ${slot} already`);
}

function throwMissing(slot: number): never {
  assert(false, `slot ${slot} is in the index`);
}
