/** When a bare log looks whether it is to be compacted. */
import { expect, onTestFinished, test } from 'vitest';

import { ManualClock } from '../../../src/core/clock.ts';
import { CompactionTimer } from '../../../src/log/compaction-timer.ts';
import { settle } from '../../support/log-fixture.ts';

const CHECK_MS = 300_000;
const MINUTE_MS = 60_000;

/** A compactor whose runs end when the test says so. */
class HeldCompactor {
  runs = 0;
  #end: ((error: Error | null) => void) | null = null;

  compactDue(): Promise<null> {
    this.runs++;
    return new Promise((resolve, reject) => {
      this.#end = (error) => (error === null ? resolve(null) : reject(error));
    });
  }

  async end(error: Error | null = null): Promise<void> {
    this.#end?.(error);
    await settle();
  }
}

function setup() {
  const clock = new ManualClock();
  const compactor = new HeldCompactor();
  const timer = new CompactionTimer({ clock, checkMs: CHECK_MS, compactor });
  onTestFinished(() => timer.close());
  return { clock, compactor, timer };
}

test('looks each time the interval has passed since the last run ended', async () => {
  const { clock, compactor } = setup();
  clock.advance(CHECK_MS - 1);
  expect(compactor.runs).toBe(0);
  clock.advance(1);
  expect(compactor.runs).toBe(1);
  clock.advance(10 * CHECK_MS);
  expect(compactor.runs).toBe(1); // It goes on.
  await compactor.end();
  clock.advance(CHECK_MS - 1);
  expect(compactor.runs).toBe(1);
  clock.advance(1);
  expect(compactor.runs).toBe(2);
});

test('looks when a segment was sealed, and once more when one was meanwhile', async () => {
  const { clock, compactor, timer } = setup();
  timer.rolled();
  expect(compactor.runs).toBe(1);
  timer.rolled();
  timer.rolled();
  expect(compactor.runs).toBe(1);
  await compactor.end();
  expect(compactor.runs).toBe(2);
  await compactor.end();
  expect(compactor.runs).toBe(2);
  clock.advance(CHECK_MS);
  expect(compactor.runs).toBe(3);
});

test('tries again a minute after a failure, then after two, and after an hour at most', async () => {
  const { clock, compactor, timer } = setup();
  timer.rolled();
  const delaysMs = [1, 2, 4, 8, 16, 32, 60, 60].map((minutes) => minutes * MINUTE_MS);
  for (const [at, delayMs] of delaysMs.entries()) {
    await compactor.end(new Error('the disk is full'));
    timer.rolled(); // No reason to try earlier.
    clock.advance(delayMs - 1);
    expect(compactor.runs).toBe(at + 1);
    clock.advance(1);
    expect(compactor.runs).toBe(at + 2);
  }
  await compactor.end();
  clock.advance(CHECK_MS);
  expect(compactor.runs).toBe(delaysMs.length + 2);
  await compactor.end(new Error('again'));
  clock.advance(MINUTE_MS);
  expect(compactor.runs).toBe(delaysMs.length + 3);
});

test('closed, it leaves no timer behind, also when a run ends later', async () => {
  const { clock, compactor, timer } = setup();
  timer.rolled();
  timer.close();
  expect(clock.pendingTimerCount).toBe(0);
  await compactor.end();
  timer.rolled();
  expect(clock.pendingTimerCount).toBe(0);
  expect(compactor.runs).toBe(1);
});
