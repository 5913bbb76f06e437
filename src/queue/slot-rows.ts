/**
 * The slots of a lease table: a row of 32 bytes each, in one buffer.
 *
 * @hot Whatever happens to a record takes most of its fields, at a place that depends on the record:
 * a row lies in one line of the processor's cache, where a column for each field would take ten. The
 * arrays are views of the buffer, and replaced when the table grows or shrinks, so they are always
 * read through the object.
 *
 *     words: key | next | prev | lease | time (2) | attempts, failures | expiries, crashes, state, strays
 */

/**
 * Where the fields of a slot are: `words[(slot << WORDS) | NEXT]`, `bytes[(slot << BYTES) | STATE]`.
 *
 * Hot files take what they need into constants of their own: those the compiler folds, where an
 * import, or a member of one, is read anew at each use.
 */
export const Row = {
  /** A row has 2^3 words, 2^2 times, 2^4 halves, 2^5 bytes. */
  WORDS: 3,
  TIMES: 2,
  HALVES: 4,
  BYTES: 5,
  /**
   * Word. Offset - origin of the table, signed: ascending with the offset. Of a free slot: `~slot`,
   * whose home is another.
   */
  KEY: 0,
  /**
   * Word. In a wheel: the next slot of the list, -1 at its end. In a heap: the place there.
   */
  NEXT: 1,
  /**
   * Word. `UNLINKED`, or in a wheel: the slot before; `-2 - bucket` at the head of a list. In the
   * ready heap of a kind: `READY + kind`.
   */
  PREV: 2,
  /** Word. Lease number, the bits of a u32. */
  LEASE: 3,
  /** Time. Ms: deadline on loop time while acquired, due wall time while delayed or available. */
  TIME: 2,
  /** Halves. */
  ATTEMPTS: 12,
  FAILURES: 13,
  /** Bytes. */
  EXPIRIES: 28,
  CRASHES: 29,
  /** Byte. The state, and whether a transition is pending. */
  STATE: 30,
  /** Byte. Of a slot as a home, free or not: what has it as its home and is elsewhere; 255 is many. */
  STRAYS: 31,
  /** In `PREV`: in no list and no heap. */
  UNLINKED: -1,
  /** In `PREV`: what the kind of a heap is added to. */
  READY: -(2 ** 31),
} as const;

const { WORDS, TIMES, BYTES, KEY, NEXT, PREV, LEASE, TIME, STATE, UNLINKED, READY } = Row;
/** Two words: attempts, failures, expiries, crashes, state, strays. */
const COUNTERS = 6;
/** Of the second one, read as little-endian. */
const STRAYS_MASK = 0xff00_0000 | 0;
/** Kinds of heaps that there may be. */
const READY_KINDS = 16;

export class SlotRows {
  words: Int32Array;
  times: Float64Array;
  halves: Uint16Array;
  bytes: Uint8Array;

  constructor(capacity: number) {
    this.words = new Int32Array(capacity << WORDS);
    this.times = new Float64Array(this.words.buffer);
    this.halves = new Uint16Array(this.words.buffer);
    this.bytes = new Uint8Array(this.words.buffer);
    for (let slot = 0; slot < capacity; slot++) {
      this.words[(slot << WORDS) | KEY] = ~slot;
      this.words[(slot << WORDS) | PREV] = UNLINKED;
    }
  }

  get capacity(): number {
    return this.words.length >>> WORDS;
  }

  get byteLength(): number {
    return this.words.byteLength;
  }

  /** A slot begins: in that state, in no list, all else 0. Its key and its strays are left. */
  reset(slot: number, state: number): void {
    const { words } = this;
    words[(slot << WORDS) | PREV] = UNLINKED;
    words[(slot << WORDS) | LEASE] = 0;
    this.times[(slot << TIMES) | TIME] = 0;
    words[(slot << WORDS) | COUNTERS] = 0;
    words[(slot << WORDS) | (COUNTERS + 1)] =
      (words[(slot << WORDS) | (COUNTERS + 1)] as number) & STRAYS_MASK;
    this.bytes[(slot << BYTES) | STATE] = state;
  }

  /** Makes room for so many slots, at least as many as there are. They keep their numbers. */
  grow(capacity: number): void {
    const larger = new SlotRows(capacity);
    larger.words.set(this.words);
    this.#take(larger);
  }

  /**
   * Keeps the slots that `moves` gives new numbers, by their old ones, and forgets the others
   * (-1). New numbers are below `capacity`. Links are translated, places in heaps left.
   */
  compact(capacity: number, moves: Int32Array): void {
    const smaller = new SlotRows(capacity);
    for (const [slot, moved] of moves.entries()) {
      if (moved < 0) continue;
      const from = slot << WORDS;
      const to = moved << WORDS;
      smaller.words.set(this.words.subarray(from, from + (1 << WORDS)), to);
      const before = this.words[from + PREV] as number;
      const after = this.words[from + NEXT] as number;
      if (before >= 0) smaller.words[to + PREV] = moves[before] as number;
      if (isInWheel(before) && after >= 0) smaller.words[to + NEXT] = moves[after] as number;
    }
    this.#take(smaller);
  }

  #take(other: SlotRows): void {
    this.words = other.words;
    this.times = other.times;
    this.halves = other.halves;
    this.bytes = other.bytes;
  }
}

/** By `PREV` of the slot. */
export function isInHeap(before: number): boolean {
  return before < READY + READY_KINDS;
}

/** By `PREV` of the slot. */
export function isInWheel(before: number): boolean {
  return before !== UNLINKED && before >= READY + READY_KINDS;
}
