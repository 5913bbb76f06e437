import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { UnreadRanges } from '../../../src/queue/unread-ranges.ts';
import { propertyOptions } from '../../support/property.ts';

const END = 40;

/** As a set: what is unread below `END`. */
function membersOf(unread: UnreadRanges): Set<number> {
  return new Set(Array.from({ length: END }, (_, at) => at).filter((at) => unread.has(at)));
}

/** Those in [from, to), as they are visited, range by range. */
function offsetsIn(unread: UnreadRanges, from: number, to: number): number[] {
  const offsets: number[] = [];
  unread.eachIn({ from, to }, (range) => {
    expect(range.from).toBeLessThan(range.to);
    for (let offset = range.from; offset < range.to; offset++) offsets.push(offset);
  });
  return offsets;
}

describe('unread ranges', () => {
  test('are all offsets from the first on', () => {
    const unread = new UnreadRanges(7);
    expect([unread.first, unread.frontier, unread.countBelow(5), unread.countBelow(10)]).toEqual([
      7, 7, 0, 3,
    ]);
    expect([unread.has(6), unread.has(7), unread.has(2 ** 50)]).toEqual([false, true, true]);
    expect(unread.next(3)).toEqual({ from: 7, to: Number.MAX_SAFE_INTEGER });
    expect(unread.next(9).from).toBe(9);
  });

  test('a hole splits a range, and the frontier is where the last one begins', () => {
    const unread = new UnreadRanges(0);
    expect(unread.take(3, 2)).toBe(2);
    expect(unread.take(4, 3)).toBe(2);
    expect(unread.toPairs()).toEqual([0, 3, 7]);
    expect([unread.frontier, unread.first, unread.countBelow(9)]).toEqual([7, 0, 5]);
    expect(unread.next(2)).toEqual({ from: 2, to: 3 });
    expect(unread.next(3)).toMatchObject({ from: 7 });
  });

  test('what was cut comes back, joined with what touches it', () => {
    const unread = new UnreadRanges(2);
    unread.take(5, 1);
    const cut = unread.cut(9);
    expect(cut).toEqual([
      { from: 2, to: 5 },
      { from: 6, to: 9 },
    ]);
    expect(unread.toPairs()).toEqual([9]);
    unread.restore(cut);
    expect(unread.toPairs()).toEqual([2, 5, 6]);
  });

  test('are many when every other record was cancelled, and cost no square of that', () => {
    const unread = new UnreadRanges(0);
    const count = 50_000;
    let taken = 0;
    for (let at = 0; at < count; at++) taken += unread.take(2 * at + 1, 1);
    expect(taken).toBe(count);
    expect(unread.toPairs()).toHaveLength(2 * count + 1);
    let left = 0;
    for (let offset = 0; offset < 2 * count; offset++) left += unread.has(offset) ? 1 : 0;
    expect(left).toBe(count);
    for (let offset = 0; offset < 2 * count; offset += 10) taken += unread.take(offset, 10);
    expect(taken).toBe(2 * count);
    expect(unread.toPairs()).toEqual([2 * count]);
  });

  test('pairs are the way back', () => {
    for (const pairs of [[0], [1, 3, 8], [0, 1, 2, 3, 9]]) {
      expect(UnreadRanges.ofPairs(pairs).toPairs()).toEqual(pairs);
    }
  });

  test('do what a set of offsets does', () => {
    const step = fc.record({
      how: fc.constantFrom('take', 'takeBelow', 'cut', 'restore'),
      at: fc.nat(END - 8),
      count: fc.integer({ min: 1, max: 8 }),
    });
    let restoredCount = 0;
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30, size: 'max' }), fc.nat(9), (steps, from) => {
        const unread = new UnreadRanges(from);
        let expected = membersOf(unread);
        let cut: ReturnType<UnreadRanges['cut']> = [];
        let cutMembers = new Set<number>();
        for (const { how, at, count } of steps) {
          const before = expected;
          if (how === 'take') {
            expected = new Set([...before].filter((one) => one < at || one >= at + count));
            expect(unread.take(at, count)).toBe(before.size - expected.size);
          } else if (how === 'restore') {
            expected = new Set([...before, ...cutMembers]);
            unread.restore(cut);
            restoredCount += cutMembers.size;
          } else {
            expected = new Set([...before].filter((one) => one >= at));
            if (how === 'cut') {
              cut = unread.cut(at);
              cutMembers = new Set([...before].filter((one) => one < at));
            } else expect(unread.takeBelow(at)).toBe(before.size - expected.size);
          }
          expect(membersOf(unread)).toEqual(expected);
          expect(unread.countBelow(END)).toBe(expected.size);
          expect(unread.countBelow(at)).toBe([...expected].filter((one) => one < at).length);
          expect(unread.first).toBe(Math.min(END, ...expected));
          const [begin, end] = [Math.max(0, at - 1), at + count];
          const inside = [...expected].filter((one) => one >= begin && one < end);
          expect(offsetsIn(unread, begin, end)).toEqual(inside.toSorted((one, two) => one - two));
          const pairs = unread.toPairs();
          expect(UnreadRanges.ofPairs(pairs).countBelow(END)).toBe(expected.size);
          expect(pairs).toEqual([...new Set(pairs)].toSorted((one, two) => one - two));
        }
      }),
      propertyOptions(),
    );
    expect(restoredCount).toBeGreaterThan(100);
  });
});
