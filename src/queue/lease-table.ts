/**
 * The records of a partition that a share group acquired and has not settled: a slot for each.
 *
 * @hot Columns of typed arrays, no object per record; `test/support/reference/lease-table.ts` is the
 * slow twin. Pure: no disk, no clock. What a transition means (attempts, limits, leases) is the
 * caller's; the table holds it to the legal ones (`record-state.ts`), keeps counts, and finds what
 * is ready and what is due.
 *
 * Durable columns are what journal entries determine, and what a snapshot of them holds: offset,
 * state, attempts, failures, expiries, crashes, and the due time of what is delayed. Transient ones
 * are of this process alone, and replay leaves them at 0: the lease number and the deadline of what
 * is acquired, the pending mark, the links of wheels, the places in heaps.
 *
 * Bytes per slot: key 4, time 8, links 2 x 4, lease 4, attempts 2, failures 2, expiries 1,
 * crashes 1, state 1, hash 2 x 4: 39. What is available and ready takes another 4 to 8 in a heap.
 *
 * A slot's number stays the same until it is removed, or until `shrink` or `clear`.
 */
import { assert } from '../core/assert.ts';
import { OffsetHeap } from './offset-heap.ts';
import { OffsetIndex } from './offset-index.ts';
import { SlotState, assertTransition } from './record-state.ts';
import { READY, SlotColumns, isInHeap, isInWheel } from './slot-columns.ts';
import { TimerWheel, UNLINKED, WHEEL_BUCKETS } from './timer-wheel.ts';

/** Heaps of what is ready, by how often a crash of the process ended an attempt. */
export const ReadyKind = {
  /** 0 or 1 crashes. */
  normal: 0,
  /** 2 crashes: few at a time. */
  doubtful: 1,
  /** 3 crashes or more: one at a time. */
  suspect: 2,
} as const;

export type ReadyKind = (typeof ReadyKind)[keyof typeof ReadyKind];

/** Crashes that make a record a suspect. */
const SUSPECT_CRASHES = 3;
const CAPACITY_MIN = 64;
/** 2.7 GB of columns; beyond, their byte lengths would come near the limits of typed arrays. */
const CAPACITY_MAX = 2 ** 26;
/** `shrink` does nothing unless less than an eighth is used, so that growing does not undo it soon. */
const SHRINK_DIVISOR = 8;
const U8_MAX = 0xff;
const U16_MAX = 0xffff;
const NONE = -1;
/** In `states`, beside the state. */
const PENDING = 4;
const STATE_MASK = 3;

