/** Writes that are issued ahead of their turn, on disks that complete them in any order, or not. */
import { describe, expect, test } from 'vitest';

import { ManualClock } from '../../../src/core/clock.ts';
import { ClosedError, DiskFullError, FailedError } from '../../../src/core/errors.ts';
import { KIB, MIB, WRITES_AHEAD_MAX } from '../../../src/core/limits.ts';
import { randomBelow, SeededRandom } from '../../../src/core/random.ts';
import type { Log } from '../../../src/log/log.ts';
import type { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import {
  driven,
  openTextLog,
  rejectionOf,
  slowDisk,
  valuesOf,
  type TextLogOptions,
} from '../../support/log-fixture.ts';

const VALUE_BYTES = 100_000;
/** Of a segment of the logs below: two write buffers, and a bit before and behind them. */
const SEGMENT_BYTES = 2.75 * MIB;
/** Of one turn: behind a first record, that fills a segment and begins the next. */
const TURN_RECORDS = 30;
/** What fits in a segment. */
const SEGMENT_RECORDS = 28;
/** Files of segments, not the checkpoint. */
const SEGMENT_PATH = /\d\.log$/;

const DURABILITIES = ['os', 'sync'] as const;

const values: string[] = [];

function valueAt(offset: number): string {
  return (values[offset] ??= `${offset} `.padEnd(VALUE_BYTES, String(offset % 10)));
}

function open(fileSystem: FaultyFileSystem, options: TextLogOptions = {}): Promise<Log<string>> {
  const segmentBytesMax = SEGMENT_BYTES;
  const opening = openTextLog(fileSystem, { segmentBytesMax, freeBytesMin: 0, ...options });
  return driven(fileSystem, opening);
}

/** A log with one record, on a disk that completes calls in an order made from `seed`. */
async function opened(
  seed: number,
  options: TextLogOptions = {},
): Promise<[FaultyFileSystem, Log<string>]> {
  const fileSystem = await slowDisk(seed);
  const log = await open(fileSystem, options);
  await driven(fileSystem, log.append({ value: valueAt(0) })); // Its file is there now.
  return [fileSystem, log];
}

/** Appends in one turn, and nobody waits. @returns the end offset */
function appendTurn(log: Log<string>, count = TURN_RECORDS): number {
  for (let n = 0; n < count; n++) {
    expect(log.appendNoWait({ value: valueAt(log.endOffset) })).toBe(log.endOffset - 1);
  }
  return log.endOffset;
}

/** Reads everything and compares it. @returns how many there were */
async function countOf(fileSystem: FaultyFileSystem, log: Log<string>): Promise<number> {
  const found = await driven(fileSystem, valuesOf(log));
  expect(found.findIndex((value, offset) => value !== valueAt(offset))).toBe(-1);
  return found.length;
}

/** The same, each with a caller of its own; `failed` is told of those that are refused. */
async function appendEach(log: Log<string>, failed: (error: unknown) => void): Promise<void> {
  const append = () => log.append({ value: valueAt(log.endOffset) }).catch(failed);
  await Promise.all(Array.from({ length: TURN_RECORDS }, append));
}

interface Reopened {
  readonly kept: number;
  /** Bytes of the torn tail that were there and were cut off. */
  readonly cutBytes: number;
}

/** What a next process finds there, and that it can go on. */
async function reopened(image: FaultyFileSystem): Promise<Reopened> {
  const log = await open(image);
  const kept = await countOf(image, log);
  const { offset } = await driven(image, log.append({ value: 'next' }));
  expect(offset).toBe(kept);
  await driven(image, log.close());
  return { kept, cutBytes: log.recovery.cutBytes };
}

describe.each(DURABILITIES)('at %s', (durability) => {
  test('several writes are on their way in one turn', async () => {
    const [fileSystem, log] = await opened(1, { durability });
    appendTurn(log);
    expect(fileSystem.waitingCount).toBe(1 + WRITES_AHEAD_MAX);
    await driven(fileSystem, log.flushed());
    const end = appendTurn(log); // Through a segment that was begun in the turn before.
    expect(fileSystem.waitingCount).toBeGreaterThan(1);
    await driven(fileSystem, log.flushed());
    expect(log.visibleOffset).toBe(end);
    expect(await countOf(fileSystem, log)).toBe(end);
    await driven(fileSystem, log.close());
    expect(fileSystem.violations).toEqual([]);
    expect((await reopened(fileSystem.crashImage())).kept).toBe(end);
  });

  // Of the turn: 0 is in its turn, 1 and 2 are ahead, 3 follows, 4 is the header of a new segment.
  test.each([0, 1, 2, 3, 4])('a full disk at write %i takes back all behind it', async (skip) => {
    const [fileSystem, log] = await opened(1 + skip, { durability });
    const fault = { errno: 'ENOSPC', operations: ['write' as const], path: SEGMENT_PATH, skip };
    fileSystem.addFault(durability === 'os' ? fault : { ...fault, shortBytes: 'half' as const });
    const asked = appendTurn(log);
    expect(await driven(fileSystem, rejectionOf(log.flushed()))).toBeInstanceOf(DiskFullError);
    const kept = log.endOffset;
    expect(kept).toBeLessThan(asked);
    fileSystem.clearFaults();
    const end = appendTurn(log, 12);
    await driven(fileSystem, log.flushed());
    expect(await countOf(fileSystem, log)).toBe(end);
    await driven(fileSystem, log.close());
    expect(fileSystem.violations).toEqual([]);
    expect((await reopened(fileSystem.crashImage())).kept).toBe(end);
  });

  test('nothing is issued behind a refused write while it is undone', async () => {
    for (const seed of [1, 2]) {
      const [fileSystem, log] = await opened(seed, { durability });
      const fault = { errno: 'ENOSPC', operations: ['write' as const], path: SEGMENT_PATH };
      fileSystem.addFault({ ...fault, shortBytes: 'half' });
      appendTurn(log, 1 + 10 + 10 + 1); // The last one waits in an open buffer.
      let refused = 0;
      const later: Promise<unknown>[] = [];
      while (fileSystem.waitingCount > 0) {
        await completeOne(fileSystem);
        // Enough to fill that buffer at any of these moments.
        for (let n = 0; n < 10 && later.length < 60; n++) {
          const appended = log.append({ value: valueAt(log.endOffset) });
          later.push(appended.catch(() => refused++));
        }
      }
      await driven(fileSystem, Promise.all(later));
      expect(refused).toBeGreaterThan(0);
      expect(fileSystem.violations).toEqual([]);
      fileSystem.clearFaults();
      await driven(fileSystem, rejectionOf(log.flushed())); // Tells of the turn, once.
      await driven(fileSystem, log.flushed());
      expect(await countOf(fileSystem, log)).toBe(log.endOffset);
      await driven(fileSystem, log.close());
    }
  });

  test.each([0, 1, 2, 3])('a write that fails, number %i, ends the writer', async (skip) => {
    const [fileSystem, log] = await opened(1 + skip, { durability });
    fileSystem.addFault({ errno: 'EIO', operations: ['write'], path: SEGMENT_PATH, skip });
    const asked = appendTurn(log);
    expect(await driven(fileSystem, rejectionOf(log.flushed()))).toBeInstanceOf(FailedError);
    const { syncedOffset } = log;
    await driven(fileSystem, rejectionOf(log.close()));
    expect(fileSystem.openFileCount).toBe(0);
    expect(fileSystem.waitingCount).toBe(0);
    expect(fileSystem.violations).toEqual([]);
    const { kept } = await reopened(fileSystem.crashImage());
    expect(kept).toBeGreaterThanOrEqual(syncedOffset);
    expect(kept).toBeLessThanOrEqual(asked);
  });

  test('close waits for what was issued ahead, and keeps it', async () => {
    const [fileSystem, log] = await opened(1, { durability });
    const end = appendTurn(log);
    expect(fileSystem.waitingCount).toBe(1 + WRITES_AHEAD_MAX);
    await driven(fileSystem, log.close());
    expect(fileSystem.violations).toEqual([]);
    expect(() => log.appendNoWait({ value: 'late' })).toThrow(ClosedError);
    expect((await reopened(fileSystem.crashImage())).kept).toBe(end);
  });

  test('a segment that cannot be made refuses what waits, and a burst at once goes on', async () => {
    for (const seed of [1, 2]) {
      const [fileSystem, log] = await opened(seed, { durability });
      fileSystem.addFault({ errno: 'EMFILE', operations: ['create'], path: SEGMENT_PATH });
      let kept = 0;
      const asked = appendEach(log, (error) => {
        if (kept > 0) return;
        expect(error).toMatchObject({ details: { errno: 'EMFILE' } });
        kept = log.endOffset; // At once, before the writer has come to rest.
        appendTurn(log);
      });
      await driven(fileSystem, asked);
      expect(kept).toBe(SEGMENT_RECORDS);
      expect(log.endOffset).toBe(kept + TURN_RECORDS);
      await driven(fileSystem, log.flushed());
      expect(await countOf(fileSystem, log)).toBe(kept + TURN_RECORDS);
      await driven(fileSystem, log.close());
      expect(fileSystem.violations).toEqual([]);
    }
  });

  test('small, large and compressed records, keys of all kinds, while calls complete', async () => {
    let aheadMax = 0;
    for (const seed of [1, 2]) {
      const random = new SeededRandom(seed);
      const compression = seed % 2 === 0 ? 'gzip' : 'none';
      const fileSystem = await slowDisk(seed);
      const log = await open(fileSystem, { durability, compression, batchBytesMax: 32 * KIB });
      const expected: string[] = [];
      for (let turn = 0; turn < 4; turn++) {
        const bytesMax = [40, 3000, 200_000, 900_000][randomBelow(random, 4)] ?? 1;
        for (let bytes = 0; bytes < 1.5 * MIB && expected.length < 400 * (turn + 1);) {
          const length = 1 + randomBelow(random, bytesMax);
          const value = randomText(random, length);
          const key = bytes % 3 === 0 ? 'schlüssel € ' : 'key';
          if (log.appendNoWait({ key, value }) < 0) break;
          expected.push(value);
          bytes += length;
        }
        aheadMax = Math.max(aheadMax, fileSystem.waitingCount);
        const isDone = randomBelow(random, 3) === 0;
        for (let n = randomBelow(random, 4); n > 0; n--) await completeOne(fileSystem);
        if (isDone) await driven(fileSystem, log.flushed());
      }
      await driven(fileSystem, log.flushed());
      const found = await driven(fileSystem, valuesOf(log));
      expect(found.length).toBe(expected.length);
      expect(found.findIndex((value, offset) => value !== expected[offset])).toBe(-1);
      await driven(fileSystem, log.close());
      expect(fileSystem.violations).toEqual([]);
    }
    expect(aheadMax).toBeGreaterThan(WRITES_AHEAD_MAX);
  });
});

/** Text that gzip cannot make much smaller. */
function randomText(random: SeededRandom, length: number): string {
  const words = Uint32Array.from({ length: 64 }, () => randomBelow(random, 2 ** 32));
  const text = Buffer.from(words.buffer).toString('base64');
  return `${length} `.padEnd(length, text).slice(0, length);
}

/** One call completes, and whoever waits for it goes on. */
async function completeOne(fileSystem: FaultyFileSystem): Promise<void> {
  fileSystem.completeOne();
  await new Promise((resolve) => setImmediate(resolve));
}

describe.each([
  { durability: 'os', kind: 'kill', seeds: [1, 3] },
  { durability: 'sync', kind: 'kill', seeds: [3] },
  { durability: 'sync', kind: 'power cut', seeds: [1, 3] },
] as const)('at $durability', ({ durability, kind, seeds }) => {
  test(`a ${kind} at any time loses nothing acknowledged`, async () => {
    let holes = 0;
    let losses = 0;
    for (const seed of seeds) {
      const [fileSystem, log] = await opened(seed, { durability });
      const random = new SeededRandom(seed);
      let acked = 1;
      const append = async () => {
        const { offset } = await log.append({ value: valueAt(log.endOffset) });
        acked = Math.max(acked, offset + 1);
      };
      const appended = Promise.all(Array.from({ length: TURN_RECORDS }, append));
      while (fileSystem.waitingCount > 0) {
        const next = { schedule: null };
        const image =
          kind === 'kill'
            ? fileSystem.killImage({ random }, next)
            : fileSystem.crashImage({ random }, next);
        const { kept, cutBytes } = await reopened(image);
        expect(kept).toBeGreaterThanOrEqual(acked);
        if (kept <= TURN_RECORDS) losses++;
        // More than one write can hold: one is there and another in front of it is not, or not all.
        if (cutBytes > 1.1 * MIB) holes++;
        await completeOne(fileSystem);
      }
      await appended;
      expect(acked).toBe(1 + TURN_RECORDS);
      await driven(fileSystem, log.close());
    }
    expect(holes).toBeGreaterThan(2);
    expect(losses).toBeGreaterThan(7);
  });
});

/** Counts the calls that wait when the lock is let go of. */
function waitingAtRelease(fileSystem: FaultyFileSystem): number[] {
  const counts: number[] = [];
  const lockDirectory = fileSystem.lockDirectory.bind(fileSystem);
  fileSystem.lockDirectory = async (path, options) => {
    const lock = await lockDirectory(path, options);
    const release = lock.release.bind(lock);
    lock.release = () => {
      counts.push(fileSystem.waitingCount);
      return release();
    };
    return lock;
  };
  return counts;
}

describe('a sync that fails while writes are on their way', () => {
  test.each([1, 2, 3])('close waits for them, disk %i', async (seed) => {
    const fileSystem = await slowDisk(seed);
    const releases = waitingAtRelease(fileSystem);
    const log = await open(fileSystem, { durability: 'sync' });
    await driven(fileSystem, log.append({ value: valueAt(0) }));
    fileSystem.addFault({ errno: 'EIO', operations: ['datasync'], path: SEGMENT_PATH });
    const failed = rejectionOf(log.append({ value: valueAt(1) }));
    await completeOne(fileSystem);
    appendTurn(log);
    expect(fileSystem.waitingCount).toBe(1 + 1 + WRITES_AHEAD_MAX); // The sync, and writes.
    while (log.stats().state === 'open') await completeOne(fileSystem);
    expect(await failed).toBeInstanceOf(FailedError);
    const { waitingCount } = fileSystem;
    expect(waitingCount).toBeGreaterThan(0);
    const [lender, other] = await opened(9); // In this process: it has its buffers from one pool.
    appendTurn(other);
    await driven(lender, other.flushed());
    expect(fileSystem.waitingCount).toBe(waitingCount);
    const closed = await driven(fileSystem, rejectionOf(log.close()));
    expect(closed).toBeInstanceOf(FailedError);
    expect(releases).toEqual([0]);
    expect(fileSystem.openFileCount).toBe(0);
    expect(fileSystem.violations).toEqual([]);
    expect(await countOf(lender, other)).toBe(1 + TURN_RECORDS);
    await driven(lender, other.close());
  });
});

describe('the room that appends leave on the disk', () => {
  /** A log on a disk with so much room beyond the first record, and how often it was asked. */
  async function guarded(roomBytes: number, segmentBytesMax = SEGMENT_BYTES) {
    const [fileSystem, log] = await opened(1, { freeBytesMin: MIB, clock: new ManualClock() });
    await driven(fileSystem, log.close());
    fileSystem.capacityBytes -= fileSystem.disk.tree.freeBytes - MIB - roomBytes;
    let askedCount = 0;
    const space = fileSystem.space.bind(fileSystem);
    fileSystem.space = (path) => {
      askedCount++;
      return space(path);
    };
    const clock = new ManualClock();
    const guardedLog = await open(fileSystem, {
      durability: 'os',
      freeBytesMin: MIB,
      clock,
      segmentBytesMax,
    });
    return { fileSystem, log: guardedLog, askedCount: () => askedCount };
  }

  test('a write ahead takes its bytes from what is known to be there, once', async () => {
    const { fileSystem, log, askedCount } = await guarded(4 * 7 * MIB); // A quarter is known.
    for (let turn = 0; turn < 2; turn++) {
      appendTurn(log);
      await driven(fileSystem, log.flushed());
    }
    expect(askedCount()).toBe(1);
    appendTurn(log);
    await driven(fileSystem, log.flushed());
    expect(askedCount()).toBe(2);
    await driven(fileSystem, log.close());
  });

  test('no write is issued ahead into room that is not known to be there', async () => {
    const { fileSystem, log } = await guarded(2 * MIB);
    await driven(fileSystem, log.append({ value: valueAt(1) }));
    appendTurn(log);
    expect(fileSystem.waitingCount).toBe(1);
    expect(await driven(fileSystem, rejectionOf(log.flushed()))).toBeInstanceOf(DiskFullError);
    expect(fileSystem.disk.tree.freeBytes).toBeGreaterThanOrEqual(MIB);
    await driven(fileSystem, log.flushed());
    expect(await countOf(fileSystem, log)).toBe(log.endOffset);
    await driven(fileSystem, log.close());
  });

  test('nor behind a write that waits for the answer whether there is room', async () => {
    // Known is a quarter: enough for the last writes of a segment, not for the one before them.
    const { fileSystem, log } = await guarded(4 * 0.95 * 1e6, 1.75 * MIB);
    await driven(fileSystem, log.append({ value: valueAt(1) }));
    appendTurn(log, 20); // 1, 10 and 5 of them, and those of the next segment.
    while (fileSystem.waitingCount > 0 && log.visibleOffset < 3) await completeOne(fileSystem);
    expect(fileSystem.waitingCount).toBe(1);
    appendTurn(log, 1);
    expect(fileSystem.waitingCount).toBe(1);
    await driven(fileSystem, log.flushed());
    expect(await countOf(fileSystem, log)).toBe(2 + 20 + 1);
    await driven(fileSystem, log.close());
    expect(fileSystem.violations).toEqual([]);
  });
});

test('a write ahead that fails otherwise than by a full disk ends the writer', async () => {
  const [fileSystem, log] = await opened(1, { durability: 'os' });
  for (const errno of ['ENOSPC', 'EIO']) {
    fileSystem.addFault({ errno, operations: ['write'], path: SEGMENT_PATH });
  }
  appendTurn(log, 22); // One write in its turn, one ahead of it.
  expect(await driven(fileSystem, rejectionOf(log.flushed()))).toBeInstanceOf(FailedError);
  await driven(fileSystem, rejectionOf(log.close()));
});
