import { describe, expect, test } from 'vitest';

import { ManualClock } from '../../../src/core/clock.ts';
import { ClosedError, FailedError } from '../../../src/core/errors.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import type { Log } from '../../../src/log/log.ts';
import {
  appendEach,
  driven,
  faultyDisk,
  openTextLog,
  rejectionOf,
  slowDisk,
  textsFrom,
  thrownBy,
  turns,
  valuesOf,
} from '../../support/log-fixture.ts';

/** Has one read, counted from now on, of files opened from now on, end only when it is let go. */
function holdRead(fileSystem: MemoryFileSystem, number: number): () => void {
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const open = fileSystem.open.bind(fileSystem);
  let count = 0;
  fileSystem.open = async (path, mode) => {
    const file = await open(path, mode);
    const read = file.read.bind(file);
    file.read = async (into, position) => {
      const bytesRead = await read(into, position);
      if (++count === number) await held;
      return bytesRead;
    };
    return file;
  };
  return () => {
    fileSystem.open = open;
    release();
  };
}

describe('a closed log', () => {
  const CALLS: readonly [string, (log: Log<string>) => Promise<unknown>][] = [
    ['append', (log) => log.append({ value: 'x' })],
    ['appendBatch', (log) => log.appendBatch([{ value: 'x' }])],
    ['flushed', (log) => log.flushed()],
    ['sync', (log) => log.sync()],
    ['read', (log) => log.read(0)],
    ['batches', (log) => log.batches().next()],
    ['records', (log) => log.records().next()],
    ['cursor', (log) => log.cursor().nextBatch()],
    ['deleteBefore', (log) => log.deleteBefore(1)],
    ['retain', (log) => log.retain()],
  ];

  test.each(CALLS)('refuses %s', async (_name, call) => {
    const log = await openTextLog(new MemoryFileSystem());
    await appendEach(log, 3);
    await log.close();
    const error = await rejectionOf(call(log));
    expect(error).toBeInstanceOf(ClosedError);
    expect(error).toMatchObject({ code: 'ERR_VARVE_CLOSED' });
  });

  test('refuses appendNoWait', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    await log.close();
    expect(thrownBy(() => log.appendNoWait({ value: 'x' }))).toBeInstanceOf(ClosedError);
  });

  test('still answers what is in memory', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    await appendEach(log, 3);
    await log.close();
    expect(log).toMatchObject({ startOffset: 0, endOffset: 3, visibleOffset: 3, syncedOffset: 3 });
    expect(log.stats()).toMatchObject({ state: 'closed', endOffset: 3 });
  });

  test('a second close is the first one: both wait, neither fails', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    const first = log.close();
    const second = log.close();
    expect(second).toBe(first);
    await first;
    await log.close();
    await log[Symbol.asyncDispose]();
    expect(log.stats().state).toBe('closed');
  });

  test('is closed by await using', async () => {
    const fileSystem = new MemoryFileSystem();
    let disposed: Log<string>;
    {
      await using log = await openTextLog(fileSystem);
      disposed = log;
      await log.append({ value: 'x' });
    }
    expect(disposed.stats().state).toBe('closed');
    expect(fileSystem.openFileCount).toBe(0);
  });
});

