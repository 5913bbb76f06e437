/**
 * One of the shards of a dedup table: places of records by the low lanes of their fingerprints.
 *
 * @hot A bucket has seven slots: their lanes, a word with its count and a mark, their places, and a word
 * more: 64 bytes. What is left of the two words has the partitions of the slots, a byte each. Looking for what is not there, which is what nearly all look-ups do, reads half of
 * that and nothing else, so no filter stands in front; to add it touches the other half. Who finds the bucket
 * of its home full goes to the next that is not, and marks those that it passes; a look-up ends at the first
 * without a mark. What is marked is full: buckets only fill, except when all of them are purged.
 *
 * Bytes per slot: 9.1, and 2 for the partition if any record is of one above 255.
 *
 * What lies below the floor of its partition is forgotten: not found, and left out when the shard is purged
 * or made again.
 */
import { assert } from '../core/assert.ts';
import type { PlaceFloors } from './place-floors.ts';

/** Of a bucket. */
export const SLOTS = 7;
/** Of a bucket, as a shift. */
const WORDS = 4;
/** Where things are in a bucket: its lanes come first. */
const STATE = 7;
const PLACES = 8;
const LAST = 15;
const COUNT_MASK = 7;
const PASSED = 8;
/** Of the word with the count, what is of the bucket itself: the rest are partitions. */
const OWN_MASK = 255;
/** Slots below it have their partitions in the last word. */
const SLOTS_IN_LAST = 4;
const BYTE_MAX = 255;
const FOUND = -1;
const U32 = 2 ** 32;
/** With more, too many buckets would be full, and every look-up there goes on to the next one. */
export const LOAD_MAX = 0.75;
/** On the heap, of an object with its array, without what is in that. */
const OBJECT_BYTES = 280;

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
  readonly #words: Uint32Array;
  /** Whether there was another partition than 0: as long as there was none, nobody looks. */
  #isMixed = false;
  /** By slot; empty as long as all fit the buckets. */
  #partitions = NO_COLUMN;
  #count = 0;

  constructor(buckets: number, floors: PlaceFloors) {
    this.#floors = floors;
    this.#version = floors.version;
    this.#buckets = buckets;
    this.#limit = Math.floor(buckets * SLOTS * LOAD_MAX);
    this.#words = new Uint32Array(buckets << WORDS);
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
    return OBJECT_BYTES + this.#words.byteLength + this.#partitions.byteLength;
  }

  /** Whether there is an entry with that lane. It may be a forgotten one, or the lane an empty slot's. */
  mayHave(low: number): boolean {
    return this.#lastBucketOf(low) === FOUND;
  }

  /** Reads from both halves of the home of that lane, so that they are at hand. */
  touch(low: number): number {
    const first = this.#homeOf(low) << WORDS;
    return (this.#words[first + STATE] as number) ^ (this.#words[first + LAST] as number);
  }

  /** The entries with that lane that are not forgotten, in no order. */
  find(low: number): ShardPlace[] {
    const words = this.#words;
    const found: ShardPlace[] = [];
    for (let bucket = this.#homeOf(low); ; bucket = this.#after(bucket)) {
      const first = bucket << WORDS;
      const state = words[first + STATE] as number;
      for (let slot = 0; slot < (state & COUNT_MASK); slot++) {
        if (words[first + slot] !== low) continue;
        const place = words[first + PLACES + slot] as number;
        const partition = this.#partitionAt(bucket, slot);
        if (!this.#isForgotten(place, partition)) found.push({ partition, place });
      }
      if ((state & PASSED) === 0) return found;
    }
  }

  /** Adds an entry; the shard must not be full. */
  add(low: number, place: number, partition: number): void {
    this.#put(this.#homeOf(low), low, place, partition);
    this.#count++;
  }

  /** The same unless there may be one with that lane, as `mayHave` has it. @returns whether it was added */
  addNew(low: number, place: number, partition: number): boolean {
    const bucket = this.#lastBucketOf(low);
    if (bucket === FOUND) return false;
    this.#put(bucket, low, place, partition);
    this.#count++;
    return true;
  }

  /** Says where the record of an entry is now. @returns false when there is none of that place */
  replace(low: number, before: ShardPlace, after: ShardPlace): boolean {
    const words = this.#words;
    for (let bucket = this.#homeOf(low); ; bucket = this.#after(bucket)) {
      const first = bucket << WORDS;
      const state = words[first + STATE] as number;
      for (let slot = 0; slot < (state & COUNT_MASK); slot++) {
        if (words[first + slot] !== low || words[first + PLACES + slot] !== before.place) continue;
        if (this.#partitionAt(bucket, slot) !== before.partition) continue;
        words[first + PLACES + slot] = after.place;
        this.#setPartition(bucket, slot, after.partition);
        return true;
      }
      if ((state & PASSED) === 0) return false;
    }
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
    const words = this.#words;
    const first = this.#firstUnpassed();
    this.#count = 0;
    let isPassed = false;
    let bucket = first;
    do {
      const at = (bucket << WORDS) + STATE;
      const state = words[at] as number;
      const kept = this.#compact(bucket, state & COUNT_MASK);
      words[at] = ((words[at] as number) & ~OWN_MASK) | kept; // Its partitions may have moved.
      this.#count += kept;
      if (isPassed) this.#bringHome(bucket);
      isPassed = (state & PASSED) !== 0;
      bucket = this.#after(bucket);
    } while (bucket !== first);
  }

  /** A shard of another size with what is not forgotten. */
  remade(buckets: number): DedupShard {
    const shard = new DedupShard(buckets, this.#floors);
    const words = this.#words;
    for (let bucket = 0; bucket < this.#buckets; bucket++) {
      const first = bucket << WORDS;
      const used = (words[first + STATE] as number) & COUNT_MASK;
      for (let slot = 0; slot < used; slot++) {
        const place = words[first + PLACES + slot] as number;
        const partition = this.#partitionAt(bucket, slot);
        if (this.#isForgotten(place, partition)) continue;
        shard.add(words[first + slot] as number, place, partition);
      }
    }
    return shard;
  }

  /** The bucket at which a look-up of that lane ends; `FOUND` when it was there, or may be. */
  #lastBucketOf(low: number): number {
    const words = this.#words;
    // Ends, as all loops over buckets: a quarter of the slots is free, so one has no mark.
    for (let bucket = this.#homeOf(low); ; bucket = this.#after(bucket)) {
      const at = bucket << WORDS;
      if (
        words[at] === low ||
        words[at + 1] === low ||
        words[at + 2] === low ||
        words[at + 3] === low ||
        words[at + 4] === low ||
        words[at + 5] === low ||
        words[at + 6] === low
      ) {
        return FOUND;
      }
      if (((words[at + STATE] as number) & PASSED) === 0) return bucket;
    }
  }

  /** A bucket that no entry has passed to from the one before. */
  #firstUnpassed(): number {
    for (let bucket = 0; bucket < this.#buckets; bucket++) {
      if (((this.#words[(bucket << WORDS) + STATE] as number) & PASSED) === 0) {
        return this.#after(bucket);
      }
    }
    return throwPassed();
  }

  /** Moves what is not forgotten of so many entries to the first slots of a bucket; how many that are. */
  #compact(bucket: number, used: number): number {
    const words = this.#words;
    const floors = this.#floors.places;
    const firstPlace = (bucket << WORDS) + PLACES;
    let floor = floors[0] as number;
    let kept = 0;
    for (let slot = 0; slot < used; slot++) {
      if (this.#isMixed) floor = floors[this.#partitionAt(bucket, slot)] as number;
      if ((words[firstPlace + slot] as number) < floor) continue;
      if (slot !== kept) this.#move(bucket, slot, kept);
      kept++;
    }
    return kept;
  }

  /** Puts those of a bucket that have another home in again, from there on. */
  #bringHome(bucket: number): void {
    const words = this.#words;
    const first = bucket << WORDS;
    const state = first + STATE;
    // Downwards: the last one, which takes the slot of one that goes, was looked at before.
    for (let slot = ((words[state] as number) & COUNT_MASK) - 1; slot >= 0; slot--) {
      const low = words[first + slot] as number;
      const home = this.#homeOf(low);
      if (home === bucket) continue;
      const place = words[first + PLACES + slot] as number;
      const partition = this.#partitionAt(bucket, slot);
      const last = ((words[state] as number) & COUNT_MASK) - 1;
      if (slot !== last) this.#move(bucket, last, slot);
      words[state] = (words[state] as number) - 1;
      this.#put(home, low, place, partition);
    }
  }

  #move(bucket: number, from: number, to: number): void {
    const words = this.#words;
    const first = bucket << WORDS;
    words[first + to] = words[first + from] as number;
    words[first + PLACES + to] = words[first + PLACES + from] as number;
    if (this.#isMixed) this.#setPartition(bucket, to, this.#partitionAt(bucket, from));
  }

  /** Into the first bucket with room from `home` on, or from where a look-up has ended. */
  #put(home: number, low: number, place: number, partition: number): void {
    const words = this.#words;
    let bucket = home;
    let state = words[(bucket << WORDS) + STATE] as number;
    while ((state & COUNT_MASK) === SLOTS) {
      words[(bucket << WORDS) + STATE] = state | PASSED;
      bucket = this.#after(bucket);
      state = words[(bucket << WORDS) + STATE] as number;
    }
    const slot = state & COUNT_MASK;
    const first = bucket << WORDS;
    words[first + slot] = low;
    words[first + STATE] = state + 1;
    words[first + PLACES + slot] = place;
    this.#setPartition(bucket, slot, partition);
  }

  #setPartition(bucket: number, slot: number, partition: number): void {
    if (!this.#isMixed) {
      if (partition === 0) return;
      this.#isMixed = true;
    }
    if (partition > BYTE_MAX && this.#partitions.length === 0) this.#makeColumn();
    if (this.#partitions.length > 0) {
      this.#partitions[bucket * SLOTS + slot] = partition;
      return;
    }
    const at = partitionWord(bucket, slot);
    const shift = partitionShift(slot);
    this.#words[at] = ((this.#words[at] as number) & ~(BYTE_MAX << shift)) | (partition << shift);
  }

  #makeColumn(): void {
    const column = new Uint16Array(this.#buckets * SLOTS);
    for (let at = 0; at < column.length; at++) {
      column[at] = this.#partitionAt(Math.floor(at / SLOTS), at % SLOTS);
    }
    this.#partitions = column;
  }

  #isForgotten(place: number, partition: number): boolean {
    return place < (this.#floors.places[partition] as number);
  }

  #partitionAt(bucket: number, slot: number): number {
    if (!this.#isMixed) return 0;
    if (this.#partitions.length > 0) return this.#partitions[bucket * SLOTS + slot] as number;
    const word = this.#words[partitionWord(bucket, slot)] as number;
    return (word >>> partitionShift(slot)) & BYTE_MAX;
  }

  #homeOf(low: number): number {
    return Math.floor((low / U32) * this.#buckets);
  }

  #after(bucket: number): number {
    return bucket + 1 === this.#buckets ? 0 : bucket + 1;
  }
}

/** Which word has the partition of a slot, and where in it. */
function partitionWord(bucket: number, slot: number): number {
  return (bucket << WORDS) + (slot < SLOTS_IN_LAST ? LAST : STATE);
}

function partitionShift(slot: number): number {
  return (slot < SLOTS_IN_LAST ? slot : slot - SLOTS_IN_LAST + 1) * 8;
}

/** Cold on purpose: building a message must not bloat its caller. */
function throwPassed(): never {
  assert(false, 'a bucket has room');
}
