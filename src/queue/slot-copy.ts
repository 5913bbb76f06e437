/**
 * The slots of a lease table as they were at one moment, to be written into a snapshot later. To copy a
 * million takes 20 ms, to sort and encode them 150.
 */
import type { EntryWriter } from '../journal/entry-bytes.ts';
import { flag } from '../journal/entry-fields.ts';
import { bySize, orderOf } from '../journal/number-order.ts';
import { SlotState } from './record-state.ts';
import { Row, type SlotRows } from './slot-rows.ts';

const { WORDS, TIMES, HALVES, BYTES, KEY, TIME, ATTEMPTS, FAILURES, EXPIRIES, CRASHES, STATE } =
  Row;
const STATE_MASK = 3;
/** Slots that are looked at in a step. */
const LOOK_STEP = 2 ** 16;
/** Slots that are written in a step: 80 KiB. */
const WRITE_STEP = 2 ** 13;

export class SlotCopy {
  readonly #count: number;
  readonly #origin: number;
  readonly #words: Int32Array;
  readonly #times: Float64Array;
  readonly #halves: Uint16Array;
  readonly #bytes: Uint8Array;

  /**
   * @param count   slots in use
   * @param origin  offset of key 0
   */
  constructor(rows: SlotRows, count: number, origin: number) {
    this.#count = count;
    this.#origin = origin;
    this.#words = rows.words.slice(0, count === 0 ? 0 : undefined);
    this.#times = new Float64Array(this.#words.buffer);
    this.#halves = new Uint16Array(this.#words.buffer);
    this.#bytes = new Uint8Array(this.#words.buffer);
  }

  /**
   * By offset: equal states have equal bytes, however they came about. One after the other, as there may
   * be millions: offset, due time, whether it is leased, trials.
   */
  *write(to: EntryWriter): Generator<void, void, void> {
    to.uint(this.#count);
    const slots = new Int32Array(this.#count);
    const offsets = new Float64Array(this.#count);
    yield* this.#look(slots, offsets);
    const order = yield* orderOf(offsets, bySize);
    for (let at = 0; at < order.length; at++) {
      const place = order[at] ?? 0;
      to.uint(offsets[place] ?? 0);
      this.#writeOne(to, slots[place] ?? 0);
      if (at % WRITE_STEP === WRITE_STEP - 1) yield;
    }
  }

  /** Finds those that are in use. */
  *#look(slots: Int32Array, offsets: Float64Array): Generator<void, void, void> {
    let count = 0;
    for (let slot = 0; count < this.#count; slot++) {
      if (slot % LOOK_STEP === LOOK_STEP - 1) yield;
      if (this.#bytes[(slot << BYTES) | STATE] === SlotState.free) continue;
      slots[count] = slot;
      offsets[count++] = this.#origin + (this.#words[(slot << WORDS) | KEY] ?? 0);
    }
  }

  #writeOne(to: EntryWriter, slot: number): void {
    const state = (this.#bytes[(slot << BYTES) | STATE] ?? 0) & STATE_MASK;
    const isLeased = state === SlotState.acquired;
    // While it is leased, its time is the end of the lease, which is nobody's business here.
    to.uint(isLeased ? 0 : (this.#times[(slot << TIMES) | TIME] ?? 0));
    flag.write(to, isLeased);
    to.uint(this.#halves[(slot << HALVES) | ATTEMPTS] ?? 0);
    to.uint(this.#halves[(slot << HALVES) | FAILURES] ?? 0);
    to.uint(this.#bytes[(slot << BYTES) | EXPIRIES] ?? 0);
    to.uint(this.#bytes[(slot << BYTES) | CRASHES] ?? 0);
  }
}
