/** What may be the weight of a binding of a consistent-hash exchange. */
import { expect, test } from 'vitest';

import { BadPatternError } from '../../../src/core/routing-errors.ts';
import { EXCHANGE_TYPES } from '../../../src/routing/binding.ts';
import { checkPatternOf, weightOf } from '../../../src/routing/binding-weight.ts';
import { Hypothesis } from '../../../src/routing/hypothesis.ts';
import { checkTopologyDocument } from '../../../src/routing/topology-document.ts';

test.each([
  ['1', 1],
  ['10', 10],
  ['907', 907],
  ['1000000', 1_000_000],
])('%j is one', (text, weight) => {
  expect(() => checkPatternOf('consistent-hash', 'pattern', text)).not.toThrow();
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
  const check = () => checkPatternOf('consistent-hash', 'pattern', pattern);
  expect(check).toThrow(BadPatternError);
  expect(check).toThrow(
    expect.objectContaining({
      code: 'ERR_VARVE_BAD_PATTERN',
      details: { name: 'pattern', pattern, column, reason },
    }),
  );
});

test('other exchanges have patterns', () => {
  for (const type of EXCHANGE_TYPES.filter((each) => each !== 'consistent-hash')) {
    expect(() => checkPatternOf(type, 'pattern', 'a.#')).not.toThrow();
  }
});

test('documents and what-if refuse what is no weight, with its place', () => {
  const exchanges = [{ name: 'one', type: 'consistent-hash' }];
  const of = (pattern: string) => ({ exchange: 'one', destination: { queue: 'q' }, pattern });
  const document = checkTopologyDocument({ exchanges, bindings: [of('7')] });
  expect(document.bindings).toEqual([of('7')]);
  expect(() => checkTopologyDocument({ exchanges, bindings: [of('7'), of('x')] })).toThrow(
    'the pattern `bindings[1].pattern` "x" has a character that is no digit of a weight at column 1',
  );
  const hypothesis = new Hypothesis(document, [], () => false);
  const change = (pattern: string) =>
    hypothesis.change([{ place: 'bind[0]', binding: of(pattern) }], []);
  expect(() => change('07')).toThrow('the pattern `bind[0].pattern` "07" has a zero');
  change('8');
  expect(hypothesis.topology.bindingCount).toBe(2);
});
