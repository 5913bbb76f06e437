import { describe, expect, test } from 'vitest';

import { OffsetOutOfRangeError } from '../../../src/core/errors.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import {
  appendEach,
  appendTogether,
  offsetsOf,
  openTextLog,
  rejectionOf,
  settle,
  textsFrom,
  valuesOf,
} from '../../support/log-fixture.ts';

describe('a read that follows', () => {
  test('goes on with what is appended later, over segments, until its end', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    await appendEach(log, 5);
    const read = valuesOf(log, { follow: true, to: 200 });
    while (log.endOffset < 250) await appendTogether(log, 5);
    expect(await read).toEqual(textsFrom(0, 200));
    expect(log.stats().segmentCount).toBeGreaterThan(3);
    await log.close();
  });

  test('ends at its limit while more is there', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    const read = offsetsOf(log, { follow: true, from: 'latest', limit: 7 });
    await settle();
    await appendTogether(log, 4);
    await appendTogether(log, 40);
    expect(await read).toEqual([0, 1, 2, 3, 4, 5, 6]);
    await log.close();
  });

  test('from latest sees only what comes', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    await appendEach(log, 10);
    const records = log.records({ follow: true, from: 'latest' });
    const next = records.next();
    await settle();
    await log.append({ value: 'new' });
    expect((await next).value).toMatchObject({ offset: 10, value: 'new' });
    await records.return();
    await log.close();
  });

  test('waits without polling: nothing is called while nothing is appended', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    let isDone = false;
    const next = log
      .records({ follow: true })
      .next()
      .then((result) => {
        isDone = true;
        return result;
      });
    await settle();
    expect(isDone).toBe(false);
    await log.append({ value: 'x' });
    expect((await next).value?.value).toBe('x');
    await log.close();
  });

  test('two followers each see everything', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    const reads = [1, 2].map(() => offsetsOf(log, { follow: true, limit: 60 }));
    while (log.endOffset < 60) await appendTogether(log, 3);
    for (const offsets of await Promise.all(reads)) {
      expect(offsets).toEqual(Array.from({ length: 60 }, (_, n) => n));
    }
    await log.close();
  });

  test('a cursor follows as well', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    await using cursor = log.cursor({ follow: true, from: 'latest' });
    const moved = cursor.nextBatch();
    await settle();
    await log.append({ value: 'x' });
    expect(await moved).toBe(true);
    expect(cursor.next()).toBe(true);
    expect(cursor.offset).toBe(0);
    expect(cursor.next()).toBe(false);
    await log.close();
  });

  test('gives OffsetOutOfRangeError when retention passed it, never a silent jump', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    await appendEach(log, 100);
    const late = log.records({ follow: true, from: 10 });
    expect((await late.next()).value?.offset).toBe(10);
    await log.deleteBefore(90);
    const seen: number[] = [10];
    const read = async () => {
      for await (const record of late) seen.push(record.offset);
    };
    expect(await rejectionOf(read())).toBeInstanceOf(OffsetOutOfRangeError);
    expect(seen).toEqual(Array.from({ length: seen.length }, (_, n) => 10 + n));
    expect(seen.length).toBeLessThan(80);
    await log.close();
  });
});

describe('a signal', () => {
  const REASON = { why: 'enough' };

  test('aborted before: the read rejects with the reason, untouched', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    await appendEach(log, 2);
    const signal = AbortSignal.abort(REASON);
    expect(await rejectionOf(log.records({ signal }).next())).toBe(REASON);
    expect(await rejectionOf(log.batches({ signal }).next())).toBe(REASON);
    expect(await rejectionOf(log.cursor({ signal }).nextBatch())).toBe(REASON);
    await log.close();
  });

  test('aborted while a read waits for records wakes it with the reason', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    const controller = new AbortController();
    const records = log.records({ follow: true, signal: controller.signal });
    const waiting = rejectionOf(records.next());
    await settle();
    controller.abort(REASON);
    expect(await waiting).toBe(REASON);
    expect(await records.next()).toEqual({ done: true, value: undefined });
    await log.close();
  });

  test('aborted between batches ends the read at the next one', async () => {
    const fileSystem = new MemoryFileSystem();
    const log = await openTextLog(fileSystem);
    await appendEach(log, 10);
    const controller = new AbortController();
    const seen: number[] = [];
    const read = async () => {
      for await (const record of log.records({ signal: controller.signal })) {
        seen.push(record.offset);
        if (record.offset === 3) controller.abort(REASON);
      }
    };
    expect(await rejectionOf(read())).toBe(REASON);
    expect(seen).toEqual([0, 1, 2, 3]);
    await log.close();
    expect(fileSystem.openFileCount).toBe(0);
  });

  test('that never aborts leaves no listener behind', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    const controller = new AbortController();
    let listeners = 0;
    const { signal } = controller;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners++;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners--;
      remove(...args);
    };
    const read = offsetsOf(log, { follow: true, limit: 20, signal });
    let added = 0;
    for (let n = 0; n < 20; n++) {
      await settle();
      added += listeners;
      await log.append({ value: 'x' }, { signal });
    }
    expect(await read).toHaveLength(20);
    expect(added).toBeGreaterThan(0);
    expect(listeners).toBe(0);
    await log.close();
  });
});
