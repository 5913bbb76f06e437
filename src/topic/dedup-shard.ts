/**
 * One of the shards of a dedup table: places of records by the low lanes of their fingerprints.
 *
 * @hot A bucket has seven slots, and a word beside their lanes with its count and a mark. Looking for what
 * is not there, which is what nearly all look-ups do, reads one line of the cache and nothing else, so no
 * filter stands in front. Who finds the bucket of its home full goes to the next that is not, and marks
 * those that it passes; a look-up ends at the first without a mark. What is marked is full: buckets only
 * fill, except when all of them are purged.
 *
 * Bytes per slot: 8.6, and 2 for the partition if any record is of another one than the first.
 *
 * What lies below the floor of its partition is forgotten: not found, and left out when the shard is purged
 * or made again.
 */
import { assert } from '../core/assert.ts';
import type { PlaceFloors } from './place-floors.ts';

/** Of a bucket. */
export const SLOTS = 7;
/** Of a bucket, as a shift: its lanes and the word. */
const WORDS = 3;
const STATE = 7;
const COUNT_MASK = 7;
const PASSED = 8;
const U32 = 2 ** 32;
/** With more, too many buckets would be full, and every look-up there goes on to the next one. */
export const LOAD_MAX = 0.75;
/** Of an object with its arrays, without what is in them. */
const OBJECT_BYTES = 400;

const NO_COLUMN = new Uint16Array(0);

/** Where a record is, as a shard knows it. */
export interface ShardPlace {
  readonly partition: number;
  readonly place: number;
}

export class DedupShard {
  readonly #floors: PlaceFloors;
  /** Of the floors, when nothing below them was in. */
  #version: number;
  readonly #buckets: number;
  /** Entries that the shard takes. */
  readonly #limit: number;
  readonly #lows: Uint32Array;
  readonly #places: Uint32Array;
  /** Empty as long as all are of partition 0. */
  #partitions = NO_COLUMN;
  #count = 0;

  constructor(buckets: number, floors: PlaceFloors) {
    this.#floors = floors;
    this.#version = floors.version;
    this.#buckets = buckets;
    this.#limit = Math.floor(buckets * SLOTS * LOAD_MAX);
    this.#lows = new Uint32Array(buckets << WORDS);
    this.#places = new Uint32Array(buckets * SLOTS);
  }

  /** Entries, with those that are forgotten and still there. */
  get count(): number {
    return this.#count;
  }

  get slots(): number {
    return this.#buckets * SLOTS;
  }

  get isFull(): boolean {
    return this.#count >= this.#limit;
  }

  get byteLength(): number {
    const { byteLength } = this.#lows;
    return OBJECT_BYTES + byteLength + this.#places.byteLength + this.#partitions.byteLength;
  }

  /** Whether there is an entry with that lane. It may be a forgotten one, or the lane an empty slot's. */
  mayHave(low: number): boolean {
    const lows = this.#lows;
    // Ends, as all loops over buckets: a quarter of the slots is free, so one has no mark.
    for (let bucket = this.#homeOf(low); ; bucket = this.#after(bucket)) {
      const at = bucket << WORDS;
      if (
        lows[at] === low ||
        lows[at + 1] === low ||
        lows[at + 2] === low ||
        lows[at + 3] === low ||
        lows[at + 4] === low ||
        lows[at + 5] === low ||
        lows[at + 6] === low
      ) {
        return true;
      }
      if (((lows[at + STATE] as number) & PASSED) === 0) return false;
    }
  }

