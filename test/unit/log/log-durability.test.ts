import { describe, expect, test } from 'vitest';

import { ManualClock } from '../../../src/core/clock.ts';
import { DURABILITY_LEVELS } from '../../../src/log/log-options.ts';
import {
  appendEach,
  faultyDisk,
  openTextLog,
  settle,
  textAt,
  valuesOf,
} from '../../support/log-fixture.ts';
import type { FaultyFileSystem } from '../../support/faulty-file-system.ts';

/** What a log holds after the worst power cut now. */
async function survivors(fileSystem: FaultyFileSystem): Promise<(string | null)[]> {
  const log = await openTextLog(fileSystem.crashImage({ data: 'none', names: 'none' }));
  const values = await valuesOf(log);
  await log.close();
  return values;
}

describe('the level of an append', () => {
  test.each(DURABILITY_LEVELS)('in a log at %s is the one that was asked for', async (level) => {
    const log = await openTextLog(await faultyDisk(), { durability: level });
    expect((await log.append({ value: 'default' })).durability).toBe(level);
    expect((await log.appendBatch([{ value: 'batch' }])).durability).toBe(level);
    await log.close();
  });

  test('sync in an os log: what it answers survives, with all before it', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem, { durability: 'os' });
    await appendEach(log, 3);
    expect(await survivors(fileSystem)).toEqual([]);
    const result = await log.append({ value: 'synced' }, { durability: 'sync' });
    expect(result).toEqual({ offset: 3, durability: 'sync' });
    expect(await survivors(fileSystem)).toEqual([textAt(0), textAt(1), textAt(2), 'synced']);
    await log.close();
  });

  test('os in a sync log: answered before any sync, visible and durable within flushMs', async () => {
    const fileSystem = await faultyDisk();
    const clock = new ManualClock();
    const log = await openTextLog(fileSystem, { clock, flushMs: 100 });
    fileSystem.addFault({ errno: 'EIO', operations: ['datasync'], path: '.log' });
    const result = await log.append({ value: 'weak' }, { durability: 'os' });
    expect(result).toEqual({ offset: 0, durability: 'os' });
    expect(log).toMatchObject({ endOffset: 1, visibleOffset: 0, syncedOffset: 0 });
    fileSystem.clearFaults();
    clock.advance(99);
    await settle();
    expect(log.syncedOffset).toBe(0);
    clock.advance(1);
    await settle();
    expect(log).toMatchObject({ visibleOffset: 1, syncedOffset: 1, durableOffset: 1 });
    expect(await survivors(fileSystem)).toEqual(['weak']);
    await log.close();
  });
});

describe('level sync', () => {
  test('answers only what is on the disk', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem);
    const expected: string[] = [];
    for (let round = 0; round < 6; round++) {
      for (let n = 0; n < 10; n++) {
        const value = textAt(expected.length);
        await log.append({ value });
        expected.push(value);
      }
      expect(await survivors(fileSystem)).toEqual(expected);
    }
    expect(log.stats().segmentCount).toBeGreaterThan(1);
    await log.close();
  });

  test('shows readers nothing that is not durable', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem);
    await log.append({ value: 'durable' });
    await log.append({ value: 'written' }, { durability: 'os' });
    expect([log.endOffset, log.visibleOffset, log.durableOffset]).toEqual([2, 1, 1]);
    expect(await valuesOf(log)).toEqual(['durable']);
    await log.sync();
    expect(await valuesOf(log)).toEqual(['durable', 'written']);
    await log.close();
  });

  test('groups what arrives during a sync into one next sync', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem, { segmentBytesMax: 1024 * 1024 });
    await log.append({ value: 'first' });
    let datasyncs = 0;
    const trace = fileSystem.callCount;
    await Promise.all(
      Array.from({ length: 500 }, (_, n) => log.append({ value: textAt(n) }).then(() => datasyncs)),
    );
    datasyncs = fileSystem.callCount - trace;
    // One write, one fdatasync and one checkpoint slot for all of them; a few more are no harm.
    expect(datasyncs).toBeLessThan(20);
    expect(datasyncs).toBeGreaterThanOrEqual(3);
    await log.close();
  });
});

