/**
 * A part of the rows of a bounded table: where the last record of each key is, by a hash of the key.
 *
 * @hot Columns of numbers, no object per key. Linear probing from the home that the second word of the hash
 * says; what stands behind a row that goes moves up, so that a search ends at the first free slot.
 */
import { assert } from '../core/assert.ts';

const WORDS = 3;
const SLOTS_MIN = 16;
const SLOT_BYTES = WORDS * 4 + 8 + 8 + 2;
/** Beyond it searches get long. */
const LOAD_MAX = 0.85;
const FREE = 0;
const NONE = -1;

/** 96 bits of hash. */
export interface RowHash {
  readonly high: number;
  readonly low: number;
  readonly third: number;
}

export class RowShard {
  /** Rows in it. */
  count = 0;
  /** Three to a slot. */
  #words = new Uint32Array(WORDS * SLOTS_MIN);
  #offsets = new Float64Array(SLOTS_MIN);
  #timesMs = new Float64Array(SLOTS_MIN);
  /** One more than the partition; `FREE` = the slot is. */
  #partitions = new Uint16Array(SLOTS_MIN);
  /** Of each that marks rows, a byte to a slot. */
  readonly #marks = new Map<object, Uint8Array>();

  get byteLength(): number {
    return this.#partitions.length * (SLOT_BYTES + this.#marks.size);
  }

  /** Where the row is; -1 = there is none. A slot is good until the next change. */
  find({ high, low, third }: RowHash): number {
    const words = this.#words;
    const partitions = this.#partitions;
    const mask = partitions.length - 1;
    for (let slot = low & mask; partitions[slot] !== FREE; slot = (slot + 1) & mask) {
      const at = WORDS * slot;
      if (words[at] === high && words[at + 1] === low && words[at + 2] === third) return slot;
    }
    return NONE;
  }

  partitionAt(slot: number): number {
    return (this.#partitions[slot] ?? FREE) - 1;
  }

  offsetAt(slot: number): number {
    return this.#offsets[slot] ?? NONE;
  }

  timeAt(slot: number): number {
    return this.#timesMs[slot] ?? NONE;
  }

  /** From now on rows may be marked by `by`; none is. A mark stays with its row wherever that goes. */
  beginMarks(by: object): void {
    this.#marks.set(by, new Uint8Array(this.#partitions.length));
  }

  endMarks(by: object): void {
    this.#marks.delete(by);
  }

  mark(by: object, slot: number): void {
    this.#marks.get(by)?.fill(1, slot, slot + 1);
  }

  isMarked(by: object, slot: number): boolean {
    return this.#marks.get(by)?.[slot] === 1;
  }

  /** Adds a row, or sets where it is. */
  put(
    hash: RowHash,
    place: { readonly partition: number; readonly offset: number; readonly appendTimeMs: number },
  ): void {
    let slot = this.find(hash);
    if (slot === NONE) {
      if (this.count + 1 > this.#partitions.length * LOAD_MAX) this.#resize(() => true);
      slot = this.#free(hash.low);
      this.#words.set([hash.high, hash.low, hash.third], WORDS * slot);
      this.count++;
    }
    this.#offsets[slot] = place.offset;
    this.#timesMs[slot] = place.appendTimeMs;
    this.#partitions[slot] = place.partition + 1;
  }

  delete(slot: number): void {
    const partitions = this.#partitions;
    const mask = partitions.length - 1;
    let hole = slot;
    for (let next = (slot + 1) & mask; partitions[next] !== FREE; next = (next + 1) & mask) {
      const home = (this.#words[WORDS * next + 1] ?? 0) & mask;
      // One whose home lies behind the hole, up to where it stands, must stay.
      if (((next - home) & mask) < ((next - hole) & mask)) continue;
      this.#move(next, hole);
      hole = next;
    }
    partitions[hole] = FREE;
    for (const marks of this.#marks.values()) marks[hole] = 0;
    this.count--;
  }

  clear(): void {
    this.#resize(() => false);
  }

  /** Forgets rows of records below the offset that stands for their partition, and memory where most go. */
  drop(floors: readonly number[]): void {
    const isBelow = (slot: number): boolean => {
      const partition = this.partitionAt(slot);
      return partition !== NONE && this.offsetAt(slot) < (floors[partition] ?? 0);
    };
    let below = 0;
    for (let slot = 0; slot < this.slotCount; slot++) if (isBelow(slot)) below++;
    if (below > this.count / 2) this.#resize((slot) => !isBelow(slot));
    else if (below > 0) this.#deleteEach(isBelow);
  }

  get slotCount(): number {
    return this.#partitions.length;
  }

  #deleteEach(goes: (slot: number) => boolean): void {
    for (let slot = 0; slot < this.slotCount; slot++) {
      while (goes(slot)) this.delete(slot); // One from behind it may stand there now.
    }
  }

  #free(low: number): number {
    const partitions = this.#partitions;
    const mask = partitions.length - 1;
    let slot = low & mask;
    while (partitions[slot] !== FREE) slot = (slot + 1) & mask;
    return slot;
  }

  #move(from: number, to: number): void {
    this.#words.copyWithin(WORDS * to, WORDS * from, WORDS * (from + 1));
    this.#offsets.copyWithin(to, from, from + 1);
    this.#timesMs.copyWithin(to, from, from + 1);
    this.#partitions.copyWithin(to, from, from + 1);
    for (const marks of this.#marks.values()) marks.copyWithin(to, from, from + 1);
  }

  /** Into columns that fit those that stay, and as many again. */
  #resize(stays: (slot: number) => boolean): void {
    const partitions = this.#partitions;
    const kept: number[] = [];
    for (let slot = 0; slot < partitions.length; slot++) {
      if (partitions[slot] !== FREE && stays(slot)) kept.push(slot);
    }
    const words = this.#words;
    const offsets = this.#offsets;
    const timesMs = this.#timesMs;
    const marksBefore = [...this.#marks];
    let slots = SLOTS_MIN;
    while (slots * LOAD_MAX < 1.5 * kept.length + 1) slots *= 2;
    this.#words = new Uint32Array(WORDS * slots);
    this.#offsets = new Float64Array(slots);
    this.#timesMs = new Float64Array(slots);
    this.#partitions = new Uint16Array(slots);
    for (const [by] of marksBefore) this.#marks.set(by, new Uint8Array(slots));
    this.count = kept.length;
    for (const slot of kept) {
      const at = WORDS * slot;
      const to = this.#free(words[at + 1] ?? 0);
      this.#words.set(words.subarray(at, at + WORDS), WORDS * to);
      this.#offsets[to] = offsets[slot] ?? 0;
      this.#timesMs[to] = timesMs[slot] ?? 0;
      this.#partitions[to] = partitions[slot] ?? FREE;
      for (const [by, marks] of marksBefore) if (marks[slot] === 1) this.mark(by, to);
    }
    assert(this.count < slots, 'a search ends at a free slot');
  }
}
