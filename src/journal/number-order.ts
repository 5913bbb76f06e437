/**
 * Sorts numbers in steps: to sort a million at once takes a turn of the event loop of a tenth of a
 * second.
 *
 * By digits, the one that counts least first (Knuth, The Art of Computer Programming 3, 5.2.5): each
 * pass keeps the order of those before, and may stop anywhere.
 */

/** What is compared, from the digit that counts least on: each as a function from numbers to digits. */
export type Digits = (largest: number) => readonly ((number: number) => number)[];

const RADIX = 2 ** 11;
/** Bits of a byte of an integer in the journal, and what says that another byte follows. */
const BYTE_RADIX = 2 ** 7;
/** Numbers that are looked at in a step. */
const STEP = 2 ** 16;

/** By their size. */
export const bySize: Digits = (largest) =>
  scalesOf(largest, RADIX).map((scale) => (number) => Math.floor(number / scale) & (RADIX - 1));

/** By their bytes in the journal, which is the order of a map there. */
export const byBytes: Digits = (largest) =>
  scalesOf(largest, BYTE_RADIX)
    .toReversed()
    .map((scale) => (number) => {
      const rest = Math.floor(number / scale);
      return rest < BYTE_RADIX ? rest : (rest & (BYTE_RADIX - 1)) | BYTE_RADIX;
    });

/**
 * Where each is, in their order.
 *
 * @param numbers  each once; none may change meanwhile
 */
export function* orderOf(numbers: Float64Array, digits: Digits): Generator<void, Int32Array, void> {
  const { length } = numbers;
  let order = new Int32Array(length);
  let isSorted = digits === bySize;
  let largest = 0;
  for (let at = 0; at < length; at++) {
    const number = numbers[at] ?? 0;
    if (number < largest) isSorted = false;
    else largest = number;
    order[at] = at;
    if (at % STEP === STEP - 1) yield;
  }
  if (isSorted || length < 2) return order; // Mostly they are.
  let next = new Int32Array(length);
  for (const digitOf of digits(largest)) {
    const ends = new Int32Array(RADIX);
    const passed = { numbers, order, next, digitOf, ends };
    yield* count(passed);
    yield* place(passed);
    [order, next] = [next, order];
  }
  return order;
}

interface Pass {
  readonly numbers: Float64Array;
  readonly order: Int32Array;
  readonly next: Int32Array;
  readonly digitOf: (number: number) => number;
  /** Where the places of each digit begin; while they are filled, where the next one goes. */
  readonly ends: Int32Array;
}

function* count({ numbers, digitOf, ends }: Pass): Generator<void, void, void> {
  for (let at = 0; at < numbers.length; at++) {
    const digit = digitOf(numbers[at] ?? 0);
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

function* place({ numbers, order, next, digitOf, ends }: Pass): Generator<void, void, void> {
  for (let at = 0; at < order.length; at++) {
    const from = order[at] ?? 0;
    const digit = digitOf(numbers[from] ?? 0);
    const to = ends[digit] ?? 0;
    ends[digit] = to + 1;
    next[to] = from;
    if (at % STEP === STEP - 1) yield;
  }
}

/** Of the digits of an number, from 1 on. */
function scalesOf(largest: number, radix: number): readonly number[] {
  const scales = [1];
  for (let scale = radix; scale <= largest; scale *= radix) scales.push(scale);
  return scales;
}
