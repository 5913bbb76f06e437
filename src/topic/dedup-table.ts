/**
 * Where the records of a topic are whose ids, or whose content, must not be stored again: by fingerprint,
 * for all partitions together. In memory, and pure: no disk, no clock.
 *
 * @hot A thousand shards of typed arrays; `test/support/reference/dedup-table.ts` is the slow twin. What is
 * found are candidates: only the record itself can say whether it has that id.
 *
 * An entry has 32 bits for its record's offset, less what its partition began with. Where a partition goes
 * on for longer, entries are in another generation of shards, each of which is asked; the one before ends
 * when nothing in it counts any more.
 *
 * Bytes per entry, of many: 14 to 16, and 3 more where there are more than 256 partitions.
 */
import { assert } from '../core/assert.ts';
import type { ShardPlace } from './dedup-shard.ts';
import { DedupShards, SHARDS, type SweepWay } from './dedup-shards.ts';

/** One less than 32 bits tell, so that a floor can be above all places. */
const SPAN = 2 ** 32 - 1;
const PARTITIONS_MAX = 2 ** 16;
const NONE = -1;

/** Where a record is that may be the one. */
export interface DedupPlace {
  readonly partition: number;
  readonly offset: number;
}

export class DedupTable {
  /** Offsets of a partition that a generation covers. */
  readonly #span: number;
  /** In no order. Most tables have one, which has all partitions. */
  #generations: DedupShards[] = [];
  /** By partition; `NONE` = it has not begun. Places count from the base, entries from the start. */
  readonly #bases: number[] = [];
  readonly #starts: number[] = [];
  #expected = 0;
  /** The shard that is swept next. */
  #swept = 0;

  /** @param span  less in tests alone */
  constructor(span = SPAN) {
    assert(span > 0 && span <= SPAN, 'a place has 32 bits');
    this.#span = span;
  }

  /** Entries, with such as are forgotten and still there. O(shards), as the next one. */
  get count(): number {
    return this.#generations.reduce((sum, generation) => sum + generation.count, 0);
  }

