import { describe, expect, test } from 'vitest';

import { spansOf } from '../../../src/queue/offset-spans.ts';

interface Case {
  readonly name: string;
  readonly ranges?: readonly (readonly [number, number])[];
  readonly offsets?: readonly number[];
  readonly gap?: number;
  readonly spans: readonly (readonly number[])[];
}

function pairs(
  ranges: readonly (readonly [number, number])[],
  offsets: readonly number[],
  gap: number,
) {
  const all = spansOf(
    ranges.map(([from, to]) => ({ from, to })),
    offsets,
    gap,
  );
  return [...all].map(({ from, to }) => [from, to]);
}

describe('spans', () => {
  test.each([
    { name: 'nothing', spans: [] },
    {
      name: 'ranges alone',
      ranges: [
        [0, 5],
        [9, 12],
      ],
      spans: [
        [0, 5],
        [9, 12],
      ],
    },
    {
      name: 'offsets alone, neighbours as one',
      offsets: [1, 2, 3, 7],
      spans: [
        [1, 4],
        [7, 8],
      ],
    },
    {
      name: 'offsets around ranges',
      ranges: [[10, 20]],
      offsets: [3, 15, 30],
      spans: [
        [3, 4],
        [10, 20],
        [30, 31],
      ],
    },
    { name: 'what touches', ranges: [[10, 20]], offsets: [9, 20], spans: [[9, 21]] },
    { name: 'what is near', ranges: [[10, 20]], offsets: [5, 24], gap: 4, spans: [[5, 25]] },
    {
      name: 'what is not near enough',
      ranges: [[10, 20]],
      offsets: [4, 26],
      gap: 4,
      spans: [
        [4, 5],
        [10, 20],
        [26, 27],
      ],
    },
    {
      name: 'an offset at the begin of a range',
      ranges: [[10, 20]],
      offsets: [10],
      spans: [[10, 20]],
    },
  ] satisfies readonly Case[])(
    'of $name',
    ({ ranges = [], offsets = [], gap = 0, spans }: Case) => {
      expect(pairs(ranges, offsets, gap)).toEqual(spans);
    },
  );
});
