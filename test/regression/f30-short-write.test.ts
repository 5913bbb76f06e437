/**
 * F30. Elsewhere: a write that took only a part of the bytes left a half record in the log
 * (redis#587), and writes above 2 GiB went round in circles (redis#4066).
 *
 * Here: every write compares the count that the system took. A short one is cut back durably, its
 * callers get DiskFullError, and the next append stands where the refused one would have. No single
 * write is larger than a batch may be.
 *
 * Red when `checkWritten` is not called after a write, when the file is not truncated back, or when
 * the truncation is not synced before new bytes take its place.
 */
import { describe, expect, test } from 'vitest';

import { DiskFullError } from '../../src/core/errors.ts';
import type { Call } from '../support/fault-plan.ts';
import { crashStates } from '../support/crash-states.ts';
import { contentOf } from '../support/disk-damage.ts';
import {
  appendEach,
  faultyDisk,
  openTextLog,
  rejectionOf,
  segmentPaths,
  textAt,
  textsFrom,
  valuesOf,
} from '../support/log-fixture.ts';

const SMALL = 100;
/** Above the size up to which blocks are written on the calling thread. */
const LARGE = 60_000;

describe.each([
  ['written on the calling thread', SMALL],
  ['written in the thread pool', LARGE],
])('F30: a short write, %s', (_name, valueBytes) => {
  test.each([1, 60, 'half'] as const)(
    'of %s bytes is undone, and appends go on',
    async (shortBytes) => {
      const fileSystem = await faultyDisk();
      const log = await openTextLog(fileSystem, { segmentBytesMax: 1024 * 1024 });
      await appendEach(log, 3);
      const [path = ''] = await segmentPaths(fileSystem);
      const before = contentOf(fileSystem, path);
      fileSystem.addFault({ errno: 'ENOSPC', operations: ['write'], path: '.log', shortBytes });
      const value = 'v'.repeat(valueBytes);
      const error = await rejectionOf(log.append({ value }));
      expect(error).toBeInstanceOf(DiskFullError);
      expect(Buffer.compare(contentOf(fileSystem, path), before)).toBe(0);
      // Durably undone: no power cut brings the half batch back.
      for (const { name, choice } of crashStates(fileSystem)) {
        const image = fileSystem.crashImage(choice);
        expect(Buffer.compare(contentOf(image, path), before), `state: ${name}`).toBe(0);
      }
      fileSystem.clearFaults(); // There is space again.
      expect(log.endOffset).toBe(3);
      expect((await log.append({ value: textAt(3) })).offset).toBe(3);
      await appendEach(log, 3);
      expect(await valuesOf(log)).toEqual(textsFrom(0, 7));
      await log.close();
      const again = await openTextLog(fileSystem);
      expect(again.recovery).toMatchObject({ outcome: 'clean', cutBytes: 0 });
      expect(await valuesOf(again)).toEqual(textsFrom(0, 7));
      await again.close();
    },
  );
});

describe('F30: a short write', () => {
  test('of a segment header refuses the roll; the next append makes the segment', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem);
    fileSystem.addFault({ errno: 'ENOSPC', operations: ['write'], path: '.log', shortBytes: 50 });
    expect(await rejectionOf(log.append({ value: textAt(0) }))).toBeInstanceOf(DiskFullError);
    fileSystem.clearFaults();
    expect(await segmentPaths(fileSystem)).toEqual([]);
    await appendEach(log, 30);
    expect(await valuesOf(log)).toEqual(textsFrom(0, 30));
    await log.close();
  });

  test('whose cut-back fails stops the writer: the file is in doubt', async () => {
    for (const operation of ['truncate', 'datasync'] as const) {
      const fileSystem = await faultyDisk();
      const log = await openTextLog(fileSystem);
      await appendEach(log, 3);
      fileSystem.addFault({ errno: 'ENOSPC', operations: ['write'], path: '.log', shortBytes: 9 });
      fileSystem.addFault({ errno: 'EIO', operations: [operation], path: '.log' });
      const error = await rejectionOf(log.append({ value: textAt(3) }));
      expect(error).toMatchObject({ code: 'ERR_VARVE_FAILED', details: { indeterminate: true } });
      await rejectionOf(log.close());
      const again = await openTextLog(fileSystem);
      expect(await valuesOf(again)).toEqual(textsFrom(0, 3));
      await again.close();
    }
  });

  test('at each of 60 writes in turn: the log is dense, and a crash leaves it so', async () => {
    for (let skip = 0; skip < 60; skip += 4) {
      const fileSystem = await faultyDisk();
      const log = await openTextLog(fileSystem);
      fileSystem.addFault({
        errno: 'ENOSPC',
        operations: ['write'],
        path: '.log',
        shortBytes: 'half',
        skip,
      });
      let refusals = 0;
      while (log.endOffset < 60) {
        const offset = log.endOffset;
        await log.append({ value: textAt(offset) }).catch((error: unknown) => {
          if (!(error instanceof DiskFullError)) throw error;
          refusals++;
        });
      }
      expect(refusals).toBeGreaterThan(0);
      expect(refusals).toBeLessThan(3);
      const again = await openTextLog(fileSystem.crashImage({ data: 'none', names: 'none' }));
      expect(await valuesOf(again)).toEqual(textsFrom(0, 60));
      await again.close();
      await log.close();
    }
  });
});

test('F30: however much is appended at once, no write is above 16 MiB', async () => {
  const writes: number[] = [];
  const trace = (_number: number, { operation, length = 0 }: Call) => {
    if (operation === 'write') writes.push(length);
  };
  const fileSystem = await faultyDisk({ trace });
  const log = await openTextLog(fileSystem, {
    segmentBytesMax: 64 * 1024 * 1024,
    recordBytesMax: 4 * 1024 * 1024,
    durability: 'os',
  });
  const value = 'x'.repeat(3 * 1024 * 1024);
  await log.appendBatch(Array.from({ length: 8 }, () => ({ value })));
  expect(Math.max(...writes)).toBeLessThanOrEqual(16 * 1024 * 1024);
  expect(writes.reduce((sum, bytes) => sum + bytes, 0)).toBeGreaterThan(24 * 1024 * 1024);
  await log.close();
});
