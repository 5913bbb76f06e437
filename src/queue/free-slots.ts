/**
 * Which slots of a lease table are free.
 *
 * @hot A bit for each slot, and above it a bit for each word of those that has one.
 */
const WORD_BITS = 5;
const WORD_MASK = (1 << WORD_BITS) - 1;
const ALL = -1;
const NONE = -1;

export class FreeSlots {
  /** By slot; set if it is free. */
  #slots = new Int32Array(0);
  /** By word of `#slots`; set if it is not 0. */
  #words = new Int32Array(0);
  /** Slots from here on are given out first. */
  #first = 0;
  /** The word of `#slots` that is given out at present. */
  #at = 0;

  /** All are free at first; for the numbers see `reset`. */
  constructor(first: number, capacity: number) {
    this.reset(0, first, capacity);
  }

  get byteLength(): number {
    return this.#slots.byteLength + this.#words.byteLength;
  }

  /** A free slot, which stays one until it is taken; -1 if there is none. */
  next(): number {
    const word = this.#slots[this.#at] as number;
    return word !== 0 ? (this.#at << WORD_BITS) | lowestBit(word) : this.#search();
  }

  isFree(slot: number): boolean {
    return ((this.#slots[slot >> WORD_BITS] as number) & (1 << (slot & WORD_MASK))) !== 0;
  }

  take(slot: number): void {
    const at = slot >> WORD_BITS;
    const left = (this.#slots[at] as number) & ~(1 << (slot & WORD_MASK));
    this.#slots[at] = left;
    if (left !== 0) return;
    const above = at >> WORD_BITS;
    this.#words[above] = (this.#words[above] as number) & ~(1 << (at & WORD_MASK));
  }

  free(slot: number): void {
    const at = slot >> WORD_BITS;
    const word = this.#slots[at] as number;
    this.#slots[at] = word | (1 << (slot & WORD_MASK));
    if (slot >= this.#first) this.#at = at;
    if (word !== 0) return;
    const above = at >> WORD_BITS;
    this.#words[above] = (this.#words[above] as number) | (1 << (at & WORD_MASK));
  }

  /**
   * All slots below `used` are taken, all others of `capacity` free; `next` gives out those from
   * `first` on as long as there are any. O(capacity).
   */
  reset(used: number, first: number, capacity: number): void {
    this.#slots = new Int32Array(wordsOf(capacity));
    this.#words = new Int32Array(wordsOf(this.#slots.length));
    this.#first = first;
    for (let slot = used; slot < capacity; slot++) this.free(slot);
    this.#at = first >> WORD_BITS;
  }

  /** Goes on to the next word that has a free slot; then to the preferred ones, then to all. */
  #search(): number {
    let at = this.#wordFrom(this.#at);
    if (at === NONE) at = this.#wordFrom(this.#first >> WORD_BITS);
    if (at === NONE) at = this.#wordFrom(0);
    if (at === NONE) return NONE;
    this.#at = at;
    return (at << WORD_BITS) | lowestBit(this.#slots[at] as number);
  }

  /** The first word from there on that has a free slot, or -1. */
  #wordFrom(from: number): number {
    const words = this.#words;
    let at = from >> WORD_BITS;
    let word = (words[at] as number) & (ALL << (from & WORD_MASK));
    while (word === 0 && ++at < words.length) word = words[at] as number;
    return word === 0 ? NONE : (at << WORD_BITS) | lowestBit(word);
  }
}

function lowestBit(word: number): number {
  return WORD_MASK - Math.clz32(word & -word);
}

function wordsOf(bits: number): number {
  return (bits + WORD_MASK) >> WORD_BITS;
}
