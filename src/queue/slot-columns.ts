/**
 * The columns of a lease table: one typed array per field of a slot, all of one length.
 *
 * @hot Replaced when the table grows or shrinks, so always read through the object.
 */
import { UNLINKED } from './timer-wheel.ts';

export class SlotColumns {
  /** Offset - origin of the table, signed: ascending with the offset. */
  keys: Int32Array;
  /** Of wheels and heaps; of a slot that is free, the next one that is. */
  next: Int32Array;
  /** Of wheels; tells a ready slot by its kind. */
  prev: Int32Array;
  /** Ms: deadline on loop time while acquired, due wall time while delayed or available. */
  times: Float64Array;
  leases: Uint32Array;
  attempts: Uint16Array;
  failures: Uint16Array;
  expiries: Uint8Array;
  crashes: Uint8Array;
  /** State, and whether a transition is pending. */
  states: Uint8Array;

  constructor(capacity: number) {
    this.keys = new Int32Array(capacity);
    this.next = new Int32Array(capacity);
    this.prev = new Int32Array(capacity).fill(UNLINKED);
    this.times = new Float64Array(capacity);
    this.leases = new Uint32Array(capacity);
    this.attempts = new Uint16Array(capacity);
    this.failures = new Uint16Array(capacity);
    this.expiries = new Uint8Array(capacity);
    this.crashes = new Uint8Array(capacity);
    this.states = new Uint8Array(capacity);
  }

  get capacity(): number {
    return this.keys.length;
  }

  get byteLength(): number {
    return this.#arrays().reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  /** Makes room for so many slots, at least as many as there are. They keep their numbers. */
  grow(capacity: number): void {
    const larger = new SlotColumns(capacity);
    const from = this.#arrays();
    for (const [at, array] of larger.#arrays().entries()) array.set(from[at] ?? []);
    this.#take(larger);
  }

  /**
   * Keeps the slots that `moves` gives new numbers, by their old ones, and forgets the others
   * (-1). New numbers ascend, and are below `capacity`. Links are translated, places in heaps left.
   */
  compact(capacity: number, moves: Int32Array): void {
    const smaller = new SlotColumns(capacity);
    const from = this.#arrays();
    const to = smaller.#arrays();
    for (const [column, array] of from.entries()) moveValues(array, to[column] ?? array, moves);
    const { next, prev } = smaller;
    for (let slot = 0; slot < capacity; slot++) {
      const before = prev[slot] as number;
      if (before >= 0) prev[slot] = moves[before] as number;
      const after = next[slot] as number;
      if (isInWheel(before) && after >= 0) next[slot] = moves[after] as number;
    }
    this.#take(smaller);
  }

  #arrays() {
    const { keys, next, prev, times, leases } = this;
    const { attempts, failures, expiries, crashes, states } = this;
    return [keys, next, prev, times, leases, attempts, failures, expiries, crashes, states];
  }

  #take(other: SlotColumns): void {
    this.keys = other.keys;
    this.next = other.next;
    this.prev = other.prev;
    this.times = other.times;
    this.leases = other.leases;
    this.attempts = other.attempts;
    this.failures = other.failures;
    this.expiries = other.expiries;
    this.crashes = other.crashes;
    this.states = other.states;
  }
}

/** In `prev`: in the ready heap of kind `prev - READY`; `next` is the place there. */
export const READY = -(2 ** 31);
/** Kinds of heaps that there may be. */
const READY_KINDS = 16;

export function isInHeap(before: number): boolean {
  return before < READY + READY_KINDS;
}

/** By `prev` of the slot. */
export function isInWheel(before: number): boolean {
  return before !== UNLINKED && before >= READY + READY_KINDS;
}

type Column = Int32Array | Float64Array | Uint32Array | Uint16Array | Uint8Array;

function moveValues(from: Column, to: Column, moves: Int32Array): void {
  for (let slot = 0; slot < moves.length; slot++) {
    const moved = moves[slot] as number;
    if (moved >= 0) to[moved] = from[slot] as number;
  }
}
