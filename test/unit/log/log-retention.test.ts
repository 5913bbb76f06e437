import { describe, expect, test } from 'vitest';

import { ManualClock } from '../../../src/core/clock.ts';
import { OffsetOutOfRangeError } from '../../../src/core/errors.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import {
  appendEach,
  faultyDisk,
  offsetsOf,
  openTextLog,
  rejectionOf,
  segmentNames,
  settle,
  textAt,
  textsFrom,
  valuesOf,
} from '../../support/log-fixture.ts';

const HOUR_MS = 3_600_000;

describe('deleteBefore', () => {
  test('makes records unreadable at once, and frees whole segments only', async () => {
    const fileSystem = new MemoryFileSystem();
    const log = await openTextLog(fileSystem);
    await appendEach(log, 100);
    const before = await segmentNames(fileSystem);
    const second = Number(before[1]?.slice(0, 20));
    await log.deleteBefore(second - 1);
    expect(log.startOffset).toBe(second - 1);
    expect(await segmentNames(fileSystem)).toEqual(before);
    expect(await rejectionOf(log.read(second - 2))).toBeInstanceOf(OffsetOutOfRangeError);
    expect(await valuesOf(log)).toEqual(textsFrom(second - 1, 100));
    await log.deleteBefore(second);
    expect(await segmentNames(fileSystem)).toEqual(before.slice(1));
    expect(log.stats().segmentCount).toBe(before.length - 1);
    expect(await valuesOf(log)).toEqual(textsFrom(second, 100));
    await log.close();
  });

  test('has no effect at or below the start', async () => {
    const fileSystem = new MemoryFileSystem();
    const log = await openTextLog(fileSystem);
    await appendEach(log, 60);
    await log.deleteBefore(30);
    await log.deleteBefore(30);
    await log.deleteBefore(0);
    expect(log.startOffset).toBe(30);
    expect((await offsetsOf(log))[0]).toBe(30);
    await log.close();
  });

  test('of everything: the log is empty, and offsets go on', async () => {
    const fileSystem = new MemoryFileSystem();
    const log = await openTextLog(fileSystem);
    await appendEach(log, 60);
    await log.deleteBefore(60);
    expect(await offsetsOf(log)).toEqual([]);
    expect(await rejectionOf(log.read(59))).toBeInstanceOf(OffsetOutOfRangeError);
    expect((await log.append({ value: 'next' })).offset).toBe(60);
    expect(await valuesOf(log)).toEqual(['next']);
    await log.close();
    const again = await openTextLog(fileSystem);
    expect(again).toMatchObject({ startOffset: 60, endOffset: 61 });
    expect(await valuesOf(again)).toEqual(['next']);
    await again.close();
  });

  test('never comes undone: not by opening again, not by a power cut', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem);
    await appendEach(log, 100);
    await log.deleteBefore(70);
    for (const image of [
      fileSystem.crashImage({ data: 'none', names: 'none' }),
      fileSystem.crashImage({ data: 'all', names: 'none' }),
      fileSystem.killImage(),
    ]) {
      const again = await openTextLog(image);
      expect(again.startOffset).toBe(70);
      expect(await valuesOf(again)).toEqual(textsFrom(70, 100));
      const names = await segmentNames(image);
      expect(Number(names[0]?.slice(0, 20))).toBeLessThanOrEqual(70);
      expect(Number(names[1]?.slice(0, 20))).toBeGreaterThan(70);
      await again.close();
    }
    await log.close();
  });

  test('syncs what a weaker level left open before the start passes it', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem, { durability: 'os' });
    await appendEach(log, 10);
    expect(log.syncedOffset).toBe(0);
    await log.deleteBefore(5);
    expect(log.syncedOffset).toBe(10);
    const again = await openTextLog(fileSystem.crashImage({ data: 'none', names: 'none' }));
    expect(again).toMatchObject({ startOffset: 5, endOffset: 10 });
    await again.close();
    await log.close();
  });

  test('called twice at once ends at the higher offset', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    await appendEach(log, 60);
    await Promise.all([log.deleteBefore(40), log.deleteBefore(20), log.deleteBefore(50)]);
    expect(log.startOffset).toBe(50);
    await log.close();
  });
});

