/** `Log.compact` and `Log.planCompaction`: what stays, what goes, and what is told of it. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { ManualClock, nextTurn } from '../../../src/core/clock.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import { CLOCK_BELIEVED_MS } from '../../../src/core/limits.ts';
import type { CompactionProgress } from '../../../src/log/compact-options.ts';
import type { Log } from '../../../src/log/log.ts';
import type { TrimReason } from '../../../src/log/trim-guard.ts';
import { Compacting, DOTS, keyedOffsets } from '../../support/compacting.ts';
import {
  faultyDisk,
  offsetsOf,
  openTextLog,
  settle,
  type TextLogOptions,
} from '../../support/log-fixture.ts';

const CHECK_MS = 300_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** A millisecond passes with each look at it. */
class RestlessClock extends ManualClock {
  #looks = 0;

  override monotonic(): number {
    return super.monotonic() + this.#looks++;
  }
}

describe('compact', () => {
  test('keeps the last record of each key, and all without a key, with their offsets', async () => {
    const one = await Compacting.open();
    await one.append('a', 'b', 'a', null, 'c', 'b', 'a');
    const limitOffset = await one.roll();
    await one.append('c');
    const before = await offsetsOf(one.log);
    const result = await one.log.compact();
    // The record in the active segment takes nothing with it.
    expect(await offsetsOf(one.log)).toEqual(
      before.filter((offset) => ![0, 1, 2].includes(offset)),
    );
    expect(result).toMatchObject({ supersededCount: 3, keyCount: 3, passCount: 1 });
    expect(result).toMatchObject({ segmentCount: 1, rewrittenSegmentCount: 1, limitOffset });
    expect(result).toMatchObject({ cleanOffset: 0, limitedBy: 'active-segment' });
    expect(result.keylessCount).toBe(limitOffset - 6);
    expect(await one.log.read(0)).toBeNull();
  });

  test('with nothing to do says so, and leaves every file alone', async () => {
    const one = await Compacting.open();
    expect(await one.log.compact()).toMatchObject({ passCount: 0, segmentCount: 0 });
    await one.append('a', 'a');
    await one.roll();
    await one.log.compact();
    const { generation } = one.log.forStore().segments.all[0]?.header ?? {};
    const again = await one.log.compact();
    expect(again).toMatchObject({ passCount: 0, rewrittenSegmentCount: 0, supersededCount: 0 });
    expect(again.cleanOffset).toBe(again.limitOffset);
    expect(again.bytesAfter).toBe(again.bytesBefore);
    expect(one.log.forStore().segments.all[0]?.header?.generation).toBe(generation);
  });

  test('rewrites the last segment alone where nothing is superseded', async () => {
    const one = await Compacting.open();
    for (let n = 0; n < 100; n++) await one.append(`key ${n}`);
    const result = await one.log.compact();
    expect(result).toMatchObject({ supersededCount: 0, rewrittenSegmentCount: 1 });
    expect(result.segmentCount).toBeGreaterThan(2);
    expect(result.cleanOffset).toBe(0);
    expect(one.log.stats().compaction).toMatchObject({ cleanOffset: result.limitOffset });
  });

  test('takes as many passes as the map needs', async () => {
    const one = await Compacting.open({ mapSlots: 12 }); // 10 keys.
    for (let n = 0; n < 90; n++) await one.append(`key ${n % 30}`);
    const limitOffset = await one.roll();
    const plan = await one.log.planCompaction();
    const result = await one.log.compact();
    expect(result.passCount).toBeGreaterThanOrEqual(9);
    // But for the bytes, which are estimated.
    const { bytesAfter, neededFreeBytes } = result;
    expect(result).toMatchObject({ ...plan, bytesAfter, neededFreeBytes });
    expect(await keyedOffsets(one.log)).toEqual(
      Array.from({ length: 30 }, (_, n) => 60 + n).filter((offset) => offset < limitOffset),
    );
    expect(result.supersededCount).toBe(60);
    expect(one.compacted.length).toBe(result.passCount);
  });

  test('syncs the log first: what was written alone is compacted, too', async () => {
    const one = await Compacting.open({ durability: 'os' });
    await one.append('a', 'a');
    const limitOffset = await one.roll();
    await settle(); // What is sealed is synced in the background.
    const { syncedOffset } = one.log.stats();
    expect(syncedOffset).toBeLessThan(one.log.endOffset);
    const plan = await one.log.planCompaction();
    expect(one.log.stats().syncedOffset).toBe(syncedOffset);
    const result = await one.log.compact();
    expect(result).toMatchObject({ limitOffset, supersededCount: 1 });
    expect(plan).toMatchObject({ limitOffset, supersededCount: 1 });
    expect(one.log.stats().syncedOffset).toBe(one.log.endOffset);
  });

  test('leaves a segment alone that has a younger append than it may', async () => {
    const one = await Compacting.open({ compactionLagMsMin: HOUR_MS });
    await one.append('a', 'a');
    const first = await one.roll();
    one.clock.advance(HOUR_MS / 2);
    await one.append('b', 'b');
    await one.roll();
    expect(await one.log.compact()).toMatchObject({ limitedBy: 'lag', limitOffset: 0 });
    one.clock.advance(HOUR_MS / 2);
    const result = await one.log.compact();
    expect(result).toMatchObject({ limitedBy: 'lag', limitOffset: first, supersededCount: 1 });
  });

  test('goes no further than the guard allows, which it asks once', async () => {
    const asked: [number, TrimReason][] = [];
    let limit = 0;
    const guard = {
      allow: (offset: number, why: TrimReason) => {
        asked.push([offset, why]);
        return Promise.resolve(Math.min(offset, limit));
      },
    };
    const one = await Compacting.open({ guard });
    await one.append('a', 'a');
    const first = await one.roll();
    await one.append('a', 'a');
    const second = await one.roll();
    limit = second - 1;
    const result = await one.log.compact();
    expect(asked).toEqual([[second, 'compaction']]);
    expect(result).toMatchObject({ limitedBy: 'guard', limitOffset: first, supersededCount: 1 });
    limit = second;
    expect(await one.log.compact()).toMatchObject({ supersededCount: 2, limitOffset: second });
  });
});

