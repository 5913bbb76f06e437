import { describe, expect, test } from 'vitest';

import { randomBelow, randomId, SeededRandom, systemRandom } from '../../../src/core/random.ts';
import type { Random } from '../../../src/core/random.ts';

function take(random: Random, count: number): number[] {
  return Array.from({ length: count }, () => random.next());
}

describe.each([
  ['seeded', new SeededRandom(1)],
  ['system', systemRandom],
])('%s randomness', (_name, random) => {
  test('lies in [0, 1) and is spread over it', () => {
    const numbers = take(random, 10_000);
    expect(Math.min(...numbers)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...numbers)).toBeLessThan(1);
    const counts = Array.from({ length: 10 }, () => 0);
    for (const number of numbers)
      counts[Math.floor(number * 10)] = (counts[Math.floor(number * 10)] ?? 0) + 1;
    // 1000 each, with a standard deviation of 30: ten of them make a failure of this impossible.
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(300);
  });

  test('does not repeat itself', () => {
    expect(new Set(take(random, 1000)).size).toBeGreaterThan(990);
  });
});

describe('seeded randomness', () => {
  test('is the same for the same seed, and differs between seeds', () => {
    expect(take(new SeededRandom(7), 100)).toEqual(take(new SeededRandom(7), 100));
    expect(take(new SeededRandom(7), 5)).not.toEqual(take(new SeededRandom(8), 5));
  });

  test('is what it always was: recorded seeds must stay replayable', () => {
    expect(take(new SeededRandom(42), 3)).toEqual([
      0.6011037519201636, 0.44829055899754167, 0.8524657934904099,
    ]);
  });

  test('takes any number as a seed', () => {
    for (const seed of [0, -1, 2 ** 32, 2 ** 53 - 1, 0.5]) {
      expect(new SeededRandom(seed).next()).toBeLessThan(1);
    }
  });
});

describe('helpers', () => {
  test('randomBelow covers [0, bound)', () => {
    const random = new SeededRandom(1);
    const seen = new Set(Array.from({ length: 1000 }, () => randomBelow(random, 5)));
    expect(seen).toEqual(new Set([0, 1, 2, 3, 4]));
    expect(randomBelow(random, 1)).toBe(0);
  });

  test('randomId is a safe integer and never 0', () => {
    const ends = (value: number): Random => ({ next: () => value });
    expect(randomId(ends(0))).toBe(1);
    expect(randomId(ends(1 - 2 ** -53))).toBeLessThanOrEqual(Number.MAX_SAFE_INTEGER);
    const ids = Array.from({ length: 1000 }, () => randomId(systemRandom));
    expect(new Set(ids).size).toBe(1000);
    for (const id of ids) expect(Number.isSafeInteger(id) && id > 0).toBe(true);
  });
});