  /** The entries with that lane that are not forgotten, in no order. */
  find(low: number): ShardPlace[] {
    const lows = this.#lows;
    const found: ShardPlace[] = [];
    for (let bucket = this.#homeOf(low); ; bucket = this.#after(bucket)) {
      const state = lows[(bucket << WORDS) + STATE] as number;
      for (let slot = 0; slot < (state & COUNT_MASK); slot++) {
        const at = bucket * SLOTS + slot;
        if (lows[(bucket << WORDS) + slot] !== low || this.#isForgotten(at)) continue;
        found.push({ partition: this.#partitionAt(at), place: this.#places[at] as number });
      }
      if ((state & PASSED) === 0) return found;
    }
  }

  /** Adds an entry; the shard must not be full. */
  add(low: number, place: number, partition: number): void {
    this.#put(low, place, partition);
    this.#count++;
  }

  /**
   * Takes out what is forgotten, and brings home who finds room there. No memory is allocated.
   *
   * One round, bucket by bucket, from one that nobody has passed to. Who is not at home is put in again
   * where all buckets from there on are done; marks are set as they are needed.
   */
  purge(): void {
    if (this.#version === this.#floors.version) return;
    this.#version = this.#floors.version;
    const lows = this.#lows;
    const first = this.#firstUnpassed();
    this.#count = 0;
    let isPassed = false;
    let bucket = first;
    do {
      const at = (bucket << WORDS) + STATE;
      const state = lows[at] as number;
      const kept = this.#compact(bucket, state & COUNT_MASK);
      lows[at] = kept;
      this.#count += kept;
      if (isPassed) this.#bringHome(bucket);
      isPassed = (state & PASSED) !== 0;
      bucket = this.#after(bucket);
    } while (bucket !== first);
  }

  /** A shard of another size with what is not forgotten. */
  remade(buckets: number): DedupShard {
    const shard = new DedupShard(buckets, this.#floors);
    const lows = this.#lows;
    for (let bucket = 0; bucket < this.#buckets; bucket++) {
      const used = (lows[(bucket << WORDS) + STATE] as number) & COUNT_MASK;
      for (let slot = 0; slot < used; slot++) {
        const at = bucket * SLOTS + slot;
        if (this.#isForgotten(at)) continue;
        const low = lows[(bucket << WORDS) + slot] as number;
        shard.add(low, this.#places[at] as number, this.#partitionAt(at));
      }
    }
    return shard;
  }

  /** A bucket that no entry has passed to from the one before. */
  #firstUnpassed(): number {
    for (let bucket = 0; bucket < this.#buckets; bucket++) {
      if (((this.#lows[(bucket << WORDS) + STATE] as number) & PASSED) === 0) {
        return this.#after(bucket);
      }
    }
    return throwPassed();
  }

  /** Moves what is not forgotten of so many entries to the first slots of a bucket; how many that are. */
  #compact(bucket: number, used: number): number {
    const places = this.#places;
    const partitions = this.#partitions;
    const floors = this.#floors.places;
    const hasColumn = partitions.length > 0;
    const first = bucket * SLOTS;
    let floor = floors[0] as number;
    let kept = 0;
    for (let slot = 0; slot < used; slot++) {
      if (hasColumn) floor = floors[partitions[first + slot] as number] as number;
      if ((places[first + slot] as number) < floor) continue;
      if (slot !== kept) this.#move(bucket, slot, kept);
      kept++;
    }
    return kept;
  }

  /** Puts those of a bucket that have another home in again, from there on. */
  #bringHome(bucket: number): void {
    const lows = this.#lows;
    const state = (bucket << WORDS) + STATE;
    // Downwards: the last one, which takes the slot of one that goes, was looked at before.
    for (let slot = ((lows[state] as number) & COUNT_MASK) - 1; slot >= 0; slot--) {
      const low = lows[(bucket << WORDS) + slot] as number;
      if (this.#homeOf(low) === bucket) continue;
      const place = this.#places[bucket * SLOTS + slot] as number;
      const partition = this.#partitionAt(bucket * SLOTS + slot);
      const last = ((lows[state] as number) & COUNT_MASK) - 1;
      if (slot !== last) this.#move(bucket, last, slot);
      lows[state] = (lows[state] as number) - 1;
      this.#put(low, place, partition);
    }
  }

  #move(bucket: number, from: number, to: number): void {
    const lows = this.#lows;
    const places = this.#places;
    const partitions = this.#partitions;
    const first = bucket * SLOTS;
    lows[(bucket << WORDS) + to] = lows[(bucket << WORDS) + from] as number;
    places[first + to] = places[first + from] as number;
    if (partitions.length > 0) partitions[first + to] = partitions[first + from] as number;
  }

  #put(low: number, place: number, partition: number): void {
    const lows = this.#lows;
    let bucket = this.#homeOf(low);
    let state = lows[(bucket << WORDS) + STATE] as number;
    while ((state & COUNT_MASK) === SLOTS) {
      lows[(bucket << WORDS) + STATE] = state | PASSED;
      bucket = this.#after(bucket);
      state = lows[(bucket << WORDS) + STATE] as number;
    }
    const slot = state & COUNT_MASK;
    const at = bucket * SLOTS + slot;
    lows[(bucket << WORDS) + slot] = low;
    lows[(bucket << WORDS) + STATE] = state + 1;
    this.#places[at] = place;
    if (this.#partitions.length > 0) this.#partitions[at] = partition;
    else if (partition !== 0) this.#addColumn(at, partition);
  }

  #addColumn(at: number, partition: number): void {
    this.#partitions = new Uint16Array(this.#places.length);
    this.#partitions[at] = partition;
  }

  #isForgotten(at: number): boolean {
    const floor = this.#floors.places[this.#partitionAt(at)] as number;
    return (this.#places[at] as number) < floor;
  }

  #partitionAt(at: number): number {
    return this.#partitions.length === 0 ? 0 : (this.#partitions[at] as number);
  }

  #homeOf(low: number): number {
    return Math.floor((low / U32) * this.#buckets);
  }

  #after(bucket: number): number {
    return bucket + 1 === this.#buckets ? 0 : bucket + 1;
  }
}

/** Cold on purpose: building a message must not bloat its caller. */
function throwPassed(): never {
  assert(false, 'a bucket has room');
}