describe('a tombstone', () => {
  async function deleted(tombstoneRetentionMs: number) {
    const one = await Compacting.open({ tombstoneRetentionMs });
    await one.append('a', 'b');
    await one.delete('a');
    await one.roll();
    return one;
  }

  test('stays for its time after all older records of its key are gone, then goes', async () => {
    const one = await deleted(DAY_MS);
    one.clock.advance(10 * DAY_MS); // That it is old counts for nothing.
    expect(await one.log.compact()).toMatchObject({ supersededCount: 1, tombstoneCount: 1 });
    expect(await keyedOffsets(one.log)).toEqual([1, 2]);
    one.clock.advance(DAY_MS - 1);
    expect(await one.log.compact()).toMatchObject({ passCount: 0, tombstoneCount: 1 });
    one.clock.advance(1);
    const plan = await one.log.planCompaction();
    const result = await one.log.compact();
    expect(result).toMatchObject({ passCount: 1, tombstoneCount: 1, droppedTombstoneCount: 1 });
    expect(plan).toMatchObject({ passCount: 1, tombstoneCount: 1, droppedTombstoneCount: 1 });
    expect(await keyedOffsets(one.log)).toEqual([1]);
    expect(one.compacted.map(({ why }) => why)).toEqual(['asked', 'asked']);
    expect(one.log.stats().compaction).toMatchObject({ removedTombstoneCount: 1 });
  });

  test('stays when the clock jumps, and goes when that is the time', async () => {
    const one = await deleted(DAY_MS * 10);
    await one.log.compact();
    one.clock.jumpTo(one.clock.now() + 100 * DAY_MS);
    for (let look = 0; look < 3; look++) {
      expect(await one.log.planCompaction()).toMatchObject({ droppedTombstoneCount: 0 });
      expect(await one.log.compact()).toMatchObject({ droppedTombstoneCount: 0, passCount: 0 });
    }
    for (let look = 0; look < 2; look++) {
      expect(await one.log.compact()).toMatchObject({ droppedTombstoneCount: 0, passCount: 0 });
      one.clock.advance(CLOCK_BELIEVED_MS);
    }
    expect(await one.log.compact()).toMatchObject({ droppedTombstoneCount: 1 });
  });

  test('goes in its time also while a clock that jumped is not believed', async () => {
    const one = await deleted(HOUR_MS);
    await one.log.compact();
    one.clock.jumpTo(one.clock.now() + 100 * DAY_MS);
    one.clock.advance(HOUR_MS - 1);
    expect(await one.log.compact()).toMatchObject({ droppedTombstoneCount: 0, passCount: 0 });
    one.clock.advance(1);
    expect(await one.log.compact()).toMatchObject({ droppedTombstoneCount: 1 });
  });

  test('stays when a record was appended by a clock that was ahead and set back', async () => {
    const one = await deleted(HOUR_MS);
    await one.log.compact();
    const { clock } = one;
    clock.jumpTo(clock.now() + 5 * DAY_MS);
    await one.append('z');
    clock.jumpTo(clock.now() - 5 * DAY_MS);
    clock.advance(HOUR_MS - 1);
    expect(await one.log.compact()).toMatchObject({ droppedTombstoneCount: 0, passCount: 0 });
    clock.advance(1);
    expect(await one.log.compact()).toMatchObject({ droppedTombstoneCount: 1 });
  });
});

