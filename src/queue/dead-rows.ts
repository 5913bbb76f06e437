/** Dead records as rows of 24 bytes, in no order. */
import { assert, present } from '../core/assert.ts';
import { DEATH_REASONS } from './share-entries.ts';
import type { DeadRecord, Trouble } from './share-partition.ts';

/** Of a row. */
const DOUBLES = 3;
const HALVES = 12;
const BYTES = 24;
/** Doubles. */
const OFFSET = 0;
const TIME = 1;
/** Halves. */
const ATTEMPTS = 8;
const FAILURES = 9;
/** Bytes. */
const EXPIRIES = 20;
const CRASHES = 21;
const REASON = 22;
/** As in a lease table, from which they come. */
const U8_MAX = 0xff;
const U16_MAX = 0xffff;

export class DeadRows {
  readonly #doubles: Float64Array;
  readonly #halves: Uint16Array;
  readonly #bytes: Uint8Array;
  /** What holders said of them, by row. */
  readonly #troubles: (Trouble | null)[];

  private constructor(doubles: Float64Array, troubles: (Trouble | null)[]) {
    this.#doubles = doubles;
    this.#halves = new Uint16Array(doubles.buffer);
    this.#bytes = new Uint8Array(doubles.buffer);
    this.#troubles = troubles;
  }

  static ofCapacity(capacity: number): DeadRows {
    return new DeadRows(new Float64Array(DOUBLES * capacity), []);
  }

  get size(): number {
    return this.#troubles.length;
  }

  get capacity(): number {
    return this.#doubles.length / DOUBLES;
  }

  /** The same rows, with room for `capacity`: a copy of memory. */
  copy(capacity: number = this.size): DeadRows {
    const doubles = new Float64Array(DOUBLES * capacity);
    doubles.set(this.#doubles.subarray(0, DOUBLES * this.size));
    return new DeadRows(doubles, [...this.#troubles]);
  }

  /** By row. */
  offsets(): Float64Array {
    const offsets = new Float64Array(this.size);
    for (let row = 0; row < offsets.length; row++) offsets[row] = this.offsetAt(row);
    return offsets;
  }

  offsetAt(row: number): number {
    return this.#doubles[row * DOUBLES + OFFSET] ?? -1;
  }

  recordAt(row: number): DeadRecord {
    const halves = this.#halves;
    const bytes = this.#bytes;
    return {
      attempts: halves[row * HALVES + ATTEMPTS] ?? 0,
      failures: halves[row * HALVES + FAILURES] ?? 0,
      expiries: bytes[row * BYTES + EXPIRIES] ?? 0,
      crashes: bytes[row * BYTES + CRASHES] ?? 0,
      reason: present(DEATH_REASONS[bytes[row * BYTES + REASON] ?? 0], 'a reason'),
      trouble: this.#troubles[row] ?? null,
      timeMs: this.#doubles[row * DOUBLES + TIME] ?? 0,
    };
  }

  /** @param row  up to `size`: there it is a new one */
  set(row: number, offset: number, record: DeadRecord): void {
    const reason = DEATH_REASONS.indexOf(record.reason);
    assert(reason >= 0, `one of ${DEATH_REASONS.join(', ')}`);
    this.#doubles[row * DOUBLES + OFFSET] = offset;
    this.#doubles[row * DOUBLES + TIME] = record.timeMs;
    this.#halves[row * HALVES + ATTEMPTS] = Math.min(record.attempts, U16_MAX);
    this.#halves[row * HALVES + FAILURES] = Math.min(record.failures, U16_MAX);
    this.#bytes[row * BYTES + EXPIRIES] = Math.min(record.expiries, U8_MAX);
    this.#bytes[row * BYTES + CRASHES] = Math.min(record.crashes, U8_MAX);
    this.#bytes[row * BYTES + REASON] = reason;
    this.#troubles[row] = record.trouble;
  }

  /** Removes a row: the last one takes its place. */
  remove(row: number): void {
    const last = this.size - 1;
    this.#doubles.copyWithin(row * DOUBLES, last * DOUBLES, (last + 1) * DOUBLES);
    this.#troubles[row] = this.#troubles[last] ?? null;
    this.#troubles.length = last;
  }
}
