/**
 * The last offset of each key of a stretch of a log, in memory of a fixed size: what a pass of compaction
 * goes by. Keys are known by 96 bits (the three lanes of a `Fingerprint`, with a seed of its own for each map).
 *
 * @hot One `Uint32Array`, no object per key; `test/support/reference/key-map.ts` is the slow twin. A slot:
 *
 *   0  place        offset less the first offset of the stretch, plus 1; 0 = the slot is free
 *   1  check        the second lane
 *   2  mark         upper 25 bits: of the third lane; lower 7: distance from the home slot, 0..127
 *
 * The first lane chooses the home. With n keys in s slots two of them have home, check and mark in common,
 * and are taken for one, with a probability of n^2 / (s * 2^58): 3 x 10^-11 for 10 million in 128 MiB.
 *
 * Robin Hood hashing with linear probing (Celis, 1986): who is further from home stays, the other one moves
 * on, so a look-up ends at the first that is nearer to its home. At a load of 0.9 some key of 10 million lies
 * 60 to 70 slots from home, so 6 bits of distance would end one in three maps before they are full; with each
 * 3 slots more the probability halves. Nothing is ever removed; a map is thrown away, never cleared: a fresh
 * array costs page faults as it fills, 128 MiB of zeros 30 ms at once.
 */
import { assert } from '../core/assert.ts';

const WORDS = 3;
const SLOT_BYTES = WORDS * Uint32Array.BYTES_PER_ELEMENT;
const FREE = 0;
const NONE = -1;
const U32 = 2 ** 32;
/** The highest place; also that of the offset that lies 2^32 - 2 behind the first. */
const PLACE_MAX = U32 - 1;
const DISTANCE = 0x7f;
/** Slots for each 9 keys: beyond a load of 0.9 look-ups get long. */
const SLOTS_PER_9_KEYS = 10;

export class KeyMap {
  readonly #words: Uint32Array;
  readonly #end: number;
  readonly #homes: number;
  readonly #firstOffset: number;
  readonly #countMax: number;
  #count = 0;
  /** One that was moved and found no slot, with its home in place of a distance; place 0 = none. */
  #spillPlace = FREE;
  #spillHome = 0;
  #spillCheck = 0;
  #spillMark = 0;

  /**
   * @param slots  from 2 on, of 12 bytes; nine of ten may be used
   * @param firstOffset  of the stretch: no offset is below it
   */
  constructor(slots: number, firstOffset: number) {
    assert(slots >= 2, 'there is a slot to fill, and one to spare');
    this.#words = new Uint32Array(slots * WORDS);
    this.#end = this.#words.length;
    this.#homes = slots / U32;
    this.#firstOffset = firstOffset;
    this.#countMax = Math.floor((slots * 9) / SLOTS_PER_9_KEYS);
  }

  /** Slots for so many keys, as far as they fit into so many bytes. */
  static slotsFor(keyCount: number, bytesMax: number): number {
    const wanted = Math.ceil((keyCount * SLOTS_PER_9_KEYS) / 9);
    return Math.max(2, Math.min(wanted, Math.floor(bytesMax / SLOT_BYTES)));
  }

  /** Keys in it. */
  get count(): number {
    return this.#count;
  }

  get byteLength(): number {
    return this.#words.byteLength;
  }

  /**
   * Notes that a key's last record is at `offset`. Of each key offsets ascend.
   *
   * @returns false when it is not in: the map is full, or the offset more than 2^32 - 2 behind the first.
   *   What is in still is, and keys that are in still take later offsets.
   */
  put(first: number, second: number, third: number, offset: number): boolean {
    const place = offset - this.#firstOffset + 1;
    if (place > PLACE_MAX) return false;
    const words = this.#words;
    const home = Math.floor(first * this.#homes);
    let mark = (third & ~DISTANCE) >>> 0;
    let at = home * WORDS;
    for (;;) {
      if (words[at] === FREE) break;
      const found = words[at + 2] as number; // at < #end, here as everywhere in it.
      if (found === mark && words[at + 1] === second) {
        words[at] = place;
        return true;
      }
      if ((found & DISTANCE) < (mark & DISTANCE)) break;
      if ((mark & DISTANCE) === DISTANCE) return this.#moveSpilled(home, second, mark, place);
      mark++;
      at += WORDS;
      if (at === this.#end) at = 0;
    }
    if (this.#spillPlace !== FREE) return this.#moveSpilled(home, second, mark, place);
    if (this.#count === this.#countMax) return false;
    this.#insert(at, place, second, mark);
    this.#count++;
    return true;
  }

  /** The last offset that was put for a key; -1 = it has none. */
  get(first: number, second: number, third: number): number {
    const words = this.#words;
    const home = Math.floor(first * this.#homes);
    let mark = (third & ~DISTANCE) >>> 0;
    let at = home * WORDS;
    for (;;) {
      const place = words[at] as number;
      if (place === FREE) break;
      const found = words[at + 2] as number;
      if (found === mark && words[at + 1] === second) return this.#firstOffset + place - 1;
      if ((found & DISTANCE) < (mark & DISTANCE) || (mark & DISTANCE) === DISTANCE) break;
      mark++;
      at += WORDS;
      if (at === this.#end) at = 0;
    }
    if (!this.#isSpilled(home, second, mark)) return NONE;
    return this.#firstOffset + this.#spillPlace - 1;
  }

  /** Reads from the home of a key, so that it is at hand. @returns what nobody needs */
  touch(first: number): number {
    return this.#words[Math.floor(first * this.#homes) * WORDS] as number;
  }

  /**
   * Puts one in, from a slot on that is free or whose key is nearer to its home. The one without a slot in
   * the end, which need not be the one that came, is kept aside: its key would be lost otherwise.
   */
  #insert(start: number, newPlace: number, newCheck: number, newMark: number): void {
    const words = this.#words;
    let place = newPlace;
    let check = newCheck;
    let mark = newMark;
    let at = start;
    for (;;) {
      const foundPlace = words[at] as number;
      const foundMark = words[at + 2] as number;
      if (foundPlace === FREE || (foundMark & DISTANCE) < (mark & DISTANCE)) {
        const foundCheck = words[at + 1] as number;
        words[at] = place;
        words[at + 1] = check;
        words[at + 2] = mark;
        if (foundPlace === FREE) return;
        place = foundPlace;
        check = foundCheck;
        mark = foundMark;
      }
      if ((mark & DISTANCE) === DISTANCE) break;
      mark++;
      at += WORDS;
      if (at === this.#end) at = 0;
    }
    const slots = this.#end / WORDS;
    this.#spillPlace = place;
    this.#spillHome = (at / WORDS - DISTANCE + DISTANCE * slots) % slots;
    this.#spillCheck = check;
    this.#spillMark = mark;
  }

  #isSpilled(home: number, check: number, mark: number): boolean {
    if (this.#spillPlace === FREE || this.#spillHome !== home) return false;
    return this.#spillCheck === check && (this.#spillMark | DISTANCE) === (mark | DISTANCE);
  }

  /** @returns whether it is the one that is kept aside */
  #moveSpilled(home: number, check: number, mark: number, place: number): boolean {
    if (!this.#isSpilled(home, check, mark)) return false;
    this.#spillPlace = place;
    return true;
  }
}
