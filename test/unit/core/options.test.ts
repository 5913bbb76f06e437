/** Which key may be meant by one that nobody knows. */
import { describe, expect, test } from 'vitest';

import { plainOptions, unknownKey } from '../../../src/core/options.ts';

const known = ['deadLetter', 'failuresMax', 'leaseMs', 'max', 'create', 'concurrency', 'from'];

describe('an unknown key', () => {
  test.each([
    ['deadletter', 'deadLetter'],
    ['leaseMS', 'leaseMs'],
    ['maxFailures', 'failuresMax'],
    ['letterDead', 'deadLetter'],
    ['concurency', 'concurrency'],
    ['conccurency', 'concurrency'],
    ['ceate', 'create'],
    ['lease', 'leaseMs'],
    ['failures', 'failuresMax'],
    ['form', null],
    ['mx', null],
    ['retry', null],
    ['', null],
    ['constructor', null],
  ])('%j is perhaps %j', (key, meant) => {
    const guess = meant === null ? '' : `, perhaps \`${meant}\``;
    expect(unknownKey(key, known)).toBe(`without an unknown key \`${key}\`${guess}`);
  });

  test('is cut when it is long', () => {
    const text = unknownKey('x'.repeat(1000), known);
    expect(text).toBe(`without an unknown key \`${'x'.repeat(40)}\``);
  });

  test('is told of what the caller calls it', () => {
    expect(() => plainOptions({ size: 5 }, new Set(['max']), 'batch')).toThrow(
      'Expected `batch` to be without an unknown key `size`',
    );
    expect(() => plainOptions(5 as unknown as object, new Set(['max']), 'batch')).toThrow(
      'Expected `batch` to be an object, got `5`',
    );
  });
});
