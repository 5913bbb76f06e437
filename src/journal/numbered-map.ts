/** Maps by number that may be very large: copied without a look at what is in them, and written in steps. */
import { present } from '../core/assert.ts';
import type { EntryWriter } from './entry-bytes.ts';
import { map, uint, type Field, type Frozen } from './entry-fields.ts';
import { byBytes, orderOf } from './number-order.ts';

/** Values that are written in a step. */
export const STEP = 2 ** 12;

/** The pairs of a map as they were at one moment, by place. */
export interface MapCopy<V> {
  numbers(): Float64Array;
  valueAt(place: number): V;
}

/** @param pairs  values of which none is ever changed, only replaced */
export function copyOf<V>(pairs: ReadonlyMap<number, V>): MapCopy<V> {
  const numbers = Float64Array.from(pairs.keys());
  const values = [...pairs.values()];
  return {
    numbers: () => numbers,
    valueAt: (place) => present(values[place], 'one for each number'),
  };
}

/** As `map` of the fields would. */
export function* writeMap<V>(
  to: EntryWriter,
  field: Field<V>,
  copy: MapCopy<V>,
): Generator<void, void, void> {
  const numbers = copy.numbers();
  to.uint(numbers.length);
  const order = yield* orderOf(numbers, byBytes);
  for (const [at, place] of order.entries()) {
    to.uint(numbers[place] ?? 0);
    field.write(to, copy.valueAt(place));
    if (at % STEP === STEP - 1) yield;
  }
}

/** A map by number. @param value  none is ever changed, only replaced */
export function numberedMap<V>(value: Field<V>): Field<Map<number, V>> {
  const stored = map(uint, value);
  const freeze = (pairs: Map<number, V>): Frozen => {
    const copy = copyOf(pairs);
    return (to) => writeMap(to, value, copy);
  };
  return {
    write: (to, pairs) => void Array.from(freeze(pairs)(to)), // To its end.
    freeze,
    read: (from) => stored.read(from),
  };
}
