import { describe, expect, test } from 'vitest';
import { median, spread } from '../../bench/core/statistics.ts';

describe('median', () => {
  test.each([
    { values: [3], expected: 3 },
    { values: [9, 1, 5], expected: 5 },
    { values: [4, 1, 3, 2], expected: 2.5 },
    { values: [10, 9, 100, 8, 7], expected: 9 },
  ])('of $values is $expected', ({ values, expected }) => {
    expect(median(values)).toBe(expected);
  });

  test('of nothing is NaN, and the values stay in their order', () => {
    const values = [3, 1, 2];
    median(values);
    expect(values).toEqual([3, 1, 2]);
    expect(median([])).toBeNaN();
  });
});

test('spread is the largest over the smallest', () => {
  expect(spread([2, 3, 5])).toBe(2.5);
  expect(spread([4])).toBe(1);
});
