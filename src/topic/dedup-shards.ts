/**
 * The shards of one generation of a dedup table: which of them an entry is in, and how large each is.
 *
 * Each grows by itself, so no caller waits for more than a thousandth of a table. The sizes of each lie
 * between those of the first, a little further on from shard to shard: they have about as many entries, so
 * all would otherwise grow at the same time, and be half empty at the same time.
 */
import { DedupShard, LOAD_MAX, SLOTS, type ShardPlace } from './dedup-shard.ts';
import { PlaceFloors } from './place-floors.ts';

/** By the ten upper bits of a fingerprint, which need no room then: 42 of its 64 are compared. */
export const SHARDS = 1024;
const SHIFT = 22;
/** From one size of a shard to the next. */
const GROWTH = 1.3;
/** Of what is not forgotten: a full shard that has more grows, one with less is purged. */
const LOAD_TO_GROW = 0.65;
/** A shard that has less is made smaller, but not so much that it grows again soon. */
const LOAD_TO_SHRINK = 0.3;
const LOAD_SHRUNK = 0.5;
/** With less, a smaller one is worth its making when memory is short. */
const LOAD_TIGHT = 0.6;

/** How much memory a sweep gives back. */
export type SweepWay = 'loose' | 'tight';

/** Words of fingerprints whose homes are fetched before they are looked at. */
const TOUCHED_WORDS = 512;

const NONE = -1;
const NOTHING: readonly ShardPlace[] = [];

export class DedupShards {
  /** Of the generation. */
  readonly number: number;
  readonly floors = new PlaceFloors();
  readonly #shards: (DedupShard | null)[] = Array.from({ length: SHARDS }, () => null);
  /** Entries that a new shard has room for. */
  #expected = 0;
  /** What was read to be at hand: kept, lest the engine leaves the reading out. */
  touched = 0;

  constructor(number: number) {
    this.number = number;
  }

  /** Entries, with those that are forgotten and still there. O(shards), as the next one. */
  get count(): number {
    return this.#shards.reduce((sum, shard) => sum + (shard?.count ?? 0), 0);
  }

  get byteLength(): number {
    return this.#shards.reduce((sum, shard) => sum + (shard?.byteLength ?? 0), SHARDS * 8);
  }

  /** Until the next sweep, a shard that is made has room for its part of so many entries. */
  reserve(count: number): void {
    const mean = count / SHARDS;
    this.#expected = mean + 3 * Math.sqrt(mean); // One of a thousand has more.
  }

  /** As of the table. */
  firstSuspect(fingerprints: Uint32Array, from: number): number {
    const shards = this.#shards;
    for (let first = 2 * from; first < fingerprints.length; first += TOUCHED_WORDS) {
      const end = Math.min(fingerprints.length, first + TOUCHED_WORDS);
      this.touched = this.#touch(fingerprints, first, end);
      for (let at = first; at < end; at += 2) {
        const high = fingerprints[at] ?? 0;
        const low = fingerprints[at + 1] ?? 0;
        if ((high | low) === 0) continue;
        const shard = shards[high >>> SHIFT] ?? null;
        if (shard !== null && shard.mayHave(low)) return at >>> 1;
      }
    }
    return NONE;
  }

  /**
   * Reads from the homes of many in a row, which nothing hangs on: so their ways from the memory overlap.
   * One after the other they are most of what a look-up takes.
   */
  #touch(fingerprints: Uint32Array, from: number, end: number): number {
    const shards = this.#shards;
    let read = 0;
    for (let at = from; at < end; at += 2) {
      const shard = shards[(fingerprints[at] ?? 0) >>> SHIFT] ?? null;
      if (shard !== null) read ^= shard.touch(fingerprints[at + 1] ?? 0);
    }
    return read;
  }

  /** As of its shard. */
  find(high: number, low: number): readonly ShardPlace[] {
    return this.#shards[high >>> SHIFT]?.find(low) ?? NOTHING;
  }

  /** O(1) amortised. */
  add(high: number, low: number, place: number, partition: number): void {
    const index = high >>> SHIFT;
    let shard = this.#shards[index] ?? null;
    if (shard === null || shard.isFull) shard = this.#makeRoom(index, shard);
    shard.add(low, place, partition);
  }

  /** As of the table; the first one has that place. */
  addRunNew(fingerprints: Uint32Array, place: number, partition: number): number {
    for (let at = 0; at < fingerprints.length; at += 2) {
      const high = fingerprints[at] ?? 0;
      const low = fingerprints[at + 1] ?? 0;
      if ((high | low) === 0) continue;
      const index = high >>> SHIFT;
      let shard = this.#shards[index] ?? null;
      if (shard === null || shard.isFull) shard = this.#makeRoom(index, shard);
      if (!shard.addNew(low, place + (at >>> 1), partition)) return at >>> 1;
    }
    return NONE;
  }

  /** As of its shard. */
  replace(high: number, low: number, before: ShardPlace, after: ShardPlace): boolean {
    return this.#shards[high >>> SHIFT]?.replace(low, before, after) ?? false;
  }

  /** As of the table; the first one has that place. */
  addRun(fingerprints: Uint32Array, place: number, partition: number): void {
    for (let at = 0; at < fingerprints.length; at += 2) {
      const high = fingerprints[at] ?? 0;
      const low = fingerprints[at + 1] ?? 0;
      if ((high | low) !== 0) this.add(high, low, place + (at >>> 1), partition);
    }
  }

  /** Gives back the room of what is forgotten in one shard, and memory if it is hardly used. */
  sweep(index: number, how: SweepWay = 'loose'): void {
    this.#expected = 0;
    const shard = this.#shards[index] ?? null;
    if (shard === null) return;
    shard.purge();
    const { count, slots } = shard;
    if (count === 0) this.#shards[index] = null;
    else if (how === 'loose') {
      if (count < slots * LOAD_TO_SHRINK) this.#resize(index, shard, count / LOAD_SHRUNK);
    } else if (count < slots * LOAD_TIGHT) this.#resize(index, shard, count / LOAD_TO_GROW);
  }

  #makeRoom(index: number, shard: DedupShard | null): DedupShard {
    if (shard === null) {
      const made = new DedupShard(bucketsFor(index, this.#expected / LOAD_MAX), this.floors);
      this.#shards[index] = made;
      return made;
    }
    shard.purge();
    const { count, slots } = shard;
    return count > slots * LOAD_TO_GROW ? this.#resize(index, shard, count / LOAD_TO_GROW) : shard;
  }

  #resize(index: number, shard: DedupShard, slotsMin: number): DedupShard {
    const remade = shard.remade(bucketsFor(index, slotsMin));
    this.#shards[index] = remade;
    return remade;
  }
}

/** The smallest size of that shard with so many slots, in buckets. */
function bucketsFor(index: number, slotsMin: number): number {
  const first = GROWTH ** (index / SHARDS);
  for (let size = first; ; size *= GROWTH) {
    const buckets = Math.ceil(size);
    if (buckets * SLOTS >= slotsMin) return buckets;
  }
}