describe('a plan', () => {
  test('is what compacting does then, and changes nothing', async () => {
    const one = await Compacting.open();
    for (let n = 0; n < 200; n++) await one.append(`key ${(n * 7) % 30}`, n % 9 === 0 ? null : 'a');
    await one.delete('key 3', 'key 4');
    await one.roll();
    const offsets = await offsetsOf(one.log);
    const { bytesAfter, neededFreeBytes, ...plan } = await one.log.planCompaction();
    expect(await offsetsOf(one.log)).toEqual(offsets);
    expect(await one.temporaries()).toEqual([]);
    expect(one.log.stats().compaction).toMatchObject({ passCount: 0, rewrittenSegmentCount: 0 });
    const result = await one.log.compact();
    expect(result).toMatchObject(plan);
    expect(Math.abs(bytesAfter - result.bytesAfter) / result.bytesBefore).toBeLessThan(0.1);
    expect(Math.abs(neededFreeBytes / result.neededFreeBytes - 1)).toBeLessThan(0.1);
    expect(result.bytesBefore).toBeGreaterThan(2 * result.bytesAfter);
  });
});

test('progress is told of keys, then of segments, up to all of them', async () => {
  const one = await Compacting.open();
  for (let n = 0; n < 100; n++) await one.append(`key ${n % 3}`);
  const told: CompactionProgress[] = [];
  const { segmentCount, bytesBefore, bytesAfter } = await one.log.compact({
    onProgress: (progress) => told.push(progress),
  });
  expect(told[0]).toMatchObject({ phase: 'keys', pass: 1, bytesTotal: bytesBefore });
  const rewriting = told.filter(({ phase }) => phase === 'rewriting');
  expect(rewriting.length).toBe(segmentCount + 1);
  expect(rewriting.at(-1)).toEqual({
    phase: 'rewriting',
    pass: 1,
    bytesDone: bytesBefore,
    bytesTotal: bytesBefore,
    freedBytes: bytesBefore - bytesAfter,
  });
  const done = rewriting.map(({ bytesDone }) => bytesDone);
  expect(done).toEqual(done.toSorted((a, b) => a - b));
});

test('figures add up, and each pass that changed something is told', async () => {
  const one = await Compacting.open();
  expect(one.log.stats().compaction).toMatchObject({ cleanOffset: null, dirtyBytes: null });
  await one.append('a', 'a', 'a');
  await one.roll();
  const first = await one.log.compact();
  await one.append('a', 'b');
  await one.roll();
  const second = await one.log.compact();
  const { compaction, lastError } = one.log.stats();
  expect(compaction).toEqual({
    cleanOffset: second.limitOffset,
    dirtyBytes: 0,
    passCount: 2,
    rewrittenSegmentCount: first.rewrittenSegmentCount + second.rewrittenSegmentCount,
    removedRecordCount: 3,
    removedTombstoneCount: 0,
    freedBytes: first.bytesBefore + second.bytesBefore - first.bytesAfter - second.bytesAfter,
    lastError: null,
  });
  expect(lastError).toBeNull();
  expect(one.compacted).toEqual([
    { why: 'asked', segmentCount: 1, removedCount: 2, ...bytesOf(first) },
    { why: 'asked', segmentCount: 2, removedCount: 1, ...bytesOf(second) },
  ]);
});

function bytesOf({ bytesBefore, bytesAfter }: { bytesBefore: number; bytesAfter: number }) {
  return { bytesBefore, bytesAfter };
}

