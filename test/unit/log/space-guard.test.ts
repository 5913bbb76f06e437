/** The room that appends leave on the disk. */
import { describe, expect, test } from 'vitest';

import { ManualClock } from '../../../src/core/clock.ts';
import { DiskFullError } from '../../../src/core/errors.ts';
import { KIB, MIB } from '../../../src/core/limits.ts';
import { ioError } from '../../../src/io/io-error.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import type { Log } from '../../../src/log/log.ts';
import { openTextLog, textAt, type TextLogOptions } from '../../support/log-fixture.ts';

/** A disk whose capacity can be changed, which counts how often it is asked for its room. */
class SmallDisk extends MemoryFileSystem {
  askedCount = 0;
  canTell = true;
  usedElsewhereBytes = 0;

  override async space(path: string): ReturnType<MemoryFileSystem['space']> {
    this.askedCount++;
    if (!this.canTell) throw ioError('EIO', { operation: 'space', path });
    const { freeBytes, totalBytes } = await super.space(path);
    return { freeBytes: freeBytes - this.usedElsewhereBytes, totalBytes };
  }
}

async function openOn(disk: SmallDisk, options: TextLogOptions = {}): Promise<Log<string>> {
  return openTextLog(disk, { segmentBytesMax: MIB, ...options });
}

/** Appends one by one until one is refused. */
async function fill(log: Log<string>): Promise<DiskFullError> {
  for (;;) {
    try {
      await log.append({ value: textAt(log.endOffset) });
    } catch (error) {
      if (error instanceof DiskFullError) return error;
      throw error;
    }
  }
}

describe('appends leave room on the disk:', () => {
  test('as much as freeBytesMin says, and the error says so', async () => {
    const disk = new SmallDisk({ capacityBytes: 4 * MIB });
    const log = await openOn(disk, { freeBytesMin: 2 * MIB });
    const error = await fill(log);
    expect(error.details).toMatchObject({ errno: 'ENOSPC', freeBytesMin: 2 * MIB });
    expect(error.message).toContain('2097152 bytes stay free');
    expect(error.retryable).toBe(true);
    const { freeBytes } = await disk.space(log.path);
    expect(freeBytes).toBeGreaterThanOrEqual(2 * MIB);
    expect(freeBytes).toBeLessThan(2 * MIB + KIB);
    await log.close();
  });

  test('1/64 of a small disk by default', async () => {
    const disk = new SmallDisk({ capacityBytes: 2 * MIB });
    const log = await openOn(disk);
    expect((await fill(log)).details.freeBytesMin).toBe(32 * KIB);
    await log.close();
  });

  test('16 MiB of a large one', async () => {
    const disk = new SmallDisk();
    const log = await openOn(disk);
    disk.usedElsewhereBytes = 2 ** 40 - 17 * MIB; // 16 MiB left, less what the log has.
    expect((await fill(log)).details.freeBytesMin).toBe(16 * MIB);
    await log.close();
  });

  test('none with 0: the disk is filled, and never asked', async () => {
    const disk = new SmallDisk({ capacityBytes: 2 * MIB });
    const log = await openOn(disk, { freeBytesMin: 0 });
    expect((await fill(log)).details.freeBytesMin).toBeUndefined();
    expect(disk.askedCount).toBe(0);
    expect((await disk.space(log.path)).freeBytes).toBeLessThan(KIB);
    await log.close();
  });
});

test('after a refusal reads and trims work, nothing acknowledged is lost, and appends resume', async () => {
  const disk = new SmallDisk({ capacityBytes: 4 * MIB });
  const log = await openOn(disk, { freeBytesMin: MIB });
  await fill(log);
  const { endOffset } = log;
  expect((await log.read(endOffset - 1))?.value).toBe(textAt(endOffset - 1));
  await log.deleteBefore(endOffset - 1);
  await log.append({ value: textAt(endOffset) }); // At once: no clock moved.
  expect((await log.read(endOffset))?.value).toBe(textAt(endOffset));
  await log.close();
});

test('a log below its floor opens, reads and closes', async () => {
  const disk = new SmallDisk({ capacityBytes: 4 * MIB });
  const writer = await openOn(disk, { freeBytesMin: MIB });
  await fill(writer);
  await writer.close();
  const log = await openOn(disk, { freeBytesMin: 3 * MIB });
  await expect(log.append({ value: 'x' })).rejects.toThrow(DiskFullError);
  expect((await log.read(0))?.value).toBe(textAt(0));
  await log.close();
});

test('what others take is noticed within a second', async () => {
  const clock = new ManualClock();
  const disk = new SmallDisk({ capacityBytes: 64 * MIB });
  const log = await openOn(disk, { freeBytesMin: MIB, clock });
  await log.append({ value: 'x' });
  disk.usedElsewhereBytes = 64 * MIB;
  clock.advance(999);
  await log.append({ value: 'not noticed yet' });
  clock.advance(1);
  await expect(log.append({ value: 'noticed' })).rejects.toThrow(DiskFullError);
  expect(disk.askedCount).toBe(2);
  await log.close();
});

test('a file system that cannot tell its room stops nothing', async () => {
  const disk = new SmallDisk();
  disk.canTell = false;
  const log = await openOn(disk);
  await log.append({ value: 'x' });
  expect(disk.askedCount).toBeGreaterThan(0);
  await log.close();
});