describe('level os', () => {
  test('answers and shows what is written, and never syncs data by itself', async () => {
    const fileSystem = await faultyDisk();
    const clock = new ManualClock();
    const log = await openTextLog(fileSystem, { durability: 'os', clock });
    await appendEach(log, 5);
    clock.advance(60_000);
    await settle();
    expect(log).toMatchObject({ endOffset: 5, visibleOffset: 5, durableOffset: 0 });
    expect(await valuesOf(log)).toHaveLength(5);
    expect(await survivors(fileSystem)).toEqual([]);
    await log.close();
  });

  test('survives the process: what was answered is there after a kill', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem, { durability: 'os' });
    await appendEach(log, 100);
    const again = await openTextLog(fileSystem.killImage());
    expect(again.endOffset).toBe(100);
    await again.close();
    await log.close();
  });

  test('an interval append is synced within flushMs', async () => {
    const fileSystem = await faultyDisk();
    const clock = new ManualClock();
    const log = await openTextLog(fileSystem, { durability: 'os', clock, flushMs: 100 });
    const result = await log.append({ value: 'x' }, { durability: 'interval' });
    expect(result.durability).toBe('interval');
    clock.advance(100);
    await settle();
    expect(await survivors(fileSystem)).toEqual(['x']);
    await log.close();
  });
});

describe('level interval', () => {
  test('answers what is written and syncs it every flushMs', async () => {
    const fileSystem = await faultyDisk();
    const clock = new ManualClock();
    const log = await openTextLog(fileSystem, { durability: 'interval', clock });
    await log.append({ value: 'one' });
    expect(log).toMatchObject({ visibleOffset: 1, durableOffset: 0 });
    clock.advance(150);
    await log.append({ value: 'two' });
    clock.advance(49);
    await settle();
    expect(log.durableOffset).toBe(0);
    clock.advance(1);
    await settle();
    expect(log.durableOffset).toBe(2);
    expect(await survivors(fileSystem)).toEqual(['one', 'two']);
    await log.append({ value: 'three' });
    clock.advance(200);
    await settle();
    expect(await survivors(fileSystem)).toEqual(['one', 'two', 'three']);
    await log.close();
  });

  test('does nothing while nothing is appended', async () => {
    const fileSystem = await faultyDisk();
    const clock = new ManualClock();
    const log = await openTextLog(fileSystem, { durability: 'interval', clock });
    await log.append({ value: 'x' });
    for (let step = 0; step < 5; step++) {
      clock.advance(200);
      await settle();
    }
    const { callCount } = fileSystem;
    clock.advance(3_600_000);
    await settle();
    expect(fileSystem.callCount).toBe(callCount);
    await log.close();
  });
});

describe('flushed and sync', () => {
  test('flushed waits for the level of the log', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem);
    expect(log.appendNoWait({ value: 'x' })).toBe(0);
    expect(log.appendNoWait({ value: 'y' })).toBe(1);
    await log.flushed();
    expect(log).toMatchObject({ visibleOffset: 2, durableOffset: 2 });
    expect(await survivors(fileSystem)).toEqual(['x', 'y']);
    await log.close();
  });

  test('flushed at level os waits for the write alone', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem, { durability: 'os' });
    log.appendNoWait({ value: 'x' });
    await log.flushed();
    expect(log).toMatchObject({ visibleOffset: 1, durableOffset: 0 });
    await log.close();
  });

  test('sync makes everything durable, whatever the level', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem, { durability: 'os' });
    await appendEach(log, 100);
    log.appendNoWait({ value: 'last' });
    await log.sync();
    expect(log.durableOffset).toBe(101);
    expect(await survivors(fileSystem)).toHaveLength(101);
    await log.close();
  });

  test('both resolve at once when there is nothing to wait for', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem);
    const { callCount } = fileSystem;
    await log.flushed();
    await log.sync();
    expect(fileSystem.callCount).toBe(callCount);
    await log.close();
  });
});
