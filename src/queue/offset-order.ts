/**
 * Sorts offsets in steps: to sort a million at once takes a turn of the event loop of a tenth of a
 * second.
 *
 * By digits, the one that counts least first (Knuth, The Art of Computer Programming 3, 5.2.5): each
 * pass keeps the order of those before, and may stop anywhere.
 */

/** What is compared, from the digit that counts least on: each as a function from offsets to digits. */
export type Digits = (largest: number) => readonly ((offset: number) => number)[];

const RADIX = 2 ** 11;
/** Bits of a byte of an integer in the journal, and what says that another byte follows. */
const BYTE_RADIX = 2 ** 7;
/** Offsets that are looked at in a step. */
const STEP = 2 ** 16;

/** By their size. */
export const bySize: Digits = (largest) =>
  scalesOf(largest, RADIX).map((scale) => (offset) => Math.floor(offset / scale) & (RADIX - 1));

/** By their bytes in the journal, which is the order of a map there. */
export const byBytes: Digits = (largest) =>
  scalesOf(largest, BYTE_RADIX)
    .toReversed()
    .map((scale) => (offset) => {
      const rest = Math.floor(offset / scale);
      return rest < BYTE_RADIX ? rest : (rest & (BYTE_RADIX - 1)) | BYTE_RADIX;
    });

/**
 * Where each is, in their order.
 *
 * @param offsets  each once; none may change meanwhile
 */
export function* orderOf(offsets: Float64Array, digits: Digits): Generator<void, Int32Array, void> {
  const { length } = offsets;
  let order = new Int32Array(length);
  let isSorted = digits === bySize;
  let largest = 0;
  for (let at = 0; at < length; at++) {
    const offset = offsets[at] ?? 0;
    if (offset < largest) isSorted = false;
    else largest = offset;
    order[at] = at;
    if (at % STEP === STEP - 1) yield;
  }
  if (isSorted) return order; // Mostly they are.
  let next = new Int32Array(length);
  for (const digitOf of digits(largest)) {
    const ends = new Int32Array(RADIX);
    const passed = { offsets, order, next, digitOf, ends };
    yield* count(passed);
    yield* place(passed);
    [order, next] = [next, order];
  }
  return order;
}

interface Pass {
  readonly offsets: Float64Array;
  readonly order: Int32Array;
  readonly next: Int32Array;
  readonly digitOf: (offset: number) => number;
  /** Where the places of each digit begin; while they are filled, where the next one goes. */
  readonly ends: Int32Array;
}

function* count({ offsets, digitOf, ends }: Pass): Generator<void, void, void> {
  for (let at = 0; at < offsets.length; at++) {
    const digit = digitOf(offsets[at] ?? 0);
    ends[digit] = (ends[digit] ?? 0) + 1;
    if (at % STEP === STEP - 1) yield;
  }
  let begin = 0;
  for (let digit = 0; digit < ends.length; digit++) {
    const found = ends[digit] ?? 0;
    ends[digit] = begin;
    begin += found;
  }
}

function* place({ offsets, order, next, digitOf, ends }: Pass): Generator<void, void, void> {
  for (let at = 0; at < order.length; at++) {
    const from = order[at] ?? 0;
    const digit = digitOf(offsets[from] ?? 0);
    const to = ends[digit] ?? 0;
    ends[digit] = to + 1;
    next[to] = from;
    if (at % STEP === STEP - 1) yield;
  }
}

/** Of the digits of an offset, from 1 on. */
function scalesOf(largest: number, radix: number): readonly number[] {
  const scales = [1];
  for (let scale = radix; scale <= largest; scale *= radix) scales.push(scale);
  return scales;
}
