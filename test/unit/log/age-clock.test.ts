import { describe, expect, test } from 'vitest';

import { ManualClock } from '../../../src/core/clock.ts';
import { CLOCK_BELIEVED_MS } from '../../../src/core/limits.ts';
import { SeededRandom, randomBelow } from '../../../src/core/random.ts';
import { AgeClock } from '../../../src/log/age-clock.ts';

const DAYS = 24 * 3_600_000;

function begun() {
  const clock = new ManualClock();
  return { clock, ages: new AgeClock(clock), startMs: clock.now() };
}

test('a clock that runs is believed, however long nobody looked', () => {
  const { clock, ages } = begun();
  for (const ms of [0, 1, CLOCK_BELIEVED_MS, 10 * CLOCK_BELIEVED_MS + 3, 7]) {
    clock.advance(ms);
    expect(ages.now()).toBe(clock.now());
  }
});

test('one that was set back is believed at once', () => {
  const { clock, ages, startMs } = begun();
  clock.advance(500);
  clock.jumpTo(startMs - 10 * DAYS);
  expect(ages.now()).toBe(startMs - 10 * DAYS);
});

describe('one that went ahead', () => {
  test('is not believed for a day, whoever looks how often, while the time from before goes on', () => {
    const { clock, ages, startMs } = begun();
    clock.advance(CLOCK_BELIEVED_MS - 1);
    clock.jumpTo(startMs + 1000 * DAYS);
    for (let look = 0; look < 100; look++) ages.now();
    clock.advance(1);
    expect(ages.now()).toBe(startMs + CLOCK_BELIEVED_MS);
    clock.advance(CLOCK_BELIEVED_MS - 1);
    expect(ages.now()).toBe(startMs + 2 * CLOCK_BELIEVED_MS - 1);
  });

  test('is believed after two days at the latest', () => {
    const { clock, ages, startMs } = begun();
    clock.advance(1);
    clock.jumpTo(startMs + 1000 * DAYS);
    for (let look = 0; look < 48; look++) {
      ages.now();
      clock.advance(CLOCK_BELIEVED_MS / 24);
    }
    expect(ages.now()).toBe(clock.now());
  });

  test('counts from when it was seen, if nobody had looked for long', () => {
    const { clock, ages, startMs } = begun();
    clock.advance(50 * CLOCK_BELIEVED_MS);
    clock.jumpTo(startMs + 1000 * DAYS);
    expect(ages.now()).toBe(startMs + 50 * CLOCK_BELIEVED_MS);
    clock.advance(CLOCK_BELIEVED_MS - 1);
    expect(ages.now()).toBe(startMs + 51 * CLOCK_BELIEVED_MS - 1);
    clock.advance(1);
    expect(ages.now()).toBe(clock.now());
  });

  test('and once more before that is held to the first of both', () => {
    const { clock, ages, startMs } = begun();
    clock.jumpTo(startMs + 10 * DAYS);
    ages.now();
    clock.advance(CLOCK_BELIEVED_MS);
    ages.now();
    clock.jumpTo(clock.now() + 1000 * DAYS);
    ages.now();
    clock.advance(CLOCK_BELIEVED_MS);
    expect(ages.now()).toBe(startMs + 10 * DAYS + 2 * CLOCK_BELIEVED_MS);
  });

  test('and came back has changed nothing', () => {
    const { clock, ages, startMs } = begun();
    clock.jumpTo(startMs + 1000 * DAYS);
    ages.now();
    clock.jumpTo(startMs);
    clock.advance(5);
    expect(ages.now()).toBe(startMs + 5);
  });

  test('after it had gone back stays back for a day', () => {
    const { clock, ages, startMs } = begun();
    clock.jumpTo(startMs - 10 * DAYS);
    ages.now();
    clock.jumpTo(startMs);
    expect(ages.now()).toBe(startMs - 10 * DAYS);
  });
});

test('whatever a clock does, nothing gets older by it than by the least it said for a day', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = new SeededRandom(seed);
    const { clock, ages } = begun();
    /** What it was ahead by when it was looked at, until when. */
    const said = [{ aheadMs: clock.now(), untilMs: 0 }];
    for (let step = 0; step < 60; step++) {
      clock.advance(randomBelow(random, 2) * randomBelow(random, CLOCK_BELIEVED_MS));
      if (randomBelow(random, 3) === 0) clock.jumpTo(randomBelow(random, 4000) * DAYS);
      const nowMs = ages.now();
      const untilMs = clock.monotonic();
      // The look before holds until this one.
      for (const one of said.slice(-1)) one.untilMs = untilMs;
      said.push({ aheadMs: clock.now() - untilMs, untilMs });
      const least = (ms: number): number =>
        untilMs +
        Math.min(...said.filter((one) => one.untilMs > untilMs - ms).map((one) => one.aheadMs));
      expect(nowMs).toBeLessThanOrEqual(Math.min(clock.now(), least(CLOCK_BELIEVED_MS)));
      expect(nowMs).toBeGreaterThanOrEqual(least(3 * CLOCK_BELIEVED_MS));
    }
  }
});