describe('a bare log', () => {
  async function bare(options: TextLogOptions) {
    const clock = new ManualClock();
    const log = await openTextLog(new MemoryFileSystem(), { clock, ...options });
    onTestFinished(() => log.close());
    return { clock, log };
  }

  async function fill(log: Log<string>, keys: readonly string[]): Promise<void> {
    for (const key of keys) await log.append({ key, value: '.'.repeat(400) });
  }

  test('is compacted when a segment is sealed, once enough of it is dirty', async () => {
    const { log } = await bare({ compaction: 'key', compactionShareMin: 0.5 });
    await fill(
      log,
      Array.from({ length: 60 }, (_, n) => `key ${n % 3}`),
    );
    await settle();
    const { compaction, segmentCount } = log.stats();
    expect(compaction.rewrittenSegmentCount).toBeGreaterThan(segmentCount / 2);
    expect((await offsetsOf(log)).length).toBeLessThan(40);
    expect((await offsetsOf(log)).slice(-3)).toEqual([57, 58, 59]);
  });

  test('is compacted for the age of its records, though few of them are dirty', async () => {
    const options = { compaction: 'key', compactionShareMin: 1 } as const;
    const { clock, log } = await bare({ ...options, compactionLagMsMax: HOUR_MS });
    await fill(
      log,
      Array.from({ length: 12 }, (_, n) => `key ${n}`),
    );
    await log.compact(); // So that a share of it is clean.
    const { segmentCount } = log.stats();
    clock.advance(HOUR_MS - 1);
    await fill(log, ['key 0']);
    await settle();
    expect(log.stats()).toMatchObject({ segmentCount, compaction: { removedRecordCount: 0 } });
    clock.advance(1);
    await fill(log, ['key 1', 'key 1']); // Begins a segment, for the age of the one before.
    expect(log.stats().segmentCount).toBe(segmentCount + 1);
    clock.advance(2 * CHECK_MS);
    await settle();
    expect(log.stats().compaction.removedRecordCount).toBe(1);
    expect((await log.read(0)) === null && (await log.read(1))?.key === 'key 1').toBe(true);
  });

  test('keeps why it could not be, and tries again by itself', async () => {
    const fileSystem = await faultyDisk();
    const clock = new ManualClock();
    const log = await openTextLog(fileSystem, { clock, compaction: 'key' });
    onTestFinished(() => log.close());
    fileSystem.addFault({ errno: 'EMFILE', operations: ['create'], path: '.tmp' });
    await fill(
      log,
      Array.from({ length: 30 }, () => 'key'),
    );
    await settle();
    const { compaction, lastError } = log.stats();
    expect(compaction).toMatchObject({
      rewrittenSegmentCount: 0,
      lastError: { details: { errno: 'EMFILE' } },
    });
    expect(lastError).toBe(compaction.lastError);
    clock.advance(60_000);
    await settle();
    expect(log.stats()).toMatchObject({ lastError: null, compaction: { lastError: null } });
    expect((await offsetsOf(log)).length).toBeLessThan(15);
  });

  test('holds no timer where nothing is compacted', async () => {
    const { clock } = await bare({});
    expect(clock.pendingTimerCount).toBe(0);
  });
});

describe('compaction beside others', () => {
  test('gives the event loop back after each 5 ms', async () => {
    const clock = new RestlessClock();
    const log = await openTextLog(new MemoryFileSystem(), { clock, compaction: 'key' });
    onTestFinished(() => log.close());
    for (let n = 0; n < 200; n++) await log.append({ key: `key ${n % 150}`, value: DOTS });
    const stretchesMs: number[] = [];
    const run = { isDone: false };
    const watch = async () => {
      for (let lastMs = clock.monotonic(); !run.isDone; lastMs = clock.monotonic()) {
        await nextTurn();
        stretchesMs.push(clock.monotonic() - lastMs);
      }
    };
    const watching = watch();
    const { rewrittenSegmentCount } = await log.compact();
    run.isDone = true;
    await watching;
    expect(rewrittenSegmentCount).toBeGreaterThan(0);
    expect(stretchesMs.length).toBeGreaterThan(10);
    expect(Math.max(...stretchesMs)).toBeLessThan(20);
  });

  test('goes no faster than it may by itself, and as fast as it can when asked', async () => {
    const rate = 64 * 1024;
    const options = { compactionBytesPerSecondMax: rate, compactionShareMin: 0.01 };
    const one = await Compacting.open(options);
    for (let n = 0; n < 200; n++) await one.append(`key ${n % 3}`);
    const startMs = one.clock.monotonic();
    const planned = await one.log.planCompaction();
    expect(one.clock.monotonic()).toBe(startMs);
    const run = { isDone: false };
    const running = one.log.forStore().compactor.compactDue();
    void running.finally(() => (run.isDone = true));
    for (let ms = 0; ms < 10_000 && !run.isDone; ms += 10) {
      one.clock.advance(10);
      await settle();
    }
    expect(await running).toMatchObject({ supersededCount: planned.supersededCount });
    // All of it was read for its keys; what a tenth of a second allows is free.
    const seconds = (one.clock.monotonic() - startMs) / 1000;
    expect((seconds + 0.1) * rate).toBeGreaterThan(planned.bytesBefore * 0.9);
  });
});
