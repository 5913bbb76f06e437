/**
 * Finds small ids by a hash of what they stand for, which their owner keeps and compares.
 *
 * @hot Open addressing with linear probing; entries behind a removed one move up (Knuth, The Art of
 * Computer Programming 3, 6.4, algorithm R), so that nothing is left of it. The owner probes: from
 * `home(hash)` on, in steps of one under `mask`, until `entries` holds `EMPTY`.
 */
/** Of `entries`: no id. */
export const EMPTY = -1;

const ENTRIES_MIN = 16;
/** Of the entries: what lies between a few probes and little memory. */
const LOAD_MAX = 5 / 8;
/** 2^32 divided by the golden ratio; odd, as it must be. */
const GOLDEN = 0x9e37_79b1;

export class IdTable {
  entries = new Int32Array(ENTRIES_MIN).fill(EMPTY);
  mask = ENTRIES_MIN - 1;
  /** By id, for those that are in. */
  hashes = new Int32Array(ENTRIES_MIN);
  /** What is left of a product's 32 bits is the number of an entry. */
  #shift = Math.clz32(ENTRIES_MIN - 1);
  #count = 0;

  get byteLength(): number {
    return this.entries.byteLength + this.hashes.byteLength;
  }

  /** Where a hash of 32 bits is looked for first. */
  home(hash: number): number {
    return Math.imul(hash, GOLDEN) >>> this.#shift;
  }

  /** Puts in an id that is not in. */
  add(id: number, hash: number): void {
    if (this.#count + 1 > this.entries.length * LOAD_MAX) this.#resize(2 * this.entries.length);
    if (id >= this.hashes.length) this.#growIds(id);
    this.hashes[id] = hash;
    this.#place(id);
    this.#count++;
  }

  /** Takes out an id that is in. */
  remove(id: number): void {
    const { entries, mask, hashes } = this;
    let hole = this.home(hashes[id] as number);
    while (entries[hole] !== id) hole = (hole + 1) & mask;
    let at = hole;
    for (;;) {
      at = (at + 1) & mask;
      const moved = entries[at] as number;
      if (moved === EMPTY) break;
      const home = this.home(hashes[moved] as number);
      // Whether its home lies behind the hole: then it may not move in front of it.
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      entries[hole] = moved;
      hole = at;
    }
    entries[hole] = EMPTY;
    this.#count--;
    const half = entries.length / 2;
    if (half >= ENTRIES_MIN && this.#count < (half * LOAD_MAX) / 4) this.#resize(half);
  }

  #place(id: number): void {
    const { entries, mask } = this;
    let at = this.home(this.hashes[id] as number);
    while (entries[at] !== EMPTY) at = (at + 1) & mask;
    entries[at] = id;
  }

  #resize(size: number): void {
    const former = this.entries;
    this.entries = new Int32Array(size).fill(EMPTY);
    this.mask = size - 1;
    this.#shift = Math.clz32(size - 1);
    for (let at = 0; at < former.length; at++) {
      const id = former[at] as number;
      if (id !== EMPTY) this.#place(id);
    }
  }

  #growIds(id: number): void {
    const hashes = new Int32Array(Math.max(id + 1, 2 * this.hashes.length));
    hashes.set(this.hashes);
    this.hashes = hashes;
  }
}
