import { expect, test } from 'vitest';

import { CLOCK_STEP_MS_MAX } from '../../../src/core/limits.ts';
import { ClockWatch } from '../../../src/log/clock-watch.ts';
import { ManualClock } from '../../../src/core/clock.ts';

test('a clock that runs has not jumped, however long nobody looked, nor has one that went back', () => {
  const clock = new ManualClock();
  const watch = new ClockWatch(clock);
  clock.advance(10 * CLOCK_STEP_MS_MAX);
  expect(watch.hasJumped(clock.now())).toBe(false);
  expect(watch.hasJumped(clock.now() - 10 * CLOCK_STEP_MS_MAX)).toBe(false);
});

test('one that was set has jumped once, and counts as right from then on', () => {
  const clock = new ManualClock();
  const watch = new ClockWatch(clock);
  const aheadMs = CLOCK_STEP_MS_MAX + 1;
  clock.advance(5);
  expect(watch.hasJumped(clock.now() + aheadMs - 1)).toBe(false);
  expect(watch.hasJumped(clock.now() + 2 * aheadMs)).toBe(true);
  clock.advance(5);
  expect(watch.hasJumped(clock.now() + 2 * aheadMs)).toBe(false);
});

test('to ask what a look would say is no look', () => {
  const clock = new ManualClock();
  const watch = new ClockWatch(clock);
  const aheadMs = clock.now() + CLOCK_STEP_MS_MAX + 1;
  expect(watch.isAhead(aheadMs)).toBe(true);
  expect(watch.isAhead(aheadMs)).toBe(true);
  expect(watch.hasJumped(aheadMs)).toBe(true);
  expect(watch.isAhead(aheadMs)).toBe(false);
});
