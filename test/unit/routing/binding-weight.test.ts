/** What may be the weight of a binding of a consistent-hash exchange. */
import { expect, test } from 'vitest';

import { BadPatternError } from '../../../src/core/routing-errors.ts';
import { checkWeight, weightOf } from '../../../src/routing/binding-weight.ts';

test.each([
  ['1', 1],
  ['10', 10],
  ['907', 907],
  ['1000000', 1_000_000],
])('%j is one', (text, weight) => {
  expect(checkWeight(text)).toBe(text);
  expect(weightOf(text)).toBe(weight);
});

test.each([
  ['', 1, 'no weight'],
  ['0', 1, 'a zero as first digit of a weight'],
  ['007', 1, 'a zero as first digit of a weight'],
  ['-1', 1, 'a character that is no digit of a weight'],
  ['+5', 1, 'a character that is no digit of a weight'],
  [' 1', 1, 'a character that is no digit of a weight'],
  ['1 ', 2, 'a character that is no digit of a weight'],
  ['1.5', 2, 'a character that is no digit of a weight'],
  ['1e3', 2, 'a character that is no digit of a weight'],
  ['12a', 3, 'a character that is no digit of a weight'],
  ['٣', 1, 'a character that is no digit of a weight'],
  ['1\n', 2, 'a character that is no digit of a weight'],
  ['#', 1, 'a character that is no digit of a weight'],
  ['1000001', 7, 'a weight above 1000000'],
  ['9'.repeat(255), 7, 'a weight above 1000000'],
])('%j is none', (pattern, column, reason) => {
  expect(() => checkWeight(pattern)).toThrow(BadPatternError);
  expect(() => checkWeight(pattern)).toThrow(
    expect.objectContaining({
      code: 'ERR_VARVE_BAD_PATTERN',
      details: { pattern, column, reason },
    }),
  );
});