describe('close', () => {
  test('leaves no open file, no timer and no lock', async () => {
    const fileSystem = new MemoryFileSystem();
    const clock = new ManualClock();
    const log = await openTextLog(fileSystem, { clock, retentionMs: 1000 });
    await appendEach(log, 100);
    for await (const record of log.records({ limit: 5 })) expect(record.offset).toBeLessThan(5);
    await log.read(50);
    expect(log.stats().segmentCount).toBeGreaterThan(2);
    await log.close();
    expect(fileSystem.openFileCount).toBe(0);
    expect(clock.pendingTimerCount).toBe(0);
    await (await openTextLog(fileSystem)).close();
  });

  test.each(['os', 'interval', 'sync'] as const)(
    'waits for pending appends at level %s and answers them',
    async (durability) => {
      const fileSystem = await faultyDisk();
      const log = await openTextLog(fileSystem, { durability });
      const appended = textsFrom(0, 100).map((value) => log.append({ value }));
      const closed = log.close();
      const results = await Promise.all(appended);
      await closed;
      expect(results.map(({ offset }) => offset)).toEqual(Array.from({ length: 100 }, (_, n) => n));
      const again = await openTextLog(fileSystem.crashImage({ data: 'none', names: 'none' }));
      expect(await valuesOf(again)).toEqual(textsFrom(0, 100));
      await again.close();
    },
  );

  test('makes what appendNoWait took durable', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem, { durability: 'os' });
    for (const value of textsFrom(0, 50)) log.appendNoWait({ value });
    await log.close();
    const again = await openTextLog(fileSystem.crashImage({ data: 'none', names: 'none' }));
    expect(await valuesOf(again)).toEqual(textsFrom(0, 50));
    expect(again.recovery).toMatchObject({ outcome: 'clean', rewrittenBytes: 0, cutBytes: 0 });
    await again.close();
  });

  test('during appends: each one is answered or rejected, none hangs, none answered is lost', async () => {
    const fileSystem = await slowDisk(7);
    const clock = new ManualClock();
    const answered: string[] = [];
    let rejectedCount = 0;
    const work = async () => {
      const log = await openTextLog(fileSystem, { clock });
      const appenders = [0, 1, 2, 3].map(async (id) => {
        for (let n = 0; n < 20; n++) {
          const value = `${id}-${n}`;
          const isAnswered = await log.append({ value }).then(
            () => true,
            (error: unknown) => {
              expect(error).toBeInstanceOf(ClosedError);
              return false;
            },
          );
          if (isAnswered) answered.push(value);
          else rejectedCount++;
          if (answered.length === 12) void log.close();
        }
      });
      await Promise.all(appenders);
      await log.close();
    };
    await driven(fileSystem, work(), clock);
    expect(answered.length).toBeGreaterThanOrEqual(12);
    expect(answered.length + rejectedCount).toBe(80);
    expect(rejectedCount).toBeGreaterThan(0);
    const image = fileSystem.crashImage({ data: 'none', names: 'none' }, { schedule: null });
    const again = await openTextLog(image);
    expect(new Set(await valuesOf(again))).toEqual(new Set(answered));
    expect(again.endOffset).toBe(answered.length);
    await again.close();
  });

  test('ends a read that follows', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    await appendEach(log, 2);
    const records = log.records({ follow: true });
    expect((await records.next()).value?.offset).toBe(0);
    expect((await records.next()).value?.offset).toBe(1);
    const waiting = rejectionOf(records.next());
    await log.close();
    expect(await waiting).toBeInstanceOf(ClosedError);
  });

  test('ends a read that waits for the disk, wherever it is: what it gives is whole, or it says so', async () => {
    const fileSystem = new MemoryFileSystem();
    const writing = await openTextLog(fileSystem);
    await writing.appendBatch(textsFrom(0, 500).map((value) => ({ value })));
    await writing.close();
    const outcomes = new Set<unknown>();
    for (let held = 1; held <= 40; held++) {
      const log = await openTextLog(fileSystem);
      const release = holdRead(fileSystem, held);
      const reading = valuesOf(log).then(
        (values) => values.length,
        (error: Error) => error.constructor,
      );
      await turns(20);
      const closing = log.close();
      await turns(20);
      release();
      outcomes.add(await reading);
      await closing;
    }
    expect(outcomes).toEqual(new Set([500, ClosedError]));
  });

  test('of a cursor ends the read that it waits for, wherever that is', async () => {
    const fileSystem = new MemoryFileSystem();
    const writing = await openTextLog(fileSystem);
    await writing.appendBatch(textsFrom(0, 500).map((value) => ({ value })));
    await writing.close();
    for (let held = 1; held <= 40; held++) {
      const log = await openTextLog(fileSystem);
      const release = holdRead(fileSystem, held);
      const cursor = log.cursor();
      const reading = (async () => {
        while (await cursor.nextBatch());
      })();
      await turns(20);
      const closing = cursor.close();
      release();
      await expect(reading).resolves.toBeUndefined();
      await closing;
      await log.close();
    }
  });

  test('rejects with the failure when the last sync fails, and lets go of everything', async () => {
    const fileSystem = await faultyDisk();
    const clock = new ManualClock();
    const log = await openTextLog(fileSystem, { durability: 'os', clock });
    await log.append({ value: 'x' });
    fileSystem.addFault({ errno: 'EIO', operations: ['datasync'], path: '.log' });
    const error = await rejectionOf(log.close());
    expect(error).toBeInstanceOf(FailedError);
    expect(error).toMatchObject({ code: 'ERR_VARVE_FAILED', cause: { details: { errno: 'EIO' } } });
    expect(fileSystem.openFileCount).toBe(0);
    expect(clock.pendingTimerCount).toBe(0);
    await (await openTextLog(fileSystem)).close();
  });

  test('of a log that failed before rejects with that failure', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem);
    fileSystem.addFault({ errno: 'EIO', operations: ['datasync'], path: '.log' });
    expect(await rejectionOf(log.append({ value: 'x' }))).toBeInstanceOf(FailedError);
    expect(log.stats().state).toBe('failed');
    expect(await rejectionOf(log.close())).toBeInstanceOf(FailedError);
    expect(fileSystem.openFileCount).toBe(0);
  });
});

test.each(['datasync', 'close'] as const)(
  'of a writer whose %s failed leaves no file open, and no call behind',
  async (operation) => {
    let failures = 0;
    let failuresInCalls = 0;
    for (let seed = 1; seed <= 40; seed++) {
      const fileSystem = await slowDisk(seed);
      const log = await driven(fileSystem, openTextLog(fileSystem));
      fileSystem.addFault({
        errno: 'EIO',
        operations: [operation],
        path: /\d\.log$/,
        skip: seed % 4,
      });
      const appended = Array.from({ length: 30 }, () => log.append({ value: 'v'.repeat(1000) }));
      const settled = Promise.allSettled(appended);
      await turns(1);
      while (log.stats().state === 'open' && fileSystem.waitingCount > 0) {
        fileSystem.completeOne();
        await turns(1);
      }
      if (log.stats().state === 'failed') failures++;
      if (log.stats().state === 'failed' && fileSystem.waitingCount > 0) failuresInCalls++;
      await driven(fileSystem, rejectionOf(log.close()));
      const { callCount } = fileSystem;
      expect(fileSystem.openFileCount).toBe(0);
      expect(fileSystem.waitingCount).toBe(0);
      await turns(20);
      expect(fileSystem.callCount).toBe(callCount);
      await settled;
    }
    expect(failures).toBe(40);
    expect(failuresInCalls).toBeGreaterThan(30); // The rest of them is what close has to wait for.
  },
);
