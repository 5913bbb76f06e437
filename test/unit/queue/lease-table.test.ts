import { describe, expect, test } from 'vitest';

import { AssertionError } from '../../../src/core/assert.ts';
import { LeaseTable } from '../../../src/queue/lease-table.ts';
import { ReadyKind } from '../../../src/queue/ready-kind.ts';
import { SlotState } from '../../../src/queue/record-state.ts';

const LAST = Number.MAX_SAFE_INTEGER;
const { available, delayed, acquired } = SlotState;

function filled(count: number, offsetOf: (n: number) => number, state: SlotState = acquired) {
  const table = new LeaseTable();
  for (let n = 0; n < count; n++) table.add(offsetOf(n), state);
  return table;
}

function offsetsOf(table: LeaseTable): number[] {
  return [...table.sortedSlots()].map((slot) => table.offsetAt(slot));
}

/** 0 to count - 1, in an order by chance that is always the same. */
function shuffled(count: number): number[] {
  const order = Array.from({ length: count }, (_, n) => n);
  return order.sort((one, two) => ((one * 7919) % count) - ((two * 7919) % count));
}

describe('LeaseTable', () => {
  test('takes at most 40 bytes for each of 163,840 leased records, which fill it', () => {
    const table = filled(163_840, (n) => n * 3);
    for (const slot of table.sortedSlots()) {
      table.beginLease(slot, 1 + slot, 30_000 + slot);
    }
    expect(table.capacity).toBe(163_840);
    expect(table.byteLength / table.count).toBeLessThanOrEqual(40);
  });

  test('its heaps give their memory back when they have been emptied', () => {
    const table = filled(20_000, (n) => n, available);
    const before = table.byteLength;
    for (const n of shuffled(20_000)) table.pushReady(table.find(n));
    expect(table.byteLength).toBeGreaterThan(before + 4 * 20_000 - 1);
    for (let n = 0; n < 20_000; n++) {
      expect(table.offsetAt(table.popReady(ReadyKind.normal))).toBe(n);
    }
    expect(table.popReady(ReadyKind.normal)).toBe(-1);
    expect(table.byteLength).toBe(before);
  });

  test.each([
    ['neighbours', (n: number) => n],
    ['every 8th offset', (n: number) => n * 8],
    ['every 4096th', (n: number) => n * 4096],
    ['every 65,536th', (n: number) => n * 65_536],
    ['the last offsets of all', (n: number) => LAST - n],
    ['two stretches almost 2^32 apart', (n: number) => (n % 2) * (2 ** 32 - 40_000) + n],
  ])('finds %s, and forgets them in any order', (_name, offsetOf) => {
    const count = 30_000;
    const table = filled(count, offsetOf);
    expect(offsetsOf(table)).toEqual(
      Array.from({ length: count }, (_, n) => offsetOf(n)).sort((one, two) => one - two),
    );
    for (const n of shuffled(count)) {
      const slot = table.find(offsetOf(n));
      expect(table.offsetAt(slot)).toBe(offsetOf(n));
      table.remove(slot);
      if (table.find(offsetOf(n)) !== -1) expect.fail(`offset ${offsetOf(n)} is still there`);
    }
    expect(table.count).toBe(0);
  });

  test('a window of offsets may move on for ever', () => {
    const table = new LeaseTable();
    const step = 2 ** 30;
    for (let n = 0; n < 5000; n++) {
      table.add(n * step, acquired);
      if (n >= 3) table.remove(table.find((n - 3) * step));
    }
    expect(offsetsOf(table)).toEqual([4997 * step, 4998 * step, 4999 * step]);
    expect(table.capacity).toBe(40);
  });

  test('offsets 2^32 apart are refused, and one less are not', () => {
    for (const [low, high] of [
      [0, 2 ** 32],
      [LAST - 2 ** 32, LAST],
    ] as const) {
      for (const [first, second] of [
        [low, high],
        [high, low],
      ] as const) {
        const table = filled(1, () => first);
        expect(table.fits(second)).toBe(false);
        expect(() => table.add(second, acquired)).toThrow(AssertionError);
        expect(offsetsOf(table)).toEqual([first]);
        const nearer = second + Math.sign(first - second);
        expect(table.fits(nearer)).toBe(true);
        table.add(nearer, acquired);
        expect(offsetsOf(table)).toEqual([first, nearer].sort((one, two) => one - two));
      }
    }
  });

  test('what is ready keeps its order when the table moves on', () => {
    const table = filled(3, (n) => 2 ** 31 + n, available);
    for (const slot of table.sortedSlots()) table.pushReady(slot);
    table.pushReady(table.add(2 ** 31 + 2 ** 32 - 1, available));
    table.pushReady(table.add(2 ** 31 + 7, available));
    const popped = Array.from({ length: 5 }, () => table.offsetAt(table.popReady(0)) - 2 ** 31);
    expect(popped).toEqual([0, 1, 2, 7, 2 ** 32 - 1]);
  });

  test('a slot keeps its number while the table grows', () => {
    const table = new LeaseTable();
    const slot = table.add(77, acquired);
    for (let n = 0; n < 1000; n++) table.add(1000 + n, acquired);
    expect(table.find(77)).toBe(slot);
    expect(table.capacity).toBe(1280);
  });

  test('shrinks by as many halves as there are to give back, with wheels and heaps', () => {
    const table = filled(5000, (n) => n);
    for (let n = 0; n < 5000; n++) {
      if (n % 100 !== 0) table.remove(table.find(n));
    }
    for (const slot of table.sortedSlots()) {
      const n = table.offsetAt(slot);
      table.beginLease(slot, n + 1, n);
      if (n % 300 === 0) table.setState(slot, available);
      if (n % 300 === 100) table.setState(slot, delayed);
      if (n % 300 === 0) table.pushReady(slot);
      if (n % 300 === 100) table.delayWheel.insert(slot);
    }
    expect(table.shrink()).toBe(true);
    expect(table.capacity).toBe(320);
    expect(table.shrink()).toBe(false);
    const seen: number[] = [];
    const collect = (slot: number) => {
      expect(table.leaseAt(slot)).toBe(table.offsetAt(slot) + 1);
      seen.push(table.offsetAt(slot));
    };
    table.leaseWheel.advance(6000, collect);
    table.delayWheel.advance(6000, collect);
    for (let slot = table.popReady(0); slot >= 0; slot = table.popReady(0)) collect(slot);
    expect(seen.sort((one, two) => one - two)).toEqual(
      Array.from({ length: 50 }, (_, n) => n * 100),
    );
  });

  test('removes from wheels and heaps what is removed or changes its state', () => {
    const table = filled(4, (n) => n);
    for (const slot of table.sortedSlots()) table.leaseWheel.insert(slot);
    table.remove(table.find(0));
    table.setState(table.find(1), delayed);
    table.setState(table.find(2), available);
    expect(table.leaseWheel.count).toBe(1);
    table.delayWheel.insert(table.find(1));
    table.pushReady(table.find(2));
    table.setState(table.find(1), available);
    table.setState(table.find(2), acquired);
    expect(table.delayWheel.count).toBe(0);
    expect(table.minReady(ReadyKind.normal)).toBe(-1);
    expect([table.availableCount, table.delayedCount, table.leasedCount]).toEqual([1, 0, 2]);
  });

  test('a ready record goes to the heap of its crashes', () => {
    const table = filled(1, () => 5, available);
    const slot = table.find(5);
    table.pushReady(slot);
    const heaps = () => Object.values(ReadyKind).map((kind) => table.minReady(kind) === slot);
    expect(heaps()).toEqual([true, false, false]);
    table.setCrashes(slot, 2);
    expect(heaps()).toEqual([false, true, false]);
    table.setCrashes(slot, 300);
    expect(heaps()).toEqual([false, false, true]);
    expect(table.crashesAt(slot)).toBe(255);
  });

  test.each<[string, (table: LeaseTable, slot: number) => void]>([
    ['an offset twice', (table) => table.add(5, acquired)],
    ['a record in state free', (table) => table.add(6, SlotState.free)],
    ['free by setState', (table, slot) => table.setState(slot, SlotState.free)],
    ['a time while it is in a wheel', (table, slot) => table.setTime(slot, 1)],
    ['a place in a heap while acquired', (table, slot) => table.pushReady(slot)],
    ['a place in another wheel', (table, slot) => table.delayWheel.insert(slot)],
    ['to leave the other wheel', (table, slot) => table.delayWheel.remove(slot)],
    ['a lease number beyond u32', (table, slot) => table.beginLease(slot, 2 ** 32, 1)],
    ['a count below 0', (table, slot) => table.setAttempts(slot, -1)],
    ['a count that is none', (table, slot) => table.setFailures(slot, Number.NaN)],
    ['anything of a slot that is free', (table, slot) => table.setExpiries(slot + 1, 1)],
    ['a state of a slot that is free', (table, slot) => table.setState(slot + 1, available)],
    ['that a free slot be removed', (table, slot) => table.remove(slot + 1)],
  ])('refuses %s, and changes nothing', (_name, act) => {
    const table = filled(1, () => 5);
    const slot = table.find(5);
    table.leaseWheel.insert(slot);
    expect(() => act(table, slot)).toThrow(AssertionError);
    expect([table.count, table.leasedCount, table.leaseWheel.count]).toEqual([1, 1, 1]);
    expect([table.attemptsAt(slot), table.leaseAt(slot), table.timeAt(slot)]).toEqual([0, 0, 0]);
    expect(offsetsOf(table)).toEqual([5]);
  });

  test('clear leaves nothing, and room for all', () => {
    const table = filled(1000, (n) => n);
    for (const slot of table.sortedSlots()) table.leaseWheel.insert(slot);
    table.clear();
    expect([table.count, table.leasedCount, table.capacity]).toEqual([0, 0, 40]);
    expect(table.find(5)).toBe(-1);
    expect(table.leaseWheel.nextDueMs()).toBe(Infinity);
    table.leaseWheel.insert(table.add(2 ** 40, acquired));
    expect(offsetsOf(table)).toEqual([2 ** 40]);
  });
});
