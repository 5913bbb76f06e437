import { describe, expect, test } from 'vitest';

import {
  BackpressureError,
  ClosedError,
  DiskFullError,
  FailedError,
} from '../../../src/core/errors.ts';
import { KIB, MIB } from '../../../src/core/limits.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import type { AppendResult } from '../../../src/log/append-result.ts';
import { Backpressure } from '../../../src/log/backpressure.ts';
import type { Log } from '../../../src/log/log.ts';
import type { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import {
  driven,
  faultyDisk,
  openTextLog,
  rejectionOf,
  slowDisk,
  thrownBy,
  valuesOf,
} from '../../support/log-fixture.ts';

const VALUE = 'v'.repeat(KIB);

/** A log on a disk that completes nothing until it is driven: appends pile up. */
function slowLog(fileSystem: FaultyFileSystem): Promise<Log<string>> {
  const opened = openTextLog(fileSystem, { queuedBytesMax: 64 * KIB, segmentBytesMax: KIB * KIB });
  return driven(fileSystem, opened);
}

describe('append', () => {
  test('beyond queuedBytesMax rejects, appends nothing, and works again when the disk caught up', async () => {
    const fileSystem = await slowDisk(3);
    const log = await slowLog(fileSystem);
    const appended: Promise<unknown>[] = [];
    while (log.stats().queuedBytes < 64 * KIB) appended.push(log.append({ value: VALUE }));
    const before = log.endOffset;
    expect(before).toBeGreaterThanOrEqual(62);
    const error = await rejectionOf(log.append({ value: VALUE }));
    expect(error).toBeInstanceOf(BackpressureError);
    expect(error).toMatchObject({
      code: 'ERR_VARVE_BACKPRESSURE',
      retryable: true,
      details: { queuedBytesMax: 64 * KIB },
    });
    expect(log.endOffset).toBe(before);
    expect(await driven(fileSystem, Promise.all(appended))).toHaveLength(before);
    expect(log.stats().queuedBytes).toBe(0);
    const next = await driven(fileSystem, log.append({ value: 'next' }));
    expect(next.offset).toBe(before);
    await driven(fileSystem, log.close());
  });

  test('one call may pass the bound: it is checked before, not after', async () => {
    const fileSystem = await slowDisk(3);
    const log = await slowLog(fileSystem);
    const records = Array.from({ length: 100 }, () => ({ value: VALUE }));
    const batch = log.appendBatch(records);
    expect(log.stats().queuedBytes).toBeGreaterThan(100 * KIB);
    expect(await rejectionOf(log.append({ value: 'x' }))).toBeInstanceOf(BackpressureError);
    expect((await driven(fileSystem, batch)).recordCount).toBe(100);
    await driven(fileSystem, log.close());
  });
});

describe('appends at a weaker level than that of the log', () => {
  const options = { queuedBytesMax: 64 * KIB, segmentBytesMax: KIB * KIB };

  test.each(['os', 'interval'] as const)(
    'at %s: what was answered does not count, though nothing is synced',
    async (durability) => {
      const log = await openTextLog(new MemoryFileSystem(), { ...options, durability: 'sync' });
      for (let n = 0; n < 300; n++) {
        await log.append({ value: VALUE }, { durability });
        expect(log.stats().queuedBytes).toBe(0);
      }
      expect(log.stats()).toMatchObject({ endOffset: 300, syncedOffset: 0 });
      await log.close();
    },
  );

  test('beside one who waits for a sync that takes long: what that one appended counts alone', async () => {
    const fileSystem = new MemoryFileSystem();
    const syncs = new HeldSyncs(fileSystem, '.log');
    const log = await openTextLog(fileSystem, { ...options, durability: 'sync' });
    syncs.hold();
    const first = log.append({ value: VALUE });
    await expect.poll(() => syncs.waiting).toHaveLength(1);
    for (let n = 0; n < 300; n++) await log.append({ value: VALUE }, { durability: 'os' });
    const { queuedBytes } = log.stats();
    expect(queuedBytes).toBeGreaterThan(KIB);
    expect(queuedBytes).toBeLessThan(2 * KIB);
    // Those who wait for the sync are bounded as ever.
    const others: Promise<AppendResult>[] = [];
    while (log.stats().queuedBytes < 64 * KIB) others.push(log.append({ value: VALUE }));
    expect(others.length).toBeGreaterThan(58);
    for (const durability of ['os', 'sync'] as const) {
      const refused = log.append({ value: VALUE }, { durability });
      expect(await rejectionOf(refused)).toBeInstanceOf(BackpressureError);
    }
    syncs.release();
    const answers = await Promise.all([first, ...others]);
    expect(new Set(answers.map(({ durability }) => durability))).toEqual(new Set(['sync']));
    expect(log.stats().queuedBytes).toBe(0);
    await log.close();
  });

  test('beside records that nobody waits for: those count until they are synced', async () => {
    const fileSystem = new MemoryFileSystem();
    const syncs = new HeldSyncs(fileSystem, '.log');
    const log = await openTextLog(fileSystem, { ...options, durability: 'sync' });
    syncs.hold();
    while (log.appendNoWait({ value: VALUE }) >= 0);
    const { queuedBytes } = log.stats();
    expect(queuedBytes).toBeGreaterThanOrEqual(16 * KIB);
    await log.append({ value: VALUE }, { durability: 'os' });
    await log.append({ value: VALUE }, { durability: 'os' });
    // The first of them may have shared its write with some of the others.
    expect(log.stats().queuedBytes).toBeGreaterThanOrEqual(queuedBytes);
    expect(log.stats().queuedBytes).toBeLessThan(queuedBytes + 2 * KIB);
    expect(log.appendNoWait({ value: VALUE })).toBe(-1);
    const ready = log.ready();
    syncs.release();
    await ready;
    expect(log.appendNoWait({ value: VALUE })).toBeGreaterThan(0);
    await log.close();
  });
});

describe('appendNoWait', () => {
  test('answers -1 at a quarter of the bound, while append still has room', async () => {
    const fileSystem = await slowDisk(3);
    const log = await slowLog(fileSystem);
    const offsets: number[] = [];
    for (let offset = 0; offset >= 0;) {
      offset = log.appendNoWait({ value: VALUE });
      if (offset >= 0) offsets.push(offset);
    }
    expect(offsets).toEqual(Array.from({ length: offsets.length }, (_, n) => n));
    expect(log.stats().queuedBytes).toBeGreaterThanOrEqual(16 * KIB);
    expect(log.stats().queuedBytes).toBeLessThan(18 * KIB);
    expect(log.endOffset).toBe(offsets.length);
    const append = log.append({ value: 'has room' });
    expect((await driven(fileSystem, append)).offset).toBe(offsets.length);
    await driven(fileSystem, log.close());
  });

  test('takes records again after flushed, and none is lost or doubled', async () => {
    const fileSystem = await slowDisk(3);
    const log = await slowLog(fileSystem);
    let refusals = 0;
    const work = async () => {
      for (let n = 0; n < 100;) {
        if (log.appendNoWait({ value: `${n} ${VALUE}` }) >= 0) n++;
        else {
          refusals++;
          await log.flushed();
        }
      }
      await log.flushed();
      return valuesOf(log);
    };
    const values = await driven(fileSystem, work());
    expect(refusals).toBeGreaterThan(3);
    expect(values).toEqual(Array.from({ length: 100 }, (_, n) => `${n} ${VALUE}`));
    await driven(fileSystem, log.close());
  });

  test('throws the failure of the writer rather than -1', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem);
    fileSystem.addFault({ errno: 'EIO', operations: ['datasync'], path: '.log' });
    log.appendNoWait({ value: 'x' });
    expect(await rejectionOf(log.flushed())).toBeInstanceOf(FailedError);
    expect(thrownBy(() => log.appendNoWait({ value: 'y' }))).toBeInstanceOf(FailedError);
    expect(await rejectionOf(log.close())).toBeInstanceOf(FailedError);
  });

  test('is refused as soon as the log closes, or the disk was full, also between two looks', async () => {
    const fileSystem = await slowDisk(3);
    const log = await driven(fileSystem, openTextLog(fileSystem));
    log.appendNoWait({ value: 'in' });
    fileSystem.addFault({ errno: 'ENOSPC', operations: ['write'], path: '.log', times: 2 });
    expect(await driven(fileSystem, rejectionOf(log.append({ value: 'too' })))).toBeInstanceOf(
      DiskFullError,
    );
    fileSystem.clearFaults();
    expect(thrownBy(() => log.appendNoWait({ value: 'untold' }))).toBeInstanceOf(DiskFullError);
    expect(await driven(fileSystem, rejectionOf(log.flushed()))).toBeInstanceOf(DiskFullError);
    expect(log.appendNoWait({ value: 'again' })).toBe(0);
    const closed = log.close();
    expect(thrownBy(() => log.appendNoWait({ value: 'late' }))).toBeInstanceOf(ClosedError);
    await driven(fileSystem, closed);
  });
});