describe('retention', () => {
  test('without a policy deletes nothing', async () => {
    const clock = new ManualClock();
    const log = await openTextLog(new MemoryFileSystem(), { clock });
    await appendEach(log, 100);
    clock.advance(1000 * HOUR_MS);
    expect(await log.retain()).toEqual({
      startOffset: 0,
      deletedSegmentCount: 0,
      deletedBytes: 0,
    });
    expect(await offsetsOf(log)).toHaveLength(100);
    await log.close();
  });

  test('by age deletes whole segments whose last append is older, and keeps the last one', async () => {
    const clock = new ManualClock();
    const fileSystem = new MemoryFileSystem();
    const log = await openTextLog(fileSystem, { clock, retentionMs: HOUR_MS });
    await appendEach(log, 50);
    clock.advance(HOUR_MS);
    expect((await log.retain()).deletedSegmentCount).toBe(0); // Not older than an hour yet.
    await appendEach(log, 50);
    const names = await segmentNames(fileSystem);
    const young = names.findLastIndex((name) => Number(name.slice(0, 20)) <= 50);
    clock.advance(1);
    const result = await log.retain();
    const startOffset = Number(names[young]?.slice(0, 20));
    expect(result).toMatchObject({ startOffset, deletedSegmentCount: young });
    expect(result.deletedBytes).toBeGreaterThan(0);
    expect(log.stats().retainedAway).toEqual({ age: young, size: 0, settled: 0 });
    expect(await valuesOf(log)).toEqual(textsFrom(startOffset, 100));
    clock.advance(10 * HOUR_MS);
    await log.retain();
    expect(await segmentNames(fileSystem)).toEqual(names.slice(-1));
    expect(await offsetsOf(log)).not.toHaveLength(0);
    await log.close();
  });

  test('by age goes by append times alone, whatever the create times say', async () => {
    const clock = new ManualClock();
    const fileSystem = new MemoryFileSystem();
    const log = await openTextLog(fileSystem, { clock, retentionMs: HOUR_MS });
    for (let n = 0; n < 60; n++) await log.append({ value: textAt(n), createTimeMs: 0 });
    expect((await log.retain()).deletedSegmentCount).toBe(0);
    await log.close();
    const again = await openTextLog(fileSystem, { clock, retentionMs: HOUR_MS });
    expect((await again.retain()).deletedSegmentCount).toBe(0);
    clock.advance(2 * HOUR_MS);
    await again.retain();
    expect(again.startOffset).toBeGreaterThan(0);
    expect(await valuesOf(again)).toEqual(textsFrom(again.startOffset, 60));
    await again.close();
  });

  test('by size keeps at least so many bytes', async () => {
    const fileSystem = new MemoryFileSystem();
    const log = await openTextLog(fileSystem, { retentionBytes: 10_000 });
    await appendEach(log, 100);
    await log.retain();
    const { sizeBytes } = log.stats();
    expect(sizeBytes).toBeGreaterThanOrEqual(10_000);
    expect(sizeBytes).toBeLessThan(10_000 + 4096 + 512);
    expect(log.stats().retainedAway.age).toBe(0);
    expect(log.stats().retainedAway.size).toBeGreaterThan(2);
    expect(await valuesOf(log)).toEqual(textsFrom(log.startOffset, 100));
    await log.close();
  });

  test('runs by itself: at each roll', async () => {
    const fileSystem = new MemoryFileSystem();
    const log = await openTextLog(fileSystem, { retentionBytes: 0 });
    await appendEach(log, 200);
    await settle();
    expect(log.startOffset).toBeGreaterThan(100);
    expect(log.stats().segmentCount).toBeLessThanOrEqual(2);
    expect(log.stats().lastError).toBeNull();
    await log.close();
  });

  test('runs by itself: every retentionCheckMs', async () => {
    const clock = new ManualClock();
    const fileSystem = new MemoryFileSystem();
    const log = await openTextLog(fileSystem, {
      clock,
      retentionMs: HOUR_MS,
      retentionCheckMs: 1000,
    });
    await appendEach(log, 100);
    clock.advance(HOUR_MS - 500);
    await settle();
    expect(log.startOffset).toBe(0);
    clock.advance(2000);
    await settle();
    expect(log.startOffset).toBeGreaterThan(50);
    expect(log.stats().segmentCount).toBe(1);
    await log.close();
  });

  test('that fails in the background is seen in stats; the next open finishes it', async () => {
    const clock = new ManualClock();
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem, {
      clock,
      retentionMs: HOUR_MS,
      retentionCheckMs: 2 * HOUR_MS,
    });
    await appendEach(log, 100);
    const before = await segmentNames(fileSystem);
    fileSystem.addFault({ errno: 'EIO', operations: ['unlink'], path: '.log' });
    clock.advance(2 * HOUR_MS);
    await settle();
    expect(log.stats()).toMatchObject({ state: 'open', lastError: { details: { errno: 'EIO' } } });
    expect(await segmentNames(fileSystem)).toEqual(before);
    expect(log.startOffset).toBeGreaterThan(0);
    expect(await valuesOf(log)).toEqual(textsFrom(log.startOffset, 100));
    await log.close();
    await (await openTextLog(fileSystem)).close();
    expect(await segmentNames(fileSystem)).toEqual(before.slice(-1));
  });
});

describe('readers and retention', () => {
  test('a reader inside a segment reads it to its end although it was deleted', async () => {
    const fileSystem = new MemoryFileSystem();
    const log = await openTextLog(fileSystem);
    await appendEach(log, 100);
    const second = Number((await segmentNames(fileSystem))[1]?.slice(0, 20));
    const seen: (string | null)[] = [];
    for await (const record of log.records()) {
      seen.push(record.value);
      if (record.offset === 0) await log.deleteBefore(second);
    }
    expect(await segmentNames(fileSystem)).not.toContain('00000000000000000000.log');
    expect(seen).toEqual(textsFrom(0, 100));
    await log.close();
    expect(fileSystem.openFileCount).toBe(0);
  });

  test('a reader that retention passed by whole segments is told so, not that data is damaged', async () => {
    const fileSystem = new MemoryFileSystem();
    const log = await openTextLog(fileSystem);
    await appendEach(log, 150);
    const second = Number((await segmentNames(fileSystem))[1]?.slice(0, 20));
    const seen: (string | null)[] = [];
    const read = async () => {
      for await (const record of log.records()) {
        seen.push(record.value);
        if (record.offset === 0) await log.deleteBefore(120);
      }
    };
    const error = await rejectionOf(read());
    expect(error).toBeInstanceOf(OffsetOutOfRangeError);
    expect(error).toMatchObject({ details: { requested: second, startOffset: 120 } });
    expect(seen).toEqual(textsFrom(0, second));
    await log.close();
  });

  test('a cursor keeps its batch', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    await appendEach(log, 100);
    await using cursor = log.cursor();
    expect(await cursor.nextBatch()).toBe(true);
    await log.deleteBefore(90);
    expect(cursor.next()).toBe(true);
    expect(Buffer.from(cursor.valueView() ?? []).toString()).toBe(textAt(0));
    await log.close();
  });
});
