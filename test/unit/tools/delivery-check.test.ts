import { describe, expect, it } from 'vitest';
import { checkDeliveries, isExact } from '../../../tools/quickstart/delivery-check.ts';

const EXACT = { missing: 0, wrong: 0, again: 0, outOfOrder: 0 };

describe('the check of what queues of the quickstart got', () => {
  it('passes what is wanted, in order, and past and present in any mixture', () => {
    const wanted = [0, 3, 4, 7, 9];
    const plain = checkDeliveries({ delivered: wanted, wanted, pastBelow: 0 });
    const mixed = checkDeliveries({ delivered: [7, 0, 9, 3, 4], wanted, pastBelow: 5 });
    expect(plain).toEqual(EXACT);
    expect(mixed).toEqual(EXACT);
    expect(isExact(mixed)).toBe(true);
  });

  it.each([
    ['missing', [0, 3, 7, 9], { missing: 1 }],
    ['of another queue', [0, 3, 4, 5, 7, 9], { wrong: 1 }],
    ['there twice', [0, 3, 3, 4, 7, 9], { again: 1 }],
    ['out of order in the past', [3, 0, 4, 7, 9], { outOfOrder: 1 }],
    ['out of order in the present', [0, 3, 4, 9, 7], { outOfOrder: 1 }],
  ])('names one that is %s', (_, delivered, trouble) => {
    const check = checkDeliveries({ delivered, wanted: [0, 3, 4, 7, 9], pastBelow: 5 });
    expect(check).toEqual({ ...EXACT, ...trouble });
    expect(isExact(check)).toBe(false);
  });
});
