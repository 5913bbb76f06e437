/**
 * Bindings of a consistent-hash exchange: the one that the routing key of a record falls to.
 *
 * @hot No allocation; `test/support/reference/hash-choice.ts` is the slow twin.
 *
 * As with RabbitMQ's `x-consistent-hash`, the routing key of a binding is its weight, and each record
 * goes to one destination, by a hash of its routing key (the first, if it has several). Of keys each
 * destination gets as large a part as its weight is of all weights; records with one key stay together.
 *
 * Weighted rendezvous hashing (Thaler and Ravishankar, "Using name-based mappings to increase hit
 * rates", IEEE/ACM ToN 1998; weights by the logarithmic method of Schindelhauer and Schomaker, "Weighted
 * distributed hash tables", SPAA 2005): each destination draws a number for the key, and the lowest wins.
 * A ring (RabbitMQ's way once) divides evenly only with hundreds of points for each binding; jump hashing
 * (its way now) knows buckets by their position, so that to take one out moves keys between others, and
 * what came first matters. Here parts are exact with 3 bindings as with 1000, to bind or unbind moves
 * only keys of that destination, and no order counts. The price is a look at each binding, of some
 * nanoseconds: with 1000 it is microseconds, for keys whose route is not remembered.
 *
 * **The rule, which may never change**, as projections are repeated by it:
 *
 * - `mix` is the finalizer of MurmurHash3 for 32 bits; `+` is modulo 2^32.
 * - `hash` is the MurmurHash2 of the key as UTF-8, as Kafka has it.
 * - `low` is the id of the target modulo 2^32; `high` is twice the id divided by 2^32, rounded down, and
 *   one more for an exchange.
 * - `draw = mix(mix(hash xor mix(low)) + mix(high))`, without sign.
 * - The binding with the least `-ln((draw + 1/2) / 2^32) / weight` wins. Of equals a topic comes before
 *   an exchange, then the lower id of the target, then the lower id of the binding.
 *
 * So it depends on the targets, not on the ids of bindings: whoever is unbound and bound again gets the
 * same keys, and what a binding would do is known before it is made. A destination that is bound with
 * several weights counts once, with the largest (RabbitMQ: with the first, and until any is unbound).
 */
import { present } from '../core/assert.ts';
import { hashOfKey } from '../topic/partitioner.ts';
import type { Binding } from './binding.ts';
import { weightOf } from './binding-weight.ts';
import type { MatchList } from './match-list.ts';
import type { Router } from './router-type.ts';

const DRAWS = 2 ** 32;
/** Neither `Math.LN2` nor `Math.log` must be the same in each engine. */
// oxlint-disable-next-line oxc/approx-constant -- this number is part of the rule
const LN_2 = 0.6931471805599453;
/** Of the series, whose first part that is left out is below 1e-13 of the sum. */
const EXPONENT_MAX = 25;
const CAPACITY = 4;

export class ConsistentHashRouter implements Router {
  /** In no order. */
  readonly #slots: number[] = [];
  readonly #bindings: Binding[] = [];
  /** Of the same, the ids of their targets, mixed, and their weights. */
  #lows = new Int32Array(CAPACITY);
  #highs = new Int32Array(CAPACITY);
  #weights = new Int32Array(CAPACITY);
  /** Where in all of these, by slot. */
  readonly #positions = new Map<number, number>();

  add(slot: number, binding: Binding): void {
    const position = this.#slots.length;
    if (position === this.#lows.length) this.#resize(2 * position);
    this.#put(position, slot, binding);
  }

  remove(slot: number): void {
    const position = present(this.#positions.get(slot), 'the binding is in');
    this.#positions.delete(slot);
    const lastSlot = present(this.#slots.pop(), 'the binding is in');
    const last = present(this.#bindings.pop(), 'the binding is in');
    if (lastSlot !== slot) this.#put(position, lastSlot, last);
    const half = this.#lows.length / 2;
    if (half >= CAPACITY && this.#slots.length < half / 2) this.#resize(half);
  }

  match(key: string, _headers: unknown, into: MatchList): void {
    const lows = this.#lows;
    const highs = this.#highs;
    const weights = this.#weights;
    const count = this.#slots.length;
    const hash = hashOfKey(key);
    let chosen = -1;
    let least = Infinity;
    for (let at = 0; at < count; at++) {
      const draw = mix((mix(hash ^ (lows[at] as number)) + (highs[at] as number)) | 0) >>> 0;
      const part = (draw + 0.5) / DRAWS;
      const weight = weights[at] as number;
      // -ln(x) is above 1 - x, by more than rounding takes: most are out without a logarithm.
      if (1 - part >= least * weight) continue;
      const lot = minusLn(part) / weight;
      if (lot > least || (lot === least && !this.#isBefore(at, chosen))) continue;
      chosen = at;
      least = lot;
    }
    if (chosen >= 0) into.add(this.#slots[chosen] as number);
  }

  #put(position: number, slot: number, binding: Binding): void {
    const { kind, id } = binding.target;
    this.#weights[position] = weightOf(binding.routingKey);
    this.#positions.set(slot, position);
    this.#slots[position] = slot;
    this.#bindings[position] = binding;
    this.#lows[position] = mix((id % DRAWS) | 0);
    this.#highs[position] = mix(2 * Math.floor(id / DRAWS) + (kind === 'exchange' ? 1 : 0));
  }

  /** Which of two with the same lot wins. */
  #isBefore(at: number, than: number): boolean {
    const { target, bindingId } = present(this.#bindings[at], 'it is in');
    const other = present(this.#bindings[than], 'it is in');
    if (target.kind !== other.target.kind) return target.kind === 'topic';
    if (target.id !== other.target.id) return target.id < other.target.id;
    return bindingId < other.bindingId;
  }

  #resize(length: number): void {
    this.#lows = resized(this.#lows, length);
    this.#highs = resized(this.#highs, length);
    this.#weights = resized(this.#weights, length);
  }
}

/** The finalizer of MurmurHash3: each bit of the result depends on all. */
function mix(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
  return mixed ^ (mixed >>> 16);
}

/** -ln(x), 0 < x < 1, by operations alone that give the same bits in each engine: 2 artanh((1-y)/(1+y)). */
function minusLn(value: number): number {
  let scaled = value;
  let halvings = 0;
  for (; scaled < 0.5; scaled *= 2) halvings++;
  const ratio = (1 - scaled) / (1 + scaled);
  const square = ratio * ratio;
  let sum = 0;
  for (let exponent = EXPONENT_MAX; exponent > 0; exponent -= 2) sum = sum * square + 1 / exponent;
  return halvings * LN_2 + 2 * ratio * sum;
}

function resized(array: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const copy = new Int32Array(length);
  copy.set(array.subarray(0, length));
  return copy;
}
