import { expect, test } from 'vitest';
import { ManualClock } from '../../../src/core/clock.ts';
import { Semaphore } from '../../../src/core/semaphore.ts';
import { WeakList } from '../../../src/core/weak-list.ts';

test('a semaphore runs so many at a time, the others in their order, whatever fails', async () => {
  const semaphore = new Semaphore(2);
  const begun: number[] = [];
  const ends: (() => void)[] = [];
  const runs = [0, 1, 2, 3].map((number) =>
    semaphore.run(async () => {
      begun.push(number);
      await new Promise<void>((resolve) => ends.push(resolve));
      if (number === 0) throw new Error('failed');
      return number;
    }),
  );
  expect(begun).toEqual([0, 1]);
  ends[0]?.();
  await expect(runs[0]).rejects.toThrow('failed');
  expect(begun).toEqual([0, 1, 2]);
  ends[1]?.();
  ends[2]?.();
  expect(await runs[1]).toBe(1);
  expect(await runs[2]).toBe(2);
  expect(begun).toEqual([0, 1, 2, 3]);
  ends[3]?.();
  expect(await runs[3]).toBe(3);
});

test('one that takes too long gives its place up, and so does the next when that one has ended', async () => {
  const clock = new ManualClock();
  const semaphore = new Semaphore(2, { clock, patienceMs: 100 });
  const begun: number[] = [];
  const ends: (() => void)[] = [];
  const runs = [0, 1, 2, 3, 4].map((number) =>
    semaphore.run(async () => {
      begun.push(number);
      await new Promise<void>((resolve) => ends.push(resolve));
    }),
  );
  const pass = async (deltaMs: number): Promise<void> => {
    clock.advance(deltaMs);
    await new Promise((resolve) => void setImmediate(resolve));
  };
  await pass(99);
  expect(begun).toEqual([0, 1]);
  await pass(1);
  expect(begun).toEqual([0, 1, 2]);
  await pass(1000);
  expect(begun).toEqual([0, 1, 2]);
  ends[0]?.();
  await pass(0);
  expect(begun).toEqual([0, 1, 2]); // It had no place.
  await pass(100);
  expect(begun).toEqual([0, 1, 2, 3]);
  for (const number of [1, 2, 3]) ends[number]?.();
  await pass(0);
  ends[4]?.();
  await Promise.all(runs);
  expect(begun).toEqual([0, 1, 2, 3, 4]);
  expect(clock.pendingTimerCount).toBe(0);
});

test('a weak list gives what is alive, once', () => {
  const list = new WeakList<{ readonly n: number }>();
  const items = Array.from({ length: 40 }, (_, n) => ({ n }));
  for (const item of items) list.add(item);
  expect(list.take()).toEqual(items);
  expect(list.take()).toEqual([]);
  expect(list.size).toBe(0);
});
