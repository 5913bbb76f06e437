/** Sorting numbers in steps, against sorting them at once. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { SeededRandom } from '../../../src/core/random.ts';
import { EntryWriter } from '../../../src/journal/entry-bytes.ts';
import { byBytes, bySize, orderOf, type Digits } from '../../../src/journal/number-order.ts';
import { propertyOptions } from '../../support/property.ts';

function sorted(offsets: readonly number[], digits: Digits) {
  const steps = orderOf(Float64Array.from(offsets), digits);
  for (let pauses = 0; ; pauses++) {
    const { done, value } = steps.next();
    if (done === true) return { pauses, order: [...value].map((at) => offsets[at]) };
  }
}

function bytesOf(offset: number): Uint8Array {
  const writer = new EntryWriter();
  writer.uint(offset);
  return writer.take();
}

const anyOffset = fc.oneof(fc.nat({ max: 300 }), fc.nat(), fc.maxSafeNat());
const anyOffsets = fc.uniqueArray(anyOffset, { maxLength: 60 });

describe('the order of numbers', () => {
  test('by size is that of numbers', () => {
    fc.assert(
      fc.property(anyOffsets, (offsets) => {
        const { order } = sorted(offsets, bySize);
        expect(order).toEqual(offsets.toSorted((one, two) => one - two));
      }),
      propertyOptions(),
    );
  });

  test('by bytes is that of a map in the journal', () => {
    fc.assert(
      fc.property(anyOffsets, (offsets) => {
        const { order } = sorted(offsets, byBytes);
        const wanted = offsets.toSorted((one, two) => Buffer.compare(bytesOf(one), bytesOf(two)));
        expect(order).toEqual(wanted);
      }),
      propertyOptions(),
    );
  });

  test('of very many is found in steps', () => {
    const random = new SeededRandom(3);
    const offsets = [
      ...new Set(Array.from({ length: 200_000 }, () => Math.floor(random.next() * 2 ** 40))),
    ];
    const { pauses, order } = sorted(offsets, bySize);
    expect(order).toEqual([...Float64Array.from(offsets).sort()]);
    expect(pauses).toBeGreaterThan(20);
  });

  test('of those that are sorted is found by a look at them', () => {
    const offsets = Array.from({ length: 100_000 }, (_, at) => 3 * at);
    expect(sorted(offsets, bySize)).toEqual({ pauses: 1, order: offsets });
  });
});
