/**
 * What is due when, for the slots of a lease table: deadlines of leases, due times of delays.
 *
 * @hot No allocation after construction; `test/support/reference/timer-wheel.ts` is the slow twin.
 *
 * A hierarchical timing wheel (Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", SOSP
 * 1987, scheme 7). Time is counted in ticks; a slot hangs in the level of the highest byte in which
 * the tick it is due differs from the present one, in the bucket of that byte's value. So all
 * buckets in use lie ahead of the present tick, the lowest of the lowest level is always next, and a
 * bitmap finds it: an empty stretch costs nothing however long it is. A bucket above level 0 is
 * spread over the levels below when its first tick comes, so a slot moves at most four times.
 *
 * The lists run through two words of the rows, which the table owns. Two wheels may share them while
 * a slot is in one of them at a time; each has bucket numbers of its own. The time of a slot, in ms on
 * the clock of the wheel, is set before it is inserted, and left alone while it is in.
 */
import { assert } from '../core/assert.ts';
import { Row, type SlotRows } from './slot-rows.ts';

const { WORDS, TIMES, NEXT, PREV, TIME, UNLINKED } = Row;

/** Where bucket numbers of a second wheel over the same links begin. */
export const WHEEL_BUCKETS = 1026;

/**
 * Ms. A slot is due up to so much late; leases are at least a second, and a timer of the event loop
 * is late by a few ms anyway. With 4 levels the horizon is 2^32 ticks, 398 days.
 */
const TICK_MS = 8;
/** A power of two, so the product is exact; a division costs more than the rest of an insertion. */
const TICKS_PER_MS = 1 / TICK_MS;
const LEVEL_BITS = 8;
const LEVEL_BUCKETS = 1 << LEVEL_BITS;
const LEVEL_MASK = LEVEL_BUCKETS - 1;
const LEVELS = 4;
/** What is due beyond the horizon, or rather in another span of 2^32 ticks: spread when that comes. */
const BEYOND = LEVELS * LEVEL_BUCKETS;
/** What `onDue` inserts that is due by the time that is being advanced to: it waits for the next. */
const LATE = BEYOND + 1;
const SPAN_TICKS = 2 ** 32;
/** In `heads` and `NEXT`: no slot. */
const NONE = -1;
/** Of the bitmaps: 32 buckets each, the last two in one of their own. */
const BITMAP_WORDS = BEYOND / 32 + 1;

assert(WHEEL_BUCKETS === LATE + 1, 'a bucket number for each list');
assert(LEVELS * LEVEL_BITS === 32, 'the levels divide a span');

export class TimerWheel {
  readonly #rows: SlotRows;
  readonly #base: number;
  readonly #heads = new Int32Array(WHEEL_BUCKETS).fill(NONE);
  /** A bit for each bucket that is not empty. */
  readonly #bits = new Int32Array(BITMAP_WORDS);
  /** The present tick: whatever was due at it has been handed out. */
  #tick = 0;
  /** Its lower 32 bits. */
  #tickLow = 0;
  /** First tick of the span after the present one. */
  #spanEnd = SPAN_TICKS;
  /** The tick that is being advanced to, else the present one. */
  #floor = 0;
  #count = 0;

  /**
   * @param base number of its first bucket: 0, or `WHEEL_BUCKETS` for the second wheel over the same
   *   rows
   *
   * The time is 0 until the first `advance` or `rebase`; call one of them before inserting.
   */
  constructor(rows: SlotRows, base = 0) {
    this.#rows = rows;
    this.#base = base;
  }

  /** Slots in the wheel. */
  get count(): number {
    return this.#count;
  }

  get byteLength(): number {
    return this.#heads.byteLength + this.#bits.byteLength;
  }

  /** Whether a slot is linked, in this wheel or whatever else shares its links. */
  isLinked(slot: number): boolean {
    return this.#rows.words[(slot << WORDS) | PREV] !== UNLINKED;
  }

