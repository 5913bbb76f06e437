import { describe, expect, test } from 'vitest';

import { AssertionError } from '../../../src/core/assert.ts';
import { SlotState, assertTransition } from '../../../src/queue/record-state.ts';

const { free, available, delayed, acquired } = SlotState;
const ALL = Object.values(SlotState);

const LEGAL: readonly (readonly [SlotState, SlotState])[] = [
  [free, available],
  [free, delayed],
  [free, acquired],
  [available, acquired],
  [available, free],
  [delayed, available],
  [delayed, acquired],
  [delayed, free],
  [acquired, available],
  [acquired, delayed],
  [acquired, free],
];

describe('the transitions of a record', () => {
  test.each(LEGAL)('%i may become %i', (from, to) => {
    expect(() => assertTransition(from, to)).not.toThrow();
  });

  const illegal = ALL.flatMap((from) => ALL.map((to) => [from, to] as const)).filter(
    ([from, to]) => !LEGAL.some(([one, other]) => one === from && other === to),
  );

  test.each(illegal)('%i never becomes %i', (from, to) => {
    expect(() => assertTransition(from, to)).toThrow(AssertionError);
  });

  test('the others are five, and the error says which', () => {
    expect(illegal).toHaveLength(5);
    expect(() => assertTransition(acquired, acquired)).toThrow(/acquired to acquired/);
  });
});
