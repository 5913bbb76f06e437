/** Delays between attempts. */
import { describe, expect, test } from 'vitest';

import { SeededRandom, type Random } from '../../../src/core/random.ts';
import {
  exponential,
  fixed,
  linear,
  type ExponentialOptions,
  type RetryPolicy,
} from '../../../src/queue/retry-policy.ts';

const delays = (policy: RetryPolicy, count: number): (number | null)[] =>
  Array.from({ length: count }, (_, at) => policy(at + 1, new Error('boom')));

const always = (value: number): Random => ({ next: () => value });

describe('fixed', () => {
  test('waits the same each time', () => {
    expect(delays(fixed(250), 3)).toEqual([250, 250, 250]);
    expect(delays(fixed(0), 2)).toEqual([0, 0]);
  });
});

describe('linear', () => {
  test('waits longer by a step each time, up to its maximum', () => {
    expect(delays(linear({ stepMs: 100, maxMs: 350 }), 5)).toEqual([100, 200, 300, 350, 350]);
  });

  test('waits five minutes at most unless told otherwise', () => {
    expect(linear({ stepMs: 60_000 })(1000, null)).toBe(300_000);
    expect(delays(linear({ stepMs: 600_000 }), 2)).toEqual([600_000, 600_000]);
  });
});

describe('exponential', () => {
  test('waits 1 s, and twice as long each time, up to 5 min', () => {
    const policy = exponential({ jitter: 'none' });
    expect(delays(policy, 5)).toEqual([1000, 2000, 4000, 8000, 16_000]);
    expect(policy(10, null)).toBe(300_000);
    expect(policy(5000, null)).toBe(300_000); // Beyond what a number holds.
  });

  test('takes another start, factor and maximum', () => {
    const policy = exponential({ initialMs: 7, factor: 1.5, maxMs: 20, jitter: 'none' });
    expect(delays(policy, 4)).toEqual([7, 11, 16, 20]);
    expect(delays(exponential({ initialMs: 0 }), 2)).toEqual([0, 0]);
    expect(exponential({ initialMs: 0, factor: 100 })(5000, null)).toBe(0);
    expect(delays(exponential({ initialMs: 500, maxMs: 500, jitter: 'none' }), 2)).toEqual([
      500, 500,
    ]);
  });

  test('takes a start above the default maximum', () => {
    const policy = exponential({ initialMs: 600_000, jitter: 'none' });
    expect(delays(policy, 2)).toEqual([600_000, 600_000]);
  });

  test.each([
    ['full', 0, 0],
    ['full', 0.5, 4000],
    ['full', 1, 8000],
    ['equal', 0, 4000],
    ['equal', 0.5, 6000],
    ['equal', 1, 8000],
    ['none', 0, 8000],
    ['none', 1, 8000],
  ] as const)('jitter %s: chance %s gives %s of a bound of 8000', (jitter, chance, delayMs) => {
    expect(exponential({ jitter, random: always(chance) })(4, null)).toBe(delayMs);
  });

  test('has full jitter by default, spread evenly, and the same for the same seed', () => {
    const random = new SeededRandom(42);
    const policy = exponential({ random });
    const drawn = Array.from({ length: 4000 }, () => policy(1, null) ?? -1);
    for (let quarter = 0; quarter < 4; quarter++) {
      const lowMs = 250 * quarter;
      const count = drawn.filter((ms) => ms >= lowMs && ms < lowMs + 250).length;
      expect(count).toBeGreaterThan(900);
      expect(count).toBeLessThan(1100);
    }
    const again = exponential({ random: new SeededRandom(42) });
    expect(drawn.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => again(1, null)));
  });
});

describe('a mistake', () => {
  test.each([
    ['a negative delay', () => fixed(-1), RangeError],
    ['part of a millisecond', () => fixed(0.5), RangeError],
    ['more than a year', () => fixed(366 * 24 * 60 * 60 * 1000), RangeError],
    ['a text', () => fixed('1' as unknown as number), TypeError],
    ['no step', () => linear({} as { stepMs: number }), TypeError],
    ['an unknown option', () => linear({ stepMs: 1, step: 1 } as { stepMs: number }), TypeError],
    ['a factor below 1', () => exponential({ factor: 0.9 }), RangeError],
    ['a factor that is no number', () => exponential({ factor: Number.NaN }), RangeError],
    ['a factor as a text', () => exponential({ factor: '2' as unknown as number }), TypeError],
    ['a start below 0', () => exponential({ initialMs: -1 }), RangeError],
    ['an endless maximum', () => exponential({ maxMs: Number.POSITIVE_INFINITY }), RangeError],
    ['a maximum below the start', () => exponential({ initialMs: 500, maxMs: 5 }), RangeError],
    ['a maximum below the step', () => linear({ stepMs: 500, maxMs: 499 }), RangeError],
    ['a maximum below the default start', () => exponential({ maxMs: 999 }), RangeError],
    ['an unknown jitter', () => exponential({ jitter: 'some' as 'full' }), TypeError],
    ['no chance', () => exponential({ random: {} as unknown as Random }), TypeError],
    ['no options', () => exponential(null as unknown as ExponentialOptions), TypeError],
  ])('%s is refused', (_name, call, ErrorClass) => {
    expect(call).toThrow(ErrorClass);
    expect(call).toThrow(expect.objectContaining({ code: 'ERR_VARVE_INVALID_ARGUMENT' }));
  });

  test.each([
    ['maxMs', () => exponential({ initialMs: 0, maxMs: -1 })],
    ['maxMs', () => linear({ stepMs: 500, maxMs: 499 })],
    ['initialMs', () => exponential({ initialMs: 'long' as unknown as number })],
    ['stepMs', () => linear({ stepMs: Number.NaN })],
  ])('in %s is told by that name', (name, call) => {
    expect(call).toThrow(`Expected \`${name}\` to be`);
  });
});
