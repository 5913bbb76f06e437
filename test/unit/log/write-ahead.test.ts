/** Writes that are issued ahead of their turn, on disks that complete them in any order, or not. */
import { describe, expect, test } from 'vitest';

import { ManualClock } from '../../../src/core/clock.ts';
import { DiskFullError, FailedError } from '../../../src/core/errors.ts';
import { MIB, WRITES_AHEAD_MAX } from '../../../src/core/limits.ts';
import { SeededRandom } from '../../../src/core/random.ts';
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
/** Of a segment of the logs below: three write buffers and a bit. */
const SEGMENT_BYTES = 3.5 * MIB;

function valueAt(offset: number): string {
  return `${offset} `.padEnd(VALUE_BYTES, String(offset % 10));
}

function valuesTo(end: number): string[] {
  return Array.from({ length: end }, (_, offset) => valueAt(offset));
}

function open(fileSystem: FaultyFileSystem, options: TextLogOptions = {}): Promise<Log<string>> {
  const segmentBytesMax = SEGMENT_BYTES;
  const opened = openTextLog(fileSystem, { segmentBytesMax, freeBytesMin: 0, ...options });
  return driven(fileSystem, opened);
}

/** Appends in one turn until the log says that it is full. @returns the end offset */
function appendTurn(log: Log<string>): number {
  while (log.appendNoWait({ value: valueAt(log.endOffset) }) >= 0);
  return log.endOffset;
}

/** What a next process finds there, and that it can go on. */
async function reopened(image: FaultyFileSystem): Promise<number> {
  const log = await open(image);
  const values = await driven(image, valuesOf(log));
  expect(values).toEqual(valuesTo(values.length));
  const { offset } = await driven(image, log.append({ value: 'next' }));
  expect(offset).toBe(values.length);
  await driven(image, log.close());
  return values.length;
}

const SEEDS = Array.from({ length: 12 }, (_, n) => n + 1);

describe.each(['os', 'sync'] as const)('at %s', (durability) => {
  test('several writes are on their way in one turn, and all records come back', async () => {
    let waitingMax = 0;
    for (const seed of SEEDS) {
      const fileSystem = await slowDisk(seed);
      const log = await open(fileSystem, { durability });
      for (let turn = 0; turn < 3; turn++) {
        const end = appendTurn(log);
        waitingMax = Math.max(waitingMax, fileSystem.waitingCount);
        await driven(fileSystem, log.flushed());
        expect(log.visibleOffset).toBe(end);
      }
      const end = log.endOffset;
      expect(end).toBeGreaterThan(100);
      expect(await driven(fileSystem, valuesOf(log))).toEqual(valuesTo(end));
      await driven(fileSystem, log.close());
      expect(fileSystem.violations).toEqual([]);
      expect(await reopened(fileSystem.crashImage({}, {}))).toBe(end);
    }
    // At `sync` an fdatasync may be among them.
    expect(waitingMax).toBe(1 + WRITES_AHEAD_MAX + (durability === 'sync' ? 1 : 0));
  });

  test.each([0, 1, 2, 3, 4])('a full disk at write %i takes back all behind it', async (skip) => {
    for (const seed of SEEDS) {
      const fileSystem = await slowDisk(seed);
      const log = await open(fileSystem, { durability });
      await driven(fileSystem, log.append({ value: valueAt(0) })); // The file is there.
      const shortBytes = seed % 3 === 0 ? undefined : ('half' as const);
      const ofLog = { operations: ['write' as const], path: /\d\.log$/ };
      const fault = { errno: 'ENOSPC', ...ofLog, skip, times: 1 };
      fileSystem.addFault(shortBytes === undefined ? fault : { ...fault, shortBytes });
      const asked = appendTurn(log);
      expect(await driven(fileSystem, rejectionOf(log.flushed()))).toBeInstanceOf(DiskFullError);
      const kept = log.endOffset;
      expect(kept).toBeLessThan(asked);
      expect(kept).toBeGreaterThanOrEqual(1);
      expect(await driven(fileSystem, valuesOf(log))).toEqual(valuesTo(kept));
      fileSystem.clearFaults();
      const end = appendTurn(log);
      await driven(fileSystem, log.flushed());
      expect(await driven(fileSystem, valuesOf(log))).toEqual(valuesTo(end));
      await driven(fileSystem, log.close());
      expect(fileSystem.violations).toEqual([]);
      expect(await reopened(fileSystem.crashImage())).toBe(end);
    }
  });

  test.each([0, 1, 2, 3])('a write that fails, number %i, ends the writer', async (skip) => {
    for (const seed of SEEDS) {
      const fileSystem = await slowDisk(seed);
      const log = await open(fileSystem, { durability });
      await driven(fileSystem, log.append({ value: valueAt(0) }));
      fileSystem.addFault({ errno: 'EIO', operations: ['write'], path: /\d\.log$/, skip });
      const asked = appendTurn(log);
      expect(await driven(fileSystem, rejectionOf(log.flushed()))).toBeInstanceOf(FailedError);
      const synced = log.syncedOffset;
      await driven(fileSystem, rejectionOf(log.close()));
      expect(fileSystem.openFileCount).toBe(0);
      expect(fileSystem.violations).toEqual([]);
      const kept = await reopened(fileSystem.crashImage());
      expect(kept).toBeGreaterThanOrEqual(synced);
      expect(kept).toBeLessThanOrEqual(asked);
    }
  });

  test('a crash at any call loses nothing acknowledged', async () => {
    const clock = new ManualClock();
    let crashes = 0;
    let lostUnacknowledged = 0;
    for (const seed of SEEDS) {
      for (let after = 1; after <= 24; after++) {
        const fileSystem = await slowDisk(seed);
        const log = await open(fileSystem, { durability, clock });
        let acked = 0;
        const acknowledge = (offset: number) => {
          acked = Math.max(acked, offset + 1);
        };
        const value = valueAt(log.endOffset);
        await driven(fileSystem, log.append({ value })).then(({ offset }) => acknowledge(offset));
        fileSystem.crashAt = { call: fileSystem.callCount + after, when: 'inside' };
        const work = (async () => {
          for (let turn = 0; turn < 2; turn++) {
            for (let n = 0; n < 38; n++) {
              const appended = log.append({ value: valueAt(log.endOffset) });
              void appended.then(
                ({ offset }) => acknowledge(offset),
                () => undefined,
              );
            }
            await log.flushed();
          }
        })();
        const { status } = await fileSystem.drive(work);
        if (status !== 'crashed') continue;
        crashes++;
        const random = new SeededRandom(100 * seed + after);
        const image =
          durability === 'sync'
            ? fileSystem.crashImage({ random })
            : fileSystem.killImage({ random });
        const kept = await reopened(image);
        expect(kept).toBeGreaterThanOrEqual(acked);
        if (kept < 77) lostUnacknowledged++;
      }
    }
    expect(crashes).toBeGreaterThan(100);
    expect(lostUnacknowledged).toBeGreaterThan(20);
  });
});
