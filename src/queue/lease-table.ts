/**
 * The records of a partition that a share group acquired and has not settled: a slot for each.
 *
 * @hot Rows in typed arrays, no object per record; `test/support/reference/lease-table.ts` is the
 * slow twin. Pure: no disk, no clock. What a transition means (attempts, limits, leases) is the
 * caller's; the table holds it to the legal ones (`record-state.ts`), keeps counts, and finds what
 * is ready and what is due.
 *
 * Durable fields are what journal entries determine, and what a snapshot of them holds: offset,
 * state, attempts, failures, expiries, crashes, and the due time of what is delayed. Transient ones
 * are of this process alone, and replay leaves them at 0: the lease number and the deadline of what
 * is acquired, the pending mark, the links of wheels, the places in heaps.
 *
 * Bytes per slot: 32 for its row, at most 6.6 in the index. What is available and ready takes another
 * 4 to 8 in a heap.
 *
 * A slot's number stays the same until it is removed, or until `shrink` or `clear`.
 */
import { assert } from '../core/assert.ts';
import { OffsetHeap } from './offset-heap.ts';
import { OffsetIndex } from './offset-index.ts';
import { readyKindOf, type ReadyKind } from './ready-kind.ts';
import { SlotState, assertTransition } from './record-state.ts';
import { SlotCopy } from './slot-copy.ts';
import { Row, SlotRows, isInHeap, isInWheel } from './slot-rows.ts';
import { TimerWheel, WHEEL_BUCKETS } from './timer-wheel.ts';

const {
  WORDS,
  TIMES,
  HALVES,
  BYTES,
  KEY,
  PREV,
  LEASE,
  TIME,
  ATTEMPTS,
  FAILURES,
  EXPIRIES,
  CRASHES,
  STATE,
  UNLINKED,
  READY,
} = Row;
const { free: FREE, available: AVAILABLE, delayed: DELAYED, acquired: ACQUIRED } = SlotState;

/** Doubled, four fifths of it are always a power of two: the homes of the index. */
const CAPACITY_MIN = 40;
/** `shrink` does nothing unless less than an eighth is used, so that growing does not undo it soon. */
const SHRINK_DIVISOR = 8;
const U8_MAX = 0xff;
const U16_MAX = 0xffff;
/** Beside the state, in its byte. */
const PENDING = 4;
const STATE_MASK = 3;