  /** Memory of all arrays, and about that of the objects around them. */
  get byteLength(): number {
    return this.#generations.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  /** From now on a partition can have entries, of records from `offset` on: none below will ever count. */
  begin(partition: number, offset: number): void {
    assert(partition < PARTITIONS_MAX, 'a partition has 16 bits');
    assert((this.#starts[partition] ?? NONE) === NONE, 'a partition begins once');
    while (this.#starts.length <= partition) {
      this.#bases.push(NONE);
      this.#starts.push(NONE);
    }
    this.#bases[partition] = offset;
    this.#starts[partition] = offset;
    for (const generation of this.#generations) this.#setFloor(generation, partition);
  }

  /**
   * So many entries are about to be added to an empty table, by and large: it need not grow meanwhile.
   * They may be added in any order; shard by shard, which is by the ten upper bits, is quickest by far.
   */
  reserve(count: number): void {
    this.#expected = count;
  }

  /** Adds an entry for a record. One that is forgotten already is not added. */
  add(high: number, low: number, partition: number, offset: number): void {
    const start = this.#starts[partition] ?? NONE;
    if (start === NONE) throwUnbegun(partition);
    if (offset < start) return;
    const place = offset - (this.#bases[partition] ?? 0);
    const number = place < this.#span ? 0 : Math.floor(place / this.#span);
    const generation = this.#generation(number);
    generation.add(high, low, place - number * this.#span, partition);
  }

  /**
   * As `add`, in the place of an entry that does not count any more, so that one fingerprint that comes
   * again and again has one entry, and not one for each time. Where that is not there, or `after` is too
   * far on for its generation, it is added beside.
   */
  replace(high: number, low: number, before: DedupPlace, after: DedupPlace): void {
    const { partition, offset } = after;
    const [from, to] = [this.#spotOf(before), this.#spotOf(after)];
    const isOneGeneration = from !== null && to !== null && from.generation === to.generation;
    if (isOneGeneration && offset >= (this.#starts[partition] ?? NONE)) {
      if (this.#generation(to.generation).replace(high, low, from, to)) return;
    }
    this.add(high, low, partition, offset);
  }

  /** Adds those of records one after the other. @param fingerprints  high, low of each; 0, 0 = none */
  addRun(partition: number, baseOffset: number, fingerprints: Uint32Array): void {
    const start = this.#starts[partition] ?? NONE;
    if (start === NONE) throwUnbegun(partition);
    const base = this.#bases[partition] ?? 0;
    const count = fingerprints.length / 2;
    for (let at = Math.max(0, start - baseOffset); at < count;) {
      const place = baseOffset + at - base;
      const number = Math.floor(place / this.#span);
      const end = Math.min(count, at + (number + 1) * this.#span - place);
      const run = end - at === count ? fingerprints : fingerprints.subarray(2 * at, 2 * end);
      this.#generation(number).addRun(run, place - number * this.#span, partition);
      at = end;
    }
  }

  /**
   * The same, up to the first record whose fingerprint may have an entry already, be it of one before it.
   *
   * @returns its number, or -1: all were added
   */
  addRunNew(partition: number, baseOffset: number, fingerprints: Uint32Array): number {
    const [generation] = this.#generations;
    const place = baseOffset - (this.#bases[partition] ?? 0);
    const isWhole = place + fingerprints.length / 2 <= this.#span;
    const isOnly = this.#generations.length === 1 && generation?.number === 0 && isWhole;
    if (isOnly && baseOffset >= (this.#starts[partition] ?? Infinity)) {
      return generation.addRunNew(fingerprints, place, partition);
    }
    for (let at = 0; 2 * at < fingerprints.length; at++) {
      const one = fingerprints.subarray(2 * at, 2 * at + 2);
      if (this.firstSuspect(one) !== NONE) return at;
      this.addRun(partition, baseOffset + at, one);
    }
    return NONE;
  }

  /** The first record from `from` on whose fingerprint may have an entry, or -1. @param fingerprints  as above */
  firstSuspect(fingerprints: Uint32Array, from = 0): number {
    let first = NONE;
    for (const generation of this.#generations) {
      const at = generation.firstSuspect(fingerprints, from);
      if (at !== NONE && (first === NONE || at < first)) first = at;
    }
    return first;
  }

  /** The records that have that fingerprint, or 42 bits of it, and are not forgotten; in no order. */
  find(high: number, low: number): readonly DedupPlace[] {
    return this.#generations.flatMap((generation) =>
      generation.find(high, low).map(({ partition, place }) => ({
        partition,
        offset: (this.#bases[partition] ?? 0) + generation.number * this.#span + place,
      })),
    );
  }

  /**
   * Forgets what is below an offset of a partition: it is not found any more. Its room is free for others
   * when its shard gets full, or is swept. O(1).
   */
  evict(partition: number, offset: number): void {
    const start = this.#starts[partition] ?? NONE;
    if (start === NONE) throwUnbegun(partition);
    if (offset <= start) return;
    this.#starts[partition] = offset;
    for (const generation of this.#generations) this.#setFloor(generation, partition);
  }

  /**
   * Gives back the room of what is forgotten in the next so many of 1,024 shards, and memory where there is
   * hardly anything else. Each takes about the time of adding some hundreds.
   *
   * @param how  `tight`: all memory that what is left has no need of
   */
  sweep(shards = SHARDS, how: SweepWay = 'loose'): void {
    this.#expected = 0;
    for (let left = shards; left > 0; left--) {
      for (const generation of this.#generations) generation.sweep(this.#swept, how);
      this.#swept = (this.#swept + 1) % SHARDS;
    }
    const isRound = this.#swept < shards; // Once around is often enough to look at all of them.
    if (isRound) this.#generations = this.#generations.filter(({ count }) => count > 0);
  }

  /** Where an entry is; null = its partition has not begun, or began behind. */
  #spotOf({ partition, offset }: DedupPlace): (ShardPlace & { generation: number }) | null {
    const base = this.#bases[partition] ?? NONE;
    if (base === NONE || offset < base) return null;
    const generation = Math.floor((offset - base) / this.#span);
    return { partition, place: offset - base - generation * this.#span, generation };
  }

  #generation(number: number): DedupShards {
    for (const generation of this.#generations) {
      if (generation.number === number) return generation;
    }
    const made = new DedupShards(number);
    for (const partition of this.#starts.keys()) this.#setFloor(made, partition);
    made.reserve(this.#expected);
    this.#generations.push(made);
    return made;
  }

  #setFloor({ number, floors }: DedupShards, partition: number): void {
    const passed = (this.#starts[partition] ?? 0) - (this.#bases[partition] ?? 0);
    floors.set(partition, passed - number * this.#span);
  }
}

/** Cold on purpose: building a message must not bloat its caller. */
function throwUnbegun(partition: number): never {
  assert(false, `partition ${partition} has begun`);
}