  /** Puts a slot in by its time. One that is due already comes with the next tick. O(1). */
  insert(slot: number): void {
    const { words, times } = this.#rows;
    if (words[(slot << WORDS) | PREV] !== UNLINKED) throwLinked(slot);
    const due = Math.ceil((times[(slot << TIMES) | TIME] as number) * TICKS_PER_MS);
    if (due <= this.#floor && this.#floor > this.#tick) this.#link(slot, LATE);
    else this.#place(slot, due, this.#tick + 1);
    this.#count++;
  }

  /** Takes out a slot that is in. O(1). */
  remove(slot: number): void {
    const before = this.#rows.words[(slot << WORDS) | PREV] as number;
    if (before === UNLINKED) throwUnlinked(slot);
    if (before < 0 && this.#headOf(before) !== slot) throwUnlinked(slot); // Of another wheel.
    this.#unlink(slot, before);
    this.#count--;
  }

  /**
   * Moves on to `nowMs` and calls `onDue` for each slot that is due, in the order of their ticks:
   * never early, and at most one tick late. The slot is out by then; `onDue` may insert and remove
   * any slot, but not advance or rebase the wheel. What it inserts comes with a later call. A time
   * that went back does nothing.
   *
   * If `onDue` throws, the slots left come with the next call.
   */
  advance(nowMs: number, onDue: (slot: number) => void): void {
    const target = Math.floor(nowMs / TICK_MS);
    if (!(target > this.#tick)) return;
    this.#floor = target;
    try {
      this.#run(target, onDue);
      this.#moveTo(target);
    } finally {
      this.#floor = this.#tick;
      this.#spread(LATE, this.#tick + 1);
    }
  }

  /** Sets the time anew, also back: every slot is placed again. O(count). */
  rebase(nowMs: number): void {
    const { words, times } = this.#rows;
    let chain = NONE;
    for (let bucket = 0; bucket < WHEEL_BUCKETS; bucket++) {
      let slot = this.#heads[bucket] as number;
      while (slot >= 0) {
        const following = words[(slot << WORDS) | NEXT] as number;
        words[(slot << WORDS) | NEXT] = chain;
        chain = slot;
        slot = following;
      }
    }
    this.#forgetLists();
    this.#moveTo(Math.floor(nowMs / TICK_MS));
    this.#floor = this.#tick;
    const earliest = this.#tick + 1;
    while (chain !== NONE) {
      const following = words[(chain << WORDS) | NEXT] as number;
      this.#place(
        chain,
        Math.ceil((times[(chain << TIMES) | TIME] as number) * TICKS_PER_MS),
        earliest,
      );
      chain = following;
    }
  }

  /** Before this time `advance` has nothing to hand out; Infinity when the wheel is empty. */
  nextDueMs(): number {
    const bucket = this.#firstBucket();
    return bucket === NONE ? Number.POSITIVE_INFINITY : this.#tickOf(bucket) * TICK_MS;
  }

  /** The slots have new numbers, and the rows know them already: `slots` gives the new ones by old. */
  renumber(slots: Int32Array): void {
    const heads = this.#heads;
    for (let bucket = 0; bucket < WHEEL_BUCKETS; bucket++) {
      const head = heads[bucket] as number;
      if (head >= 0) heads[bucket] = slots[head] as number;
    }
  }

  /** Forgets all slots without a look at the rows: the table has begun anew. */
  clear(): void {
    this.#forgetLists();
    this.#count = 0;
  }

  #forgetLists(): void {
    this.#heads.fill(NONE);
    this.#bits.fill(0);
  }

  #moveTo(tick: number): void {
    this.#tick = tick;
    this.#tickLow = tick | 0; // Modulo 2^32, also of ticks beyond.
    this.#spanEnd = tick - modulo(tick, SPAN_TICKS) + SPAN_TICKS;
  }

  /** Links a slot into the bucket of the tick it is due, or of `earliest` if that is later. */
  #place(slot: number, dueTick: number, earliest: number): void {
    const due = dueTick > earliest ? dueTick : earliest;
    const bucket = due < this.#spanEnd ? this.#bucketOf(due | 0) : BEYOND;
    this.#link(slot, bucket);
  }

