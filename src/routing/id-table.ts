/**
 * Finds small ids by a hash of what they stand for, which their owner keeps and compares.
 *
 * @hot Open addressing with linear probing; entries behind a removed one move up (Knuth, The Art of
 * Computer Programming 3, 6.4, algorithm R), so that nothing is left of it. An entry is an id and its
 * hash, side by side: whatever is not there is mostly known by one look at memory.
 *
 * The owner probes: from `home(hash)` on, in steps of `ENTRY` under `mask`, until an entry's id is
 * `EMPTY`.
 */
/** Numbers of an entry: the id, then its hash. */
export const ENTRY = 2;
/** Of an entry: no id. */
export const EMPTY = -1;

const ENTRIES_MIN = 16;
/** Of the entries: few probes for what is not there, and still 16 bytes for each that is. */
const LOAD_MAX = 1 / 2;
/** 2^32 divided by the golden ratio; odd, as it must be. */
const GOLDEN = 0x9e37_79b1;

export class IdTable {
  entries = new Int32Array(ENTRY * ENTRIES_MIN).fill(EMPTY);
  /** Of places in `entries`. */
  mask = ENTRY * ENTRIES_MIN - 1;
  /** What is left of a product's 32 bits is the number of an entry. */
  #shift = Math.clz32(ENTRIES_MIN - 1);
  #count = 0;

  /** Where a hash of 32 bits is looked for first. */
  home(hash: number): number {
    return (Math.imul(hash, GOLDEN) >>> this.#shift) * ENTRY;
  }

  /** Puts in an id that is not in. */
  add(id: number, hash: number): void {
    const { length } = this.entries;
    if (ENTRY * (this.#count + 1) > length * LOAD_MAX) this.#resize(2 * length);
    this.#place(id, hash);
    this.#count++;
  }

  /** Takes out an id that is in, by the hash that it came with. */
  remove(id: number, hash: number): void {
    const { entries, mask } = this;
    let hole = this.home(hash);
    while (entries[hole] !== id) hole = (hole + ENTRY) & mask;
    let at = hole;
    for (;;) {
      at = (at + ENTRY) & mask;
      if (entries[at] === EMPTY) break;
      const home = this.home(entries[at + 1] as number);
      // Whether its home lies behind the hole: then it may not move in front of it.
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      entries[hole] = entries[at] as number;
      entries[hole + 1] = entries[at + 1] as number;
      hole = at;
    }
    entries[hole] = EMPTY;
    this.#count--;
    const half = entries.length / 2;
    if (half >= ENTRY * ENTRIES_MIN && ENTRY * this.#count < (half * LOAD_MAX) / 4) {
      this.#resize(half);
    }
  }

  #place(id: number, hash: number): void {
    const { entries, mask } = this;
    let at = this.home(hash);
    while (entries[at] !== EMPTY) at = (at + ENTRY) & mask;
    entries[at] = id;
    entries[at + 1] = hash;
  }

  #resize(length: number): void {
    const former = this.entries;
    this.entries = new Int32Array(length).fill(EMPTY);
    this.mask = length - 1;
    this.#shift = Math.clz32(length / ENTRY - 1);
    for (let at = 0; at < former.length; at += ENTRY) {
      const id = former[at] as number;
      if (id !== EMPTY) this.#place(id, former[at + 1] as number);
    }
  }
}
