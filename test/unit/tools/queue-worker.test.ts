/** How long `varve queue work` has a record wait after an attempt. */
import { expect, test } from 'vitest';

import { retryDelayOf } from '../../../tools/queue-worker.ts';

test('a record waits twice as long after each attempt, up to an hour, or not at all', () => {
  expect([1, 2, 3, 12].map((attempt) => retryDelayOf(1000, attempt))).toEqual([
    1000, 2000, 4000, 2_048_000,
  ]);
  expect([13, 1000, 1025, 65_535].map((attempt) => retryDelayOf(1000, attempt))).toEqual(
    Array.from({ length: 4 }, () => 3_600_000),
  );
  expect([1, 1025, 65_535].map((attempt) => retryDelayOf(0, attempt))).toEqual([0, 0, 0]);
});