export class LeaseTable {
  readonly #columns = new SlotColumns(CAPACITY_MIN);
  /** Slots by state. Those that are free are not counted. */
  readonly #counts = new Int32Array(4);
  #count = 0;
  /** First of a list of free slots through `next`; slots from `#fresh` on were never used. */
  #free = NONE;
  #fresh = 0;
  readonly #index = new OffsetIndex(this.#columns);
  readonly #ready: readonly OffsetHeap[] = [
    new OffsetHeap(this.#columns),
    new OffsetHeap(this.#columns),
    new OffsetHeap(this.#columns),
  ];
  /** Deadlines of what is acquired, on loop time. */
  readonly leaseWheel = new TimerWheel(this.#columns);
  /** Due times of what is delayed, on wall time. */
  readonly delayWheel = new TimerWheel(this.#columns, WHEEL_BUCKETS);

  /** Slots in use. */
  get count(): number {
    return this.#count;
  }

  get leasedCount(): number {
    return this.#counts[SlotState.acquired] as number;
  }

  /** Slots in state `available`, whether they are in a ready heap or not. */
  get availableCount(): number {
    return this.#counts[SlotState.available] as number;
  }

  get delayedCount(): number {
    return this.#counts[SlotState.delayed] as number;
  }

  /** Slots that there is memory for. */
  get capacity(): number {
    return this.#columns.capacity;
  }

  /** Memory of all arrays: columns, hash, wheels and heaps. */
  get byteLength(): number {
    const parts = [this.#columns, this.#counts, this.#index, this.leaseWheel, this.delayWheel];
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
    assertTransition(SlotState.free, state);
    const slot = this.#freeSlot();
    const { next, prev, times, leases, attempts, failures } = this.#columns;
    const { expiries, crashes, states } = this.#columns;
    this.#index.add(slot, offset); // Throws, with nothing changed, if the offset has a slot.
    if (slot === this.#free) this.#free = next[slot] as number;
    else this.#fresh++;
    prev[slot] = UNLINKED;
    times[slot] = 0;
    leases[slot] = 0;
    attempts[slot] = 0;
    failures[slot] = 0;
    expiries[slot] = 0;
    crashes[slot] = 0;
    states[slot] = state;
    this.#counts[state] = (this.#counts[state] as number) + 1;
    this.#count++;
    return slot;
  }

  /** Frees the slot of a record that is settled. Takes it out of the wheel or heap that it is in. */
  remove(slot: number): void {
    const state = this.stateAt(slot);
    assertTransition(state, SlotState.free);
    this.#unlink(slot, state);
    this.#index.remove(slot);
    this.#counts[state] = (this.#counts[state] as number) - 1;
    this.#count--;
    this.#columns.states[slot] = SlotState.free;
    this.#columns.next[slot] = this.#free;
    this.#free = slot;
  }

  offsetAt(slot: number): number {
    return this.#index.offsetAt(slot);
  }

  stateAt(slot: number): SlotState {
    return ((this.#columns.states[slot] as number) & STATE_MASK) as SlotState;
  }

  /**
   * Passes a record to another state, if that is legal; to `free` it passes by `remove` only.
   *
   * Takes it out of the wheel or heap that it is in. Everything else stays, the pending mark too.
   */
  setState(slot: number, state: SlotState): void {
    const byte = this.#columns.states[slot] as number;
    const before = (byte & STATE_MASK) as SlotState;
    assertTransition(before, state);
    if (before === SlotState.free || state === SlotState.free) throwFreed(slot);
    this.#unlink(slot, before);
    this.#columns.states[slot] = (byte & ~STATE_MASK) | state;
    this.#counts[before] = (this.#counts[before] as number) - 1;
    this.#counts[state] = (this.#counts[state] as number) + 1;
  }

  /** Whether a transition of it is being journaled, which everything else has to wait for. */
  isPending(slot: number): boolean {
    return ((this.#columns.states[slot] as number) & PENDING) !== 0;
  }

  setPending(slot: number, isPending: boolean): void {
    this.#assertUsed(slot);
    const state = (this.#columns.states[slot] as number) & STATE_MASK;
    this.#columns.states[slot] = isPending ? state | PENDING : state;
  }

  attemptsAt(slot: number): number {
    return this.#columns.attempts[slot] as number;
  }

  /** Beyond 65,535 it stays there, as failures do; expiries and crashes beyond 255. */
  setAttempts(slot: number, attempts: number): void {
    this.#assertUsed(slot);
    this.#columns.attempts[slot] = clamped(attempts, U16_MAX);
  }

  failuresAt(slot: number): number {
    return this.#columns.failures[slot] as number;
  }

  setFailures(slot: number, failures: number): void {
    this.#assertUsed(slot);
    this.#columns.failures[slot] = clamped(failures, U16_MAX);
  }

  expiriesAt(slot: number): number {
    return this.#columns.expiries[slot] as number;
  }

  setExpiries(slot: number, expiries: number): void {
    this.#assertUsed(slot);
    this.#columns.expiries[slot] = clamped(expiries, U8_MAX);
  }

  crashesAt(slot: number): number {
    return this.#columns.crashes[slot] as number;
  }

  /** One that is ready changes to the heap of its kind. */
  setCrashes(slot: number, crashes: number): void {
    this.#assertUsed(slot);
    this.#columns.crashes[slot] = clamped(crashes, U8_MAX);
    if (!isInHeap(this.#columns.prev[slot] as number)) return;
    this.removeReady(slot);
    this.pushReady(slot);
  }

  timeAt(slot: number): number {
    return this.#columns.times[slot] as number;
  }

  /** Not while the slot is in a wheel, which would not find it any more. */
  setTime(slot: number, timeMs: number): void {
    this.#assertUsed(slot);
    if (isInWheel(this.#columns.prev[slot] as number)) throwLinked(slot);
    this.#columns.times[slot] = timeMs;
  }

  leaseAt(slot: number): number {
    return this.#columns.leases[slot] as number;
  }

  setLease(slot: number, lease: number): void {
    this.#assertUsed(slot);
    if (lease >>> 0 !== lease) throwLease(lease); // Wrapped, it would be the token of another.
    this.#columns.leases[slot] = lease;
  }

  /** Puts an available slot that is in no heap into the one of its kind. O(log size). */
  pushReady(slot: number): void {
    const { prev } = this.#columns;
    if (this.stateAt(slot) !== SlotState.available || prev[slot] !== UNLINKED) throwUnready(slot);
    const kind = kindOf(this.#columns.crashes[slot] as number);
    prev[slot] = READY + kind;
    this.#heapOf(kind).push(slot);
  }

  /** The ready slot of that kind with the lowest offset, or -1. */
  minReady(kind: ReadyKind): number {
    return this.#heapOf(kind).peekMin();
  }

  /** Takes out the ready slot of that kind with the lowest offset; -1 if there is none. O(log size). */
  popReady(kind: ReadyKind): number {
    const slot = this.#heapOf(kind).popMin();
    if (slot >= 0) this.#columns.prev[slot] = UNLINKED;
    return slot;
  }

  /** Takes a slot out of its ready heap, if it is in one. O(log size). */
  removeReady(slot: number): void {
    if (!isInHeap(this.#columns.prev[slot] as number)) return;
    const { prev } = this.#columns;
    this.#heapOf(((prev[slot] as number) - READY) as ReadyKind).remove(slot);
    prev[slot] = UNLINKED;
  }

  /** Slots in use, by ascending offset; the array is the caller's. O(count log count). */
  sortedSlots(): Int32Array {
    const { keys } = this.#columns;
    const sorted = new Int32Array(this.#count);
    let at = 0;
    for (let slot = 0; slot < this.#fresh; slot++) {
      if (this.#columns.states[slot] !== SlotState.free) sorted[at++] = keys[slot] as number;
    }
    sorted.sort();
    for (at = 0; at < sorted.length; at++) sorted[at] = this.#index.findKey(sorted[at] as number);
    return sorted;
  }

  /** Removes everything. The wheels keep their time. */
  clear(): void {
    this.leaseWheel.clear();
    this.delayWheel.clear();
    for (const heap of this.#ready) heap.clear();
    this.#counts.fill(0);
    this.#count = 0;
    this.#free = NONE;
    this.#fresh = 0;
    this.#columns.compact(CAPACITY_MIN, new Int32Array(0));
    this.#index.rebuild();
  }

  /**
   * Gives back memory, by halves, when less than an eighth of the slots is used. True if it did:
   * then every slot has a new number, and none may be kept over the call. Not to be called while a
   * wheel hands out. O(count).
   */
  shrink(): boolean {
    let capacity = this.#columns.capacity;
    while (capacity > CAPACITY_MIN && this.#count < capacity / SHRINK_DIVISOR) capacity /= 2;
    if (capacity === this.#columns.capacity) return false;
    const moves = this.#moves();
    this.#columns.compact(capacity, moves);
    this.leaseWheel.renumber(moves);
    this.delayWheel.renumber(moves);
    for (const heap of this.#ready) heap.renumber(moves);
    this.#free = NONE;
    this.#fresh = this.#count;
    this.#index.rebuild();
    return true;
  }

  /** The new number of each slot in use, without gaps; -1 for those that are free. */
  #moves(): Int32Array {
    const { states } = this.#columns;
    const moves = new Int32Array(this.#columns.capacity).fill(NONE);
    let moved = 0;
    for (let slot = 0; slot < this.#fresh; slot++) {
      if (states[slot] !== SlotState.free) moves[slot] = moved++;
    }
    return moves;
  }

  /** A free slot, which stays one. */
  #freeSlot(): number {
    if (this.#free !== NONE) return this.#free;
    const { capacity } = this.#columns;
    if (this.#fresh === capacity) {
      assert(capacity < CAPACITY_MAX, 'a table is below its largest size');
      this.#columns.grow(2 * capacity);
      this.#index.rebuild();
    }
    return this.#fresh;
  }

  /** Takes a slot out of the wheel or heap that it is in. */
  #unlink(slot: number, state: SlotState): void {
    const before = this.#columns.prev[slot] as number;
    if (before === UNLINKED) return;
    if (isInHeap(before)) this.removeReady(slot);
    else if (state === SlotState.acquired) this.leaseWheel.remove(slot);
    else this.delayWheel.remove(slot);
  }

  #heapOf(kind: ReadyKind): OffsetHeap {
    return this.#ready[kind] as OffsetHeap;
  }

  #assertUsed(slot: number): void {
    if (this.stateAt(slot) === SlotState.free) throwUnused(slot);
  }
}

function kindOf(crashes: number): ReadyKind {
  if (crashes >= SUSPECT_CRASHES) return ReadyKind.suspect;
  return crashes === SUSPECT_CRASHES - 1 ? ReadyKind.doubtful : ReadyKind.normal;
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

function throwLease(lease: number): never {
  assert(false, `lease number ${lease} is a u32`);
}

function throwNegative(value: number): never {
  assert(false, `count ${value} is from 0 on`);
}