  #link(slot: number, bucket: number): void {
    const { words } = this.#rows;
    const head = this.#heads[bucket] as number;
    words[(slot << WORDS) | NEXT] = head;
    words[(slot << WORDS) | PREV] = -2 - this.#base - bucket;
    if (head >= 0) words[(head << WORDS) | PREV] = slot;
    else this.#bits[bucket >> 5] = (this.#bits[bucket >> 5] as number) | (1 << (bucket & 31));
    this.#heads[bucket] = slot;
  }

  /** By the lower 32 bits of a tick of the present span. */
  #bucketOf(low: number): number {
    const difference = low ^ this.#tickLow;
    if ((difference & 0xffff_ff00) === 0) return low & LEVEL_MASK;
    if ((difference & 0xffff_0000) === 0) return LEVEL_BUCKETS | ((low >>> 8) & LEVEL_MASK);
    if ((difference & 0xff00_0000) === 0) return (2 * LEVEL_BUCKETS) | ((low >>> 16) & LEVEL_MASK);
    return (3 * LEVEL_BUCKETS) | (low >>> 24);
  }

  /** First tick of a bucket that is not empty. */
  #tickOf(bucket: number): number {
    if (bucket === BEYOND) return this.#spanEnd;
    if (bucket === LATE) return this.#floor + 1;
    const shift = (bucket >> LEVEL_BITS) * LEVEL_BITS;
    // What the levels above have in common with the present tick. A shift by 32 would be one by 0.
    const above =
      shift === 24 ? 0 : (this.#tickLow >>> (shift + LEVEL_BITS)) << (shift + LEVEL_BITS);
    const low = (above | ((bucket & LEVEL_MASK) << shift)) >>> 0;
    return this.#spanEnd - SPAN_TICKS + low;
  }

  /** The first bucket that is not empty, which is the one that comes next, or -1. */
  #firstBucket(): number {
    if (this.#count === 0) return NONE;
    const bits = this.#bits;
    for (let word = 0; word < BITMAP_WORDS; word++) {
      const set = bits[word] as number;
      if (set !== 0) return (word << 5) + 31 - Math.clz32(set & -set);
    }
    return NONE;
  }

  /** Hands out what is due up to a tick. */
  #run(target: number, onDue: (slot: number) => void): void {
    let bucket = this.#firstBucket();
    while (bucket !== NONE) {
      const tick = this.#tickOf(bucket);
      if (tick > target) break;
      this.#moveTo(bucket === BEYOND ? this.#spanStartBeyond(target) : tick);
      if (bucket < LEVEL_BUCKETS) this.#handOut(bucket, onDue);
      else this.#spread(bucket, this.#tick);
      bucket = this.#firstBucket();
    }
  }

  /** First tick of the span in which the next slot is due, or the target; others may lie between. */
  #spanStartBeyond(target: number): number {
    const { words, times } = this.#rows;
    let tick = target;
    let slot = this.#heads[BEYOND] as number;
    while (slot >= 0) {
      tick = Math.min(tick, Math.ceil((times[(slot << TIMES) | TIME] as number) * TICKS_PER_MS));
      slot = words[(slot << WORDS) | NEXT] as number;
    }
    return tick - modulo(tick, SPAN_TICKS);
  }

  #handOut(bucket: number, onDue: (slot: number) => void): void {
    let slot = this.#heads[bucket] as number;
    while (slot >= 0) {
      this.#unlink(slot, this.#rows.words[(slot << WORDS) | PREV] as number);
      this.#count--;
      onDue(slot);
      slot = this.#heads[bucket] as number;
    }
  }

  /** Places the slots of a bucket anew, none before `earliest`. */
  #spread(bucket: number, earliest: number): void {
    const { words, times } = this.#rows;
    let slot = this.#heads[bucket] as number;
    this.#empty(bucket);
    while (slot >= 0) {
      const following = words[(slot << WORDS) | NEXT] as number;
      this.#place(
        slot,
        Math.ceil((times[(slot << TIMES) | TIME] as number) * TICKS_PER_MS),
        earliest,
      );
      slot = following;
    }
  }

  #unlink(slot: number, before: number): void {
    const { words } = this.#rows;
    const after = words[(slot << WORDS) | NEXT] as number;
    if (before >= 0) words[(before << WORDS) | NEXT] = after;
    else if (after >= 0) this.#heads[-2 - this.#base - before] = after;
    else this.#empty(-2 - this.#base - before);
    if (after >= 0) words[(after << WORDS) | PREV] = before;
    words[(slot << WORDS) | PREV] = UNLINKED;
  }

  #empty(bucket: number): void {
    this.#heads[bucket] = NONE;
    this.#bits[bucket >> 5] = (this.#bits[bucket >> 5] as number) & ~(1 << (bucket & 31));
  }

  /** The slot at the head of a list, by what `prev` says of it; undefined if the list is not ours. */
  #headOf(before: number): number | undefined {
    return this.#heads[-2 - this.#base - before];
  }
}

/** As `%`, but from 0 on for negative values too. */
function modulo(value: number, divisor: number): number {
  return value - Math.floor(value / divisor) * divisor;
}

/** Cold on purpose, as the next one. */
function throwLinked(slot: number): never {
  assert(false, `slot ${slot} is in no list yet`);
}

function throwUnlinked(slot: number): never {
  assert(false, `slot ${slot} is in this wheel`);
}
