import { describe, expect, test, vi } from 'vitest';

import { present } from '../../../src/core/assert.ts';
import { ManualClock, systemClock } from '../../../src/core/clock.ts';

describe('the manual clock', () => {
  test('stands still until it is moved', () => {
    const clock = new ManualClock(1000);
    expect([clock.now(), clock.monotonic()]).toEqual([1000, 0]);
    clock.advance(50);
    expect([clock.now(), clock.monotonic()]).toEqual([1050, 50]);
    clock.advance(0);
    expect([clock.now(), clock.monotonic()]).toEqual([1050, 50]);
  });

  test('starts in 2026', () => {
    expect(new ManualClock().now()).toBe(Date.UTC(2026, 0, 1));
  });

  test('fires timers in due order, and those of one instant as they were set', () => {
    const clock = new ManualClock();
    const fired: string[] = [];
    const set = (name: string, delayMs: number): void => {
      clock.setTimer(() => fired.push(`${name} at ${clock.monotonic()}`), delayMs);
    };
    set('c', 30);
    set('a', 10);
    set('b', 10);
    set('late', 31);
    clock.advance(9);
    expect(fired).toEqual([]);
    clock.advance(21);
    expect(fired).toEqual(['a at 10', 'b at 10', 'c at 30']);
    expect(clock.pendingTimerCount).toBe(1);
    clock.advance(1);
    expect(fired).toHaveLength(4);
    expect(clock.pendingTimerCount).toBe(0);
  });

  test('fires late, in due order, what becomes due in a stall', () => {
    const clock = new ManualClock(1000);
    const fired: string[] = [];
    const set = (name: string, delayMs: number): void => {
      clock.setTimer(() => fired.push(`${name} at ${clock.monotonic()}`), delayMs);
    };
    set('second', 20);
    clock.setTimer(() => {
      set('at once', 0);
      set('later', 1);
    }, 30);
    set('first', 10);
    set('not due', 101);
    clock.stall(100);
    expect(fired).toEqual(['first at 100', 'second at 100', 'at once at 100']);
    expect([clock.now(), clock.monotonic()]).toEqual([1100, 100]);
    clock.advance(1);
    expect(fired.slice(3)).toEqual(['not due at 101', 'later at 101']);
  });

  test('fires timers that a callback sets, in the same call when they are due', () => {
    const clock = new ManualClock();
    const fired: number[] = [];
    const again = (): void => {
      fired.push(clock.monotonic());
      clock.setTimer(again, 10);
    };
    clock.setTimer(again, 10);
    clock.advance(35);
    expect(fired).toEqual([10, 20, 30]);
    expect(clock.monotonic()).toBe(35);
  });

  test('a cancelled timer does not fire, also when cancelled twice or by another', () => {
    const clock = new ManualClock();
    const fired: string[] = [];
    const cancelled = clock.setTimer(() => fired.push('cancelled'), 20);
    clock.setTimer(() => cancelled.cancel(), 10);
    const kept = clock.setTimer(() => fired.push('kept'), 20);
    clock.advance(20);
    expect(fired).toEqual(['kept']);
    kept.cancel();
    cancelled.cancel();
    expect(clock.pendingTimerCount).toBe(0);
  });

  test('a negative delay is due at once, but only when time is moved', () => {
    const clock = new ManualClock();
    let fired = 0;
    clock.setTimer(() => (fired += 1), -5);
    expect(fired).toBe(0);
    clock.advance(0);
    expect(fired).toBe(1);
    expect(clock.monotonic()).toBe(0);
  });

  test('the wall clock jumps alone', () => {
    const clock = new ManualClock(1000);
    let fired = 0;
    clock.setTimer(() => (fired += 1), 10);
    clock.jumpTo(500);
    expect([clock.now(), clock.monotonic(), fired]).toEqual([500, 0, 0]);
    clock.jumpTo(1_000_000);
    expect(fired).toBe(0);
    clock.advance(10);
    expect([clock.now(), clock.monotonic(), fired]).toEqual([1_000_010, 10, 1]);
  });
});

describe('the system clock', () => {
  test('tells the time, and monotonic time does not go back', () => {
    expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(1000);
    const first = systemClock.monotonic();
    expect(systemClock.monotonic()).toBeGreaterThanOrEqual(first);
  });

  test('fires a timer once, and not when it was cancelled', async () => {
    const fired: string[] = [];
    systemClock.setTimer(() => fired.push('cancelled'), 1).cancel();
    await new Promise<void>((resolve) => {
      systemClock.setTimer(() => fired.push('first'), 2);
      systemClock.setTimer(resolve, 30);
      setTimeout(resolve, 2000); // Ours keeps no process alive.
    });
    expect(fired).toEqual(['first']);
  });

  test('keeps the process alive until all who asked for it have cancelled, each once', () => {
    const timers = () =>
      process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const before = timers();
    const ask = () => present(systemClock.keepAlive?.() ?? null, 'a process is kept alive');
    for (let round = 0; round < 2; round++) {
      const [one, two] = [ask(), ask()];
      expect(timers()).toBe(before + 1);
      one.cancel();
      one.cancel();
      expect(timers()).toBe(before + 1);
      two.cancel();
      expect(timers()).toBe(before);
    }
  });
});

test('the clock of the system waits for longer than a timer of Node.js takes', () => {
  vi.useFakeTimers();
  try {
    let firedCount = 0;
    const delayMs = 2 ** 32;
    systemClock.setTimer(() => firedCount++, delayMs);
    const other = systemClock.setTimer(() => firedCount++, delayMs);
    vi.advanceTimersByTime(delayMs - 1);
    expect(firedCount).toBe(0);
    other.cancel(); // In its second part.
    vi.advanceTimersByTime(1);
    expect(firedCount).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});