export class LeaseTable {
  readonly #rows = new SlotRows(CAPACITY_MIN);
  /** Slots by state. Those that are free are not counted. */
  readonly #counts = new Int32Array(4);
  #count = 0;
  readonly #index = new OffsetIndex(this.#rows);
  readonly #ready: readonly OffsetHeap[] = [
    new OffsetHeap(this.#rows),
    new OffsetHeap(this.#rows),
    new OffsetHeap(this.#rows),
  ];
  /** Deadlines of what is acquired, on loop time. */
  readonly leaseWheel = new TimerWheel(this.#rows);
  /** Due times of what is delayed, on wall time. */
  readonly delayWheel = new TimerWheel(this.#rows, WHEEL_BUCKETS);

  /** Slots in use. */
  get count(): number {
    return this.#count;
  }

  get leasedCount(): number {
    return this.#counts[ACQUIRED] as number;
  }

  /** Slots in state `available`, whether they are in a ready heap or not. */
  get availableCount(): number {
    return this.#counts[AVAILABLE] as number;
  }

  get delayedCount(): number {
    return this.#counts[DELAYED] as number;
  }

  /** Slots that there is memory for. */
  get capacity(): number {
    return this.#rows.capacity;
  }

  /** Memory of all arrays: rows, index, wheels and heaps. */
  get byteLength(): number {
    const parts = [this.#rows, this.#counts, this.#index, this.leaseWheel, this.delayWheel];
    return [...parts, ...this.#ready].reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  /** The slot of an offset, or -1. */
  find(offset: number): number {
    return this.#index.find(offset);
  }

  /**
   * Whether `add` can take this offset: no two may lie 2^32 or more apart. O(count) if the offset
   * is beyond 2^31 of the one that came first since the table was last moved.
   */
  fits(offset: number): boolean {
    return this.#index.fits(offset);
  }

  /**
   * Gives an offset that has none a slot, in that state, all else 0.
   *
   * The offset must fit (`fits`). O(1) amortised: the table doubles when it is full.
   */
  add(offset: number, state: SlotState): number {
    assertTransition(FREE, state);
    const slot = this.#index.add(offset); // Throws, with nothing changed, if the offset has a slot.
    this.#rows.reset(slot, state);
    this.#counts[state] = (this.#counts[state] as number) + 1;
    this.#count++;
    return slot;
  }

  /** Frees the slot of a record that is settled. Takes it out of the wheel or heap that it is in. */
  remove(slot: number): void {
    const state = this.stateAt(slot);
    assertTransition(state, FREE);
    this.#unlink(slot, state);
    this.#index.remove(slot);
    this.#counts[state] = (this.#counts[state] as number) - 1;
    this.#count--;
    this.#rows.bytes[(slot << BYTES) | STATE] = FREE;
  }

  offsetAt(slot: number): number {
    return this.#index.offsetAt(slot);
  }

  stateAt(slot: number): SlotState {
    return ((this.#rows.bytes[(slot << BYTES) | STATE] as number) & STATE_MASK) as SlotState;
  }

  /**
   * Passes a record to another state, if that is legal; to `free` it passes by `remove` only.
   *
   * Takes it out of the wheel or heap that it is in. Everything else stays, the pending mark too.
   */
  setState(slot: number, state: SlotState): void {
    const byte = this.#rows.bytes[(slot << BYTES) | STATE] as number;
    const before = (byte & STATE_MASK) as SlotState;
    assertTransition(before, state);
    if (before === FREE || state === FREE) throwFreed(slot);
    this.#unlink(slot, before);
    this.#rows.bytes[(slot << BYTES) | STATE] = (byte & ~STATE_MASK) | state;
    this.#counts[before] = (this.#counts[before] as number) - 1;
    this.#counts[state] = (this.#counts[state] as number) + 1;
  }

  /** Whether a transition of it is being journaled, which everything else has to wait for. */
  isPending(slot: number): boolean {
    return ((this.#rows.bytes[(slot << BYTES) | STATE] as number) & PENDING) !== 0;
  }

  setPending(slot: number, isPending: boolean): void {
    this.#assertUsed(slot);
    const state = (this.#rows.bytes[(slot << BYTES) | STATE] as number) & STATE_MASK;
    this.#rows.bytes[(slot << BYTES) | STATE] = isPending ? state | PENDING : state;
  }

  attemptsAt(slot: number): number {
    return this.#rows.halves[(slot << HALVES) | ATTEMPTS] as number;
  }

  /** Beyond 65,535 it stays there, as failures do; expiries and crashes beyond 255. */
  setAttempts(slot: number, attempts: number): void {
    this.#assertUsed(slot);
    this.#rows.halves[(slot << HALVES) | ATTEMPTS] = clamped(attempts, U16_MAX);
  }

  failuresAt(slot: number): number {
    return this.#rows.halves[(slot << HALVES) | FAILURES] as number;
  }

  setFailures(slot: number, failures: number): void {
    this.#assertUsed(slot);
    this.#rows.halves[(slot << HALVES) | FAILURES] = clamped(failures, U16_MAX);
  }

  expiriesAt(slot: number): number {
    return this.#rows.bytes[(slot << BYTES) | EXPIRIES] as number;
  }

  setExpiries(slot: number, expiries: number): void {
    this.#assertUsed(slot);
    this.#rows.bytes[(slot << BYTES) | EXPIRIES] = clamped(expiries, U8_MAX);
  }

  crashesAt(slot: number): number {
    return this.#rows.bytes[(slot << BYTES) | CRASHES] as number;
  }

  /** One that is ready changes to the heap of its kind. */
  setCrashes(slot: number, crashes: number): void {
    this.#assertUsed(slot);
    this.#rows.bytes[(slot << BYTES) | CRASHES] = clamped(crashes, U8_MAX);
    if (!isInHeap(this.#rows.words[(slot << WORDS) | PREV] as number)) return;
    this.removeReady(slot);
    this.pushReady(slot);
  }

  timeAt(slot: number): number {
    return this.#rows.times[(slot << TIMES) | TIME] as number;
  }

  /** Not while the slot is in a wheel, which would not find it any more. */
  setTime(slot: number, timeMs: number): void {
    this.#assertUsed(slot);
    if (isInWheel(this.#rows.words[(slot << WORDS) | PREV] as number)) throwLinked(slot);
    this.#rows.times[(slot << TIMES) | TIME] = timeMs;
  }

  leaseAt(slot: number): number {
    return (this.#rows.words[(slot << WORDS) | LEASE] as number) >>> 0;
  }

  /** The lease of an acquired slot in no wheel begins: its number, its deadline, its place in the wheel. */
  beginLease(slot: number, lease: number, deadlineMs: number): void {
    const { words, times, bytes } = this.#rows;
    if (this.stateAt(slot) !== ACQUIRED || words[(slot << WORDS) | PREV] !== UNLINKED) {
      throwLeased(slot);
    }
    if (lease >>> 0 !== lease) throwLease(lease); // Wrapped, it would be the token of another.
    bytes[(slot << BYTES) | STATE] = ACQUIRED; // Not pending any more.
    words[(slot << WORDS) | LEASE] = lease;
    times[(slot << TIMES) | TIME] = deadlineMs;
    this.leaseWheel.insert(slot);
  }

  /** Puts an available slot that is in no heap into the one of its kind. O(log size). */
  pushReady(slot: number): void {
    const { words } = this.#rows;
    const at = (slot << WORDS) | PREV;
    if (this.stateAt(slot) !== AVAILABLE || words[at] !== UNLINKED) throwUnready(slot);
    const kind = readyKindOf(this.crashesAt(slot));
    words[at] = READY + kind;
    this.#heapOf(kind).push(slot);
  }

  /** The ready slot of that kind with the lowest offset, or -1. */
  minReady(kind: ReadyKind): number {
    return this.#heapOf(kind).peekMin();
  }

  /** Takes out the ready slot of that kind with the lowest offset; -1 if there is none. O(log size). */
  popReady(kind: ReadyKind): number {
    const slot = this.#heapOf(kind).popMin();
    if (slot >= 0) this.#rows.words[(slot << WORDS) | PREV] = UNLINKED;
    return slot;
  }

  /** Takes a slot out of its ready heap, if it is in one. O(log size). */
  removeReady(slot: number): void {
    const { words } = this.#rows;
    const before = words[(slot << WORDS) | PREV] as number;
    if (!isInHeap(before)) return;
    this.#heapOf((before - READY) as ReadyKind).remove(slot);
    words[(slot << WORDS) | PREV] = UNLINKED;
  }

  /** Slots in use, by ascending offset; the array is the caller's. O(count log count). */
  sortedSlots(): Int32Array {
    const { words } = this.#rows;
    const sorted = new Int32Array(this.#count);
    let at = 0;
    for (let slot = 0; slot < this.#rows.capacity; slot++) {
      if (this.#rows.bytes[(slot << BYTES) | STATE] !== FREE) {
        sorted[at++] = words[(slot << WORDS) | KEY] as number;
      }
    }
    sorted.sort();
    for (at = 0; at < sorted.length; at++) sorted[at] = this.#index.findKey(sorted[at] as number);
    return sorted;
  }

  /** Slots in use, in no order; the array is the caller's. */
  slots(): Int32Array {
    const slots = new Int32Array(this.#count);
    let at = 0;
    for (let slot = 0; at < slots.length; slot++) {
      if (this.#rows.bytes[(slot << BYTES) | STATE] !== FREE) slots[at++] = slot;
    }
    return slots;
  }

  /** Takes every slot out of the wheel or heap that it is in. O(capacity). */
  unlinkAll(): void {
    this.leaseWheel.clear();
    this.delayWheel.clear();
    for (const heap of this.#ready) heap.clear();
    const { words } = this.#rows;
    for (let at = PREV; at < words.length; at += 1 << WORDS) words[at] = UNLINKED;
  }

  /** What entries determine, as it is now. A copy of memory. */
  copy(): SlotCopy {
    const origin = this.offsetAt(0) - (this.#rows.words[KEY] as number);
    return new SlotCopy(this.#rows, this.#count, origin);
  }

  /** Removes everything. The wheels keep their time. */
  clear(): void {
    this.leaseWheel.clear();
    this.delayWheel.clear();
    for (const heap of this.#ready) heap.clear();
    this.#counts.fill(0);
    this.#count = 0;
    this.#index.clear(CAPACITY_MIN);
  }

  /**
   * Gives back memory, by halves, when less than an eighth of the slots is used. True if it did:
   * then every slot has a new number, and none may be kept over the call. Not to be called while a
   * wheel hands out. O(count).
   */
  shrink(): boolean {
    let capacity = this.#rows.capacity;
    while (capacity > CAPACITY_MIN && this.#count < capacity / SHRINK_DIVISOR) capacity /= 2;
    if (capacity === this.#rows.capacity) return false;
    const moves = this.#index.shrink(capacity);
    this.leaseWheel.renumber(moves);
    this.delayWheel.renumber(moves);
    for (const heap of this.#ready) heap.renumber(moves);
    return true;
  }

  /** Takes a slot out of the wheel or heap that it is in. */
  #unlink(slot: number, state: SlotState): void {
    const before = this.#rows.words[(slot << WORDS) | PREV] as number;
    if (before === UNLINKED) return;
    if (isInHeap(before)) this.removeReady(slot);
    else if (state === ACQUIRED) this.leaseWheel.remove(slot);
    else this.delayWheel.remove(slot);
  }

  #heapOf(kind: ReadyKind): OffsetHeap {
    return this.#ready[kind] as OffsetHeap;
  }

  #assertUsed(slot: number): void {
    if (this.stateAt(slot) === FREE) throwUnused(slot);
  }
}

function clamped(value: number, max: number): number {
  if (!(value >= 0)) throwNegative(value);
  return value > max ? max : value;
}

/** Cold on purpose, as all that follow: building a message must not bloat its caller. */
function throwFreed(slot: number): never {
  assert(false, `slot ${slot} is taken by add() and freed by remove()`);
}

function throwUnused(slot: number): never {
  assert(false, `slot ${slot} is in use`);
}

function throwLinked(slot: number): never {
  assert(false, `slot ${slot} is in no wheel while its time is set`);
}

function throwUnready(slot: number): never {
  assert(false, `slot ${slot} is available and in no heap`);
}

function throwLeased(slot: number): never {
  assert(false, `slot ${slot} is acquired and in no wheel`);
}

function throwLease(lease: number): never {
  assert(false, `lease number ${lease} is a u32`);
}

function throwNegative(value: number): never {
  assert(false, `count ${value} is from 0 on`);
}
