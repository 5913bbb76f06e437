import { describe, expect, test } from 'vitest';

import { beginEpoch, endOfEpoch, epochAt } from '../../../src/log/epochs.ts';

const EPOCHS = [
  { epoch: 3, startOffset: 10 },
  { epoch: 5, startOffset: 20 },
  { epoch: 6, startOffset: 35 },
];

describe('epochAt', () => {
  test.each([
    [9, null],
    [10, 3],
    [19, 3],
    [20, 5],
    [34, 5],
    [35, 6],
    [9999, 6],
  ])('offset %i', (offset, expected) => {
    expect(epochAt(EPOCHS, offset)).toBe(expected);
  });
});

describe('endOfEpoch', () => {
  test.each([
    ['the current one has none', 6, null],
    ['a later one than we know has none', 7, null],
    ['the one before ended where the current began', 5, 35],
    ['one that held no record ended where the next known one began', 4, 20],
    ['one older than the list ended at or before its first', 1, 10],
  ])('%s', (_name, epoch, expected) => {
    expect(endOfEpoch(EPOCHS, epoch)).toBe(expected);
  });
});

describe('beginEpoch', () => {
  test('adds the new epoch at the end', () => {
    expect(beginEpoch(EPOCHS, 7, 50)).toEqual([...EPOCHS, { epoch: 7, startOffset: 50 }]);
  });

  test('an epoch that wrote nothing leaves the list', () => {
    expect(beginEpoch(EPOCHS, 7, 35)).toEqual([
      ...EPOCHS.slice(0, 2),
      { epoch: 7, startOffset: 35 },
    ]);
  });

  test('after a power cut took records back, epochs beyond the end leave the list', () => {
    const epochs = beginEpoch(EPOCHS, 7, 15);
    expect(epochs).toEqual([
      { epoch: 3, startOffset: 10 },
      { epoch: 7, startOffset: 15 },
    ]);
    // A position read in epoch 5 at offset 25 is refused: it ended at 15.
    expect(endOfEpoch(epochs, 5)).toBe(15);
  });

  test('keeps 16 at most, and refuses older positions by the first it has', () => {
    let epochs = beginEpoch([], 1, 0);
    for (let epoch = 2; epoch <= 40; epoch++) epochs = beginEpoch(epochs, epoch, epoch * 100);
    expect(epochs).toHaveLength(16);
    expect(epochs[0]).toEqual({ epoch: 25, startOffset: 2500 });
    expect(endOfEpoch(epochs, 3)).toBe(2500);
  });
});
