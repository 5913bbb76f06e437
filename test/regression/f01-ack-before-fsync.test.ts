/**
 * F1. Elsewhere: appends were acknowledged before fsync and lost in a power cut (NATS#7564,
 * etcd#14370).
 *
 * Here: the default level answers after fdatasync. At the moment of each answer the worst power cut
 * is taken, and the record must be in what it leaves.
 *
 * Red when the appender answers `sync` callers after the write, when SyncLoop skips
 * `file.datasync()`, or when it counts a write as synced that finished after the sync was issued.
 */
import { describe, expect, test } from 'vitest';

import { ManualClock } from '../../src/core/clock.ts';
import type { FaultyFileSystem } from '../support/faulty-file-system.ts';
import {
  driven,
  faultyDisk,
  openTextLog,
  slowDisk,
  turns,
  valuesOf,
} from '../support/log-fixture.ts';

const NEXT = { schedule: null } as const;

/** Values by offset after a power cut now that takes everything it may. */
async function survivors(fileSystem: FaultyFileSystem): Promise<(string | null)[]> {
  const image = fileSystem.crashImage({ data: 'none', names: 'none' }, NEXT);
  const log = await openTextLog(image);
  const values = await valuesOf(log);
  await log.close();
  return values;
}

describe('F1: an acknowledged append survives a power cut at the moment of its answer', () => {
  test('append, appendBatch and flushed, over several segments', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem);
    const expected: string[] = [];
    for (let n = 0; n < 24; n++) {
      const values = [`a${n} ${'.'.repeat(80)}`, `b${n}`, `c${n}`];
      if (n % 3 === 0) for (const value of values) await log.append({ value });
      else if (n % 3 === 1) await log.appendBatch(values.map((value) => ({ value })));
      else {
        for (const value of values) log.appendNoWait({ value });
        await log.flushed();
      }
      expected.push(...values);
      expect(await survivors(fileSystem)).toEqual(expected);
    }
    expect(log.stats().segmentCount).toBeGreaterThan(1);
    await log.close();
  });

  test.each([1, 2, 3])('many callers on a slow disk, schedule %i', async (seed) => {
    const fileSystem = await slowDisk(seed);
    const clock = new ManualClock();
    const log = await driven(fileSystem, openTextLog(fileSystem, { clock }), clock);
    const images: { offset: number; value: string; image: FaultyFileSystem }[] = [];
    const callers = Array.from({ length: 6 }, async (_, caller) => {
      for (let n = 0; n < 7; n++) {
        const value = `${caller}-${n} ${'.'.repeat(60)}`;
        // Out of step: some must write while the sync of another is in flight.
        await turns((caller * 5 + n * 3) % 7);
        const { offset, durability } = await log.append({ value });
        expect(durability).toBe('sync');
        const image = fileSystem.crashImage({ data: 'none', names: 'none' }, NEXT);
        images.push({ offset, value, image });
      }
    });
    await driven(fileSystem, Promise.all(callers), clock);
    await driven(fileSystem, log.close(), clock);
    expect(images).toHaveLength(42);
    for (const { offset, value, image } of images) {
      const again = await openTextLog(image);
      await expect(again.read(offset)).resolves.toMatchObject({ value });
      await again.close();
    }
  });

  test('a power cut that keeps any part of the rest changes nothing of it', async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const fileSystem = await faultyDisk();
      const log = await openTextLog(fileSystem, { clock: new ManualClock(seed) });
      const acked = Array.from({ length: 1 + (seed % 7) }, (_, n) => `acked ${n}`);
      for (const value of acked) await log.append({ value });
      for (let n = 0; n < 5; n++) await log.append({ value: `weak ${n}` }, { durability: 'os' });
      const again = await openTextLog(fileSystem.crashImage());
      expect((await valuesOf(again)).slice(0, acked.length)).toEqual(acked);
      await again.close();
      await log.close();
    }
  });
});