/** Appends without waiting until the log says -1. */
function fill(log: Log<string>): void {
  while (log.appendNoWait({ value: VALUE }) >= 0);
}

describe('ready', () => {
  test('resolves at once when there is room', async () => {
    const fileSystem = await slowDisk(3);
    const log = await slowLog(fileSystem);
    await log.ready(); // On a disk that completes nothing by itself.
    log.appendNoWait({ value: VALUE });
    await log.ready();
    expect(log.stats().queuedBytes).toBeGreaterThan(KIB);
    await driven(fileSystem, log.close());
  });

  test('4 MiB that are not known to be written are enough, and half of them to go on', async () => {
    const fileSystem = await slowDisk(4);
    const options = { durability: 'os', segmentBytesMax: 16 * MIB } as const;
    const log = await driven(fileSystem, openTextLog(fileSystem, options));
    const value = 'v'.repeat(64 * KIB);
    while (log.appendNoWait({ value }) >= 0);
    expect(log.stats().queuedBytes).toBeGreaterThanOrEqual(4 * MIB);
    expect(log.stats().queuedBytes).toBeLessThan(4 * MIB + 70 * KIB);
    await driven(fileSystem, log.ready());
    expect(log.stats().queuedBytes).toBeLessThan(2 * MIB);
    expect(log.stats().queuedBytes).toBeGreaterThan(0);
    await driven(fileSystem, log.close());
  });

  test.each(['os', 'interval', 'sync'] as const)(
    'at %s, goes on while the rest is on its way, and loses nothing',
    async (durability) => {
      const fileSystem = await slowDisk(5);
      const options = { durability, queuedBytesMax: 512 * KIB, segmentBytesMax: KIB * KIB };
      const log = await driven(fileSystem, openTextLog(fileSystem, options));
      let overlaps = 0;
      const work = async () => {
        let n = 0;
        for (let turn = 0; turn < 20; turn++) {
          while (log.appendNoWait({ value: `${n} ${VALUE}` }) >= 0) n++;
          await log.ready();
          if (log.stats().queuedBytes > 0) overlaps++;
        }
        await log.flushed();
        return n;
      };
      const count = await driven(fileSystem, work());
      expect(count).toBeGreaterThan(20 * 60);
      expect(overlaps).toBeGreaterThan(0);
      const expected = Array.from({ length: count }, (_, n) => `${n} ${VALUE}`);
      expect(await driven(fileSystem, valuesOf(log))).toEqual(expected);
      await driven(fileSystem, log.close());
    },
  );

  test('needs no room to tell that the writer failed, or that the log is closed', async () => {
    const fileSystem = await slowDisk(3);
    const log = await slowLog(fileSystem);
    fileSystem.addFault({ errno: 'EIO', operations: ['datasync'], path: '.log' });
    fill(log);
    await driven(fileSystem, log.ready());
    expect(thrownBy(() => log.appendNoWait({ value: 'y' }))).toBeInstanceOf(FailedError);
    await log.ready();
    expect(await driven(fileSystem, rejectionOf(log.close()))).toBeInstanceOf(FailedError);
    expect(await rejectionOf(log.ready())).toBeInstanceOf(ClosedError);
  });

  test('resolves when a full disk took back what waited, and when the log closes', async () => {
    const fileSystem = await slowDisk(3);
    const log = await slowLog(fileSystem);
    fileSystem.addFault({ errno: 'ENOSPC', operations: ['write'], path: '.log', times: 9 });
    fill(log);
    await driven(fileSystem, log.ready());
    expect(thrownBy(() => log.appendNoWait({ value: 'untold' }))).toBeInstanceOf(DiskFullError);
    expect(await rejectionOf(log.flushed())).toBeInstanceOf(DiskFullError);
    fileSystem.clearFaults();
    fill(log);
    const ready = log.ready();
    await driven(fileSystem, log.close());
    await ready;
  });
});

test('what was given up does not count again when a commit before it finds room', () => {
  const progress = { encodedBytes: 100 }; // Of the commit.
  const backpressure = new Backpressure({ progress, queuedBytesMax: 1000 });
  progress.encodedBytes = 1200;
  backpressure.clear(); // There was no room for any of it.
  backpressure.written(10, 100, false);
  backpressure.settle(10);
  expect(backpressure.queuedBytes).toBe(0);
  progress.encodedBytes = 1300;
  expect(backpressure.queuedBytes).toBe(100);
});
