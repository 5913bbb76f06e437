import { describe, expect, test } from 'vitest';

import { AssertionError } from '../../../src/core/assert.ts';
import { SeededRandom, randomBelow } from '../../../src/core/random.ts';
import { DedupShard } from '../../../src/topic/dedup-shard.ts';
import { DedupTable } from '../../../src/topic/dedup-table.ts';
import { PlaceFloors } from '../../../src/topic/place-floors.ts';

const U32 = 2 ** 32;

/** Bytes per entry of a table that grows, and of one with several partitions. */
const BYTES_MAX = 15.5;
const BYTES_MAX_PARTITIONED = 18.5;
/** Of a window of 100,000, with what is forgotten; a shard has 98 then, of which now and then 130. */
const BYTES_MAX_MOVING = 24;

class RandomRuns {
  readonly #random = new SeededRandom(7);

  next(records: number): Uint32Array {
    return Uint32Array.from({ length: 2 * records }, () => randomBelow(this.#random, U32));
  }
}

function tableOf(...partitions: number[]): DedupTable {
  const table = new DedupTable();
  for (const partition of partitions) table.begin(partition, 0);
  return table;
}

describe('DedupTable', () => {
  test('finds the records that have a fingerprint, by partition and offset', () => {
    const table = tableOf(0, 1);
    table.add(1, 2, 1, 7);
    table.add(1, 2, 0, 9);
    table.add(1, 3, 0, 8);
    expect(table.find(1, 3)).toEqual([{ partition: 0, offset: 8 }]);
    expect(table.find(1, 2)).toHaveLength(2);
    expect(table.find(1, 2)).toEqual(
      expect.arrayContaining([
        { partition: 1, offset: 7 },
        { partition: 0, offset: 9 },
      ]),
    );
    expect(table.find(2 ** 31, 2)).toEqual([]);
    expect(table.find(1, 4)).toEqual([]);
  });

  test('takes 0, 0 in a run for a record without an id', () => {
    const table = tableOf(0);
    table.addRun(0, 100, Uint32Array.of(0, 0, 5, 6, 0, 0, 0, 6));
    expect(table.count).toBe(2);
    expect(table.find(5, 6)).toHaveLength(2); // 42 bits are compared: these are candidates alone.
    expect(table.find(5, 6)).toEqual(
      expect.arrayContaining([
        { partition: 0, offset: 101 },
        { partition: 0, offset: 103 },
      ]),
    );
  });

  test('says at which record of a run somebody has to look', () => {
    const table = tableOf(0);
    const run = Uint32Array.of(0, 0, 5, 6, 7, 8, 5, 6);
    expect(table.firstSuspect(run)).toBe(-1);
    table.add(5, 6, 0, 0);
    expect(table.firstSuspect(run)).toBe(1);
    expect(table.firstSuspect(run, 2)).toBe(3);
    expect(table.firstSuspect(run, 4)).toBe(-1);
    expect(table.firstSuspect(new Uint32Array(0))).toBe(-1);
  });

  test('says so of the first record, whatever generation knows it', () => {
    const table = new DedupTable(10);
    table.begin(0, 0);
    const run = Uint32Array.of(1, 1, 2, 2, 3, 3);
    table.add(3, 3, 0, 5);
    table.add(2, 2, 0, 15);
    expect(table.firstSuspect(run)).toBe(1);
    table.add(1, 1, 0, 25);
    expect(table.firstSuspect(run)).toBe(0);
    expect(table.firstSuspect(run, 2)).toBe(2);
  });

  test('suspects nobody by mistake, by and large', () => {
    const runs = new RandomRuns();
    const table = tableOf(0);
    table.addRun(0, 0, runs.next(200_000));
    // 200,000 entries of 2^42: one in a hundred times.
    expect(table.firstSuspect(runs.next(200_000))).toBe(-1);
  });

  test('adds a run up to the first record that may be in it, or in the run, already', () => {
    const table = tableOf(0);
    expect(table.addRunNew(0, 10, Uint32Array.of(1, 1, 0, 0, 2, 2))).toBe(-1);
    expect(table.find(2, 2)).toEqual([{ partition: 0, offset: 12 }]);
    expect(table.addRunNew(0, 20, Uint32Array.of(3, 3, 2, 2, 4, 4))).toBe(1);
    expect(table.find(3, 3)).toEqual([{ partition: 0, offset: 20 }]);
    expect(table.find(4, 4)).toEqual([]);
    expect(table.addRunNew(0, 30, Uint32Array.of(5, 5, 6, 6, 5, 5))).toBe(2);
    expect(table.find(5, 5)).toEqual([{ partition: 0, offset: 30 }]);
    // Of another generation.
    expect(table.addRunNew(0, U32 + 5, Uint32Array.of(7, 7, 6, 6))).toBe(1);
    expect(table.addRunNew(0, U32 + 9, Uint32Array.of(8, 8, 7, 7))).toBe(1);
    expect(table.find(8, 8)).toEqual([{ partition: 0, offset: U32 + 9 }]);
  });

  test('has one entry for a fingerprint that comes again and again, and is replaced each time', () => {
    const REPEATS = 50_000;
    const table = tableOf(0, 1);
    table.addRun(0, 0, new RandomRuns().next(20_000));
    table.add(5, 6, 0, 20_000);
    table.add(5, 7, 0, 20_001);
    const { count, byteLength } = table;
    let before = { partition: 0, offset: 20_000 };
    for (let at = 0; at < REPEATS; at++) {
      const after = { partition: at % 2, offset: 20_002 + at };
      table.replace(5, 6, before, after);
      before = after;
    }
    expect(table.find(5, 6)).toEqual([before]);
    expect(table.find(5, 7)).toEqual([{ partition: 0, offset: 20_001 }]);
    expect(table.count).toBe(count);
    // The column of partitions has come in that shard; it has not grown by what was replaced.
    expect(table.byteLength).toBeLessThan(1.01 * byteLength);
  });

  test('replaces nothing but what it is told of: else it adds', () => {
    const table = tableOf(0, 1);
    table.add(5, 6, 0, 10);
    table.replace(5, 6, { partition: 0, offset: 11 }, { partition: 0, offset: 12 });
    table.replace(5, 6, { partition: 1, offset: 10 }, { partition: 0, offset: 13 });
    table.replace(5, 6, { partition: 0, offset: 10 }, { partition: 0, offset: U32 + 3 });
    table.replace(7, 8, { partition: 0, offset: 10 }, { partition: 0, offset: 14 });
    const offsets = table.find(5, 6).map(({ offset }) => offset);
    expect(offsets.toSorted((one, two) => one - two)).toEqual([10, 12, 13, U32 + 3]);
    expect(table.find(7, 8)).toEqual([{ partition: 0, offset: 14 }]);
    table.evict(0, 20);
    table.replace(5, 6, { partition: 0, offset: 12 }, { partition: 0, offset: 19 });
    expect(table.find(5, 6).map(({ offset }) => offset)).toEqual([U32 + 3]);
  });

  test('forgets what is below an offset, at once, in that partition alone', () => {
    const table = tableOf(0, 1);
    for (let offset = 0; offset < 10; offset++) {
      table.add(1, offset, 0, offset);
      table.add(1, offset, 1, offset);
    }
    table.evict(0, 6);
    table.evict(0, 4); // It does not come back.
    expect(table.find(1, 5)).toEqual([{ partition: 1, offset: 5 }]);
    expect(table.find(1, 6)).toHaveLength(2);
    table.add(1, 99, 0, 5);
    expect(table.find(1, 99)).toEqual([]);
    table.add(1, 99, 0, 6);
    expect(table.find(1, 99)).toEqual([{ partition: 0, offset: 6 }]);
  });

  test.each([
    ['the first offsets of all', 0],
    ['offsets that have more than 32 bits', 2 ** 52],
    ['the last offsets of all', 2 ** 53 - 2 * U32],
  ])('finds %s, on both sides of 2^32 - 1 places', (_name, base) => {
    const table = new DedupTable();
    table.begin(0, base);
    const ends = [1, 2].flatMap((spans) => [-1, 0, 1].map((by) => spans * (U32 - 1) + by));
    const offsets = [0, 1, ...ends].map((place) => base + place);
    // Each has the same fingerprint, and a generation is not confused with the one before.
    for (const offset of offsets) table.add(3, 4, 0, offset);
    const found = (): number[] => table.find(3, 4).map(({ offset }) => offset);
    expect(found().sort((one, two) => one - two)).toEqual(offsets);
    for (const [at, offset] of offsets.entries()) {
      table.evict(0, offset);
      expect(found().sort((one, two) => one - two)).toEqual(offsets.slice(at));
    }
  });

  test('gives back all of a generation in which nothing counts', () => {
    const runs = new RandomRuns();
    const table = tableOf(0);
    table.addRun(0, U32 - 50_000, runs.next(50_000));
    const byteLength = table.byteLength;
    table.addRun(0, U32, runs.next(50_000));
    table.evict(0, U32);
    table.sweep();
    expect(table.count).toBe(50_000);
    expect(table.byteLength).toBeLessThan(1.05 * byteLength);
    table.evict(0, 2 * U32);
    table.sweep();
    expect(table.byteLength).toBe(0);
  });

  test('refuses what would confuse it', () => {
    const table = tableOf(2);
    expect(() => table.begin(2, 5)).toThrow(AssertionError);
    expect(() => table.begin(2 ** 16, 5)).toThrow(AssertionError);
    expect(() => table.add(1, 1, 0, 0)).toThrow(AssertionError);
    expect(() => table.add(1, 1, 3, 0)).toThrow(AssertionError);
    expect(() => table.evict(1, 0)).toThrow(AssertionError);
    expect(() => new DedupTable(U32)).toThrow(AssertionError);
  });

  test('takes a partition that is new when it has entries already', () => {
    const table = tableOf(0);
    table.add(1, 1, 0, 3);
    table.add(1, 5, 0, 1);
    table.evict(0, 2);
    table.begin(2 ** 16 - 1, 1000);
    expect(table.find(1, 5)).toEqual([]);
    table.add(1, 2, 2 ** 16 - 1, 1003);
    expect(table.find(1, 1)).toEqual([{ partition: 0, offset: 3 }]);
    expect(table.find(1, 2)).toEqual([{ partition: 2 ** 16 - 1, offset: 1003 }]);
    table.evict(2 ** 16 - 1, 1004);
    expect(table.find(1, 1)).toHaveLength(1);
    expect(table.find(1, 2)).toEqual([]);
  });
});

describe('the memory of a table', () => {
  test.each([
    ['one partition', [0], BYTES_MAX],
    ['several partitions', [0, 1, 2], BYTES_MAX_PARTITIONED],
  ])('is bounded by its entries, with %s', (_name, partitions, bytesMax) => {
    const runs = new RandomRuns();
    const table = tableOf(...partitions);
    const late: number[] = [];
    for (let at = 0; at < 600; at++) {
      table.addRun(at % partitions.length, at * 1000, runs.next(1000));
      const bytes = table.byteLength / table.count;
      // With fewer, objects count for more than what is in them.
      if (at >= 200) expect(bytes).toBeLessThan(bytesMax);
      if (at >= 400) late.push(bytes);
    }
    expect(table.count).toBe(600_000);
    // Shards do not all grow at the same time: they would be 1.25 times as large then.
    expect(Math.max(...late) / Math.min(...late)).toBeLessThan(1.05);
  });

  test('of few entries is small', () => {
    const table = tableOf(0);
    expect(table.byteLength).toBe(0);
    table.addRun(0, 0, new RandomRuns().next(100));
    expect(table.byteLength).toBeLessThan(100_000);
  });

  test('is bounded by what a window has, however long it moves on', () => {
    const WINDOW = 100_000;
    const runs = new RandomRuns();
    const table = tableOf(0);
    for (let end = 1000; end < 12 * WINDOW; end += 1000) {
      table.addRun(0, end - 1000, runs.next(1000));
      table.evict(0, end - WINDOW);
      if (end >= WINDOW) expect(table.byteLength / WINDOW).toBeLessThan(BYTES_MAX_MOVING);
    }
    // What is forgotten is some of it, and no more than a third.
    expect(table.count).toBeGreaterThan(WINDOW);
    expect(table.count).toBeLessThan(1.5 * WINDOW);
    table.sweep();
    expect(table.count).toBe(WINDOW);
  });

  test('is looked through for what is forgotten now and then, not for each entry of a full shard', () => {
    const random = new SeededRandom(11);
    for (let window = 30; window < 300; window += 3) {
      const table = tableOf(0);
      let mostForgotten = 0;
      for (let offset = 0; offset < 4 * window; offset++) {
        table.add(0, randomBelow(random, U32), 0, offset); // All in one shard.
        table.evict(0, offset - window);
        // Growing brings it to a size that it has for good.
        if (offset > 2 * window) mostForgotten = Math.max(mostForgotten, table.count - window);
      }
      // As many adds between two looks: O(1) for each.
      expect(mostForgotten, `${window} entries`).toBeGreaterThan(0.15 * window - 2);
    }
  });

  test('is given back by sweeping, a few shards at a time', () => {
    const table = tableOf(0);
    table.addRun(0, 0, new RandomRuns().next(200_000));
    const byteLength = table.byteLength;
    table.evict(0, 190_000);
    table.sweep(512);
    expect(table.byteLength / byteLength).toBeGreaterThan(0.5);
    expect(table.byteLength / byteLength).toBeLessThan(0.7);
    table.sweep(512);
    expect(table.count).toBe(10_000);
    expect(table.byteLength / byteLength).toBeLessThan(0.3);
    table.evict(0, 199_990);
    table.sweep();
    expect(table.byteLength).toBeLessThan(20_000); // Nothing of shards without an entry.
    table.evict(0, 200_000);
    table.sweep();
    expect(table.byteLength).toBe(0);
  });

  test('does not grow while that is added which it was told of', () => {
    const runs = new RandomRuns();
    const table = tableOf(0);
    table.reserve(100_000);
    table.addRun(0, 0, runs.next(20_000)); // By now each shard has some.
    const byteLength = table.byteLength;
    table.addRun(0, 20_000, runs.next(80_000));
    expect(table.byteLength).toBeLessThan(1.01 * byteLength);
    // A shard has 98 then, and room for 128.
    expect(table.byteLength / table.count).toBeLessThan(22);
  });
});

test('a shard of few buckets does not fill up with marks, however often it is purged', () => {
  const random = new SeededRandom(3);
  const floors = new PlaceFloors();
  floors.set(0, 0);
  const shard = new DedupShard(5, floors);
  for (let place = 0; place < 20_000; place++) {
    if (shard.isFull) {
      floors.set(0, place - 15);
      shard.purge();
    }
    shard.add(randomBelow(random, U32), place, 0);
  }
  floors.set(0, 20_000);
  shard.purge();
  expect(shard.count).toBe(0);
  expect(shard.mayHave(1)).toBe(false);
});

test('floors are above all places, or below, whatever they are set to', () => {
  const floors = new PlaceFloors();
  floors.set(2, -1);
  expect(floors.places).toEqual(Uint32Array.of(0, 0, 0));
  floors.set(0, 2 ** 53);
  floors.set(1, U32 - 2);
  expect(floors.places).toEqual(Uint32Array.of(U32 - 1, U32 - 2, 0));
  const { version } = floors;
  floors.set(0, U32);
  expect(floors.version).toBe(version);
  floors.set(2, 1);
  expect(floors.version).not.toBe(version);
});
