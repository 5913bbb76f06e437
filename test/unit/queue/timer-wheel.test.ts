import { describe, expect, test } from 'vitest';

import { AssertionError } from '../../../src/core/assert.ts';
import { Row, SlotRows } from '../../../src/queue/slot-rows.ts';
import { TimerWheel } from '../../../src/queue/timer-wheel.ts';

const TICK_MS = 8;
const YEAR_MS = 365 * 24 * 3600 * 1000;

function makeWheel(slots: number, startMs = 0) {
  const rows = new SlotRows(slots);
  const wheel = new TimerWheel(rows);
  wheel.rebase(startMs);
  const insertAt = (slot: number, timeMs: number): void => {
    rows.times[(slot << Row.TIMES) | Row.TIME] = timeMs;
    wheel.insert(slot);
  };
  const dueAt = (nowMs: number): number[] => {
    const due: number[] = [];
    wheel.advance(nowMs, (slot) => due.push(slot));
    return due;
  };
  return { wheel, rows, insertAt, dueAt };
}

describe('TimerWheel', () => {
  test('is never early, and at most one tick late', () => {
    const { insertAt, dueAt } = makeWheel(1, 1_700_000_000_000);
    for (let atMs = 1_700_000_000_001.5; atMs < 1_700_000_009_000; atMs += 77.3) {
      insertAt(0, atMs);
      expect(dueAt(atMs - 0.001)).toEqual([]);
      expect(dueAt(atMs + TICK_MS)).toEqual([0]);
    }
  });

  test('a jump of years hands out all that was due, in order, and asks no tick between', () => {
    const { wheel, insertAt, dueAt } = makeWheel(6);
    const times = [5, 4 * YEAR_MS, 100_000, 3 * YEAR_MS, 40 * YEAR_MS, 50_000_000];
    for (const [slot, timeMs] of times.entries()) insertAt(slot, timeMs);
    expect(dueAt(39 * YEAR_MS)).toEqual([0, 2, 5, 3, 1]);
    expect(wheel.count).toBe(1);
    expect(wheel.nextDueMs()).toBeLessThanOrEqual(40 * YEAR_MS);
    expect(dueAt(40 * YEAR_MS - 1)).toEqual([]);
    expect(dueAt(40 * YEAR_MS + TICK_MS)).toEqual([4]);
  });

  test('whoever waits for nextDueMs each time gets there in at most five steps', () => {
    const { wheel, insertAt, dueAt } = makeWheel(1);
    insertAt(0, 0.9 * YEAR_MS);
    const steps: number[] = [];
    while (wheel.count > 0) {
      steps.push(wheel.nextDueMs());
      dueAt(wheel.nextDueMs());
    }
    expect(steps.length).toBeLessThanOrEqual(5);
    expect(steps.at(-1)).toBeGreaterThanOrEqual(0.9 * YEAR_MS);
    expect(wheel.nextDueMs()).toBe(Infinity);
  });

  test('what is renewed while it is handed out, even into the past, comes with the next call', () => {
    const { wheel, insertAt } = makeWheel(2);
    insertAt(0, 10);
    insertAt(1, 10_000);
    const calls: number[] = [];
    const renew = (slot: number): void => {
      calls.push(slot);
      insertAt(slot, 20);
    };
    wheel.advance(20_000, renew);
    expect(calls).toEqual([0, 1]);
    wheel.advance(20_000, renew);
    expect(calls).toEqual([0, 1]);
    wheel.advance(20_008, renew);
    expect(calls.toSorted((one, other) => one - other)).toEqual([0, 0, 1, 1]);
  });

  test('a callback that throws loses nobody', () => {
    const { wheel, insertAt, dueAt } = makeWheel(3);
    for (const slot of [0, 1, 2]) insertAt(slot, 1000 * slot);
    expect(() =>
      wheel.advance(5000, (slot) => {
        insertAt(slot, 6000);
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(wheel.count).toBe(3);
    expect(dueAt(5000)).toEqual([1, 2]);
    expect(dueAt(6000)).toEqual([0]);
  });

  test('time that went back: nothing is due before its time again', () => {
    const { wheel, insertAt, dueAt } = makeWheel(3, 1_000_000);
    insertAt(0, 1_000_500);
    insertAt(1, 900_500);
    insertAt(2, 3 * YEAR_MS);
    wheel.rebase(900_000);
    expect(dueAt(900_000)).toEqual([]);
    expect(dueAt(901_000)).toEqual([1]);
    expect(dueAt(1_000_000)).toEqual([]);
    expect(dueAt(1_001_000)).toEqual([0]);
    expect(dueAt(3 * YEAR_MS + TICK_MS)).toEqual([2]);
  });

  test('insert and remove refuse what is in, and what is not', () => {
    const { wheel, insertAt } = makeWheel(2);
    insertAt(0, 100);
    expect(() => wheel.insert(0)).toThrow(AssertionError);
    expect(() => wheel.remove(1)).toThrow(AssertionError);
    wheel.remove(0);
    expect(() => wheel.remove(0)).toThrow(AssertionError);
    expect(wheel.count).toBe(0);
  });
});
