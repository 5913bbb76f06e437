/**
 * F29. Elsewhere: the return code of fsync was ignored (redis#8111), a closed and reused descriptor
 * was synced (redis#8751), a retry of fsync said OK for data that the kernel had dropped.
 *
 * Here: the first sync that fails, of a segment, of the directory or of the checkpoint, whatever the
 * errno, stops the writer for good: who waits is told (`indeterminate`), every later append, flush and
 * sync gets the failure, no later sync is tried, and what was acknowledged before is on the disk.
 *
 * Red when SyncLoop swallows an error or tries again, when only EIO counts (ENOSPC and EDQUOT from
 * fsync count too), or when a failed sync of a sealed segment is not the writer's.
 */
import { describe, expect, test } from 'vitest';

import { FailedError } from '../../src/core/errors.ts';
import type { Operation } from '../support/fault-plan.ts';
import {
  faultyDisk,
  openTextLog,
  rejectionOf,
  textAt,
  textsFrom,
  thrownBy,
  valuesOf,
} from '../support/log-fixture.ts';

interface Failure {
  readonly operations: readonly Operation[];
  readonly path: string;
}

const PLACES: readonly [string, Failure][] = [
  ['segment', { operations: ['datasync'], path: '.log' }],
  ['directory', { operations: ['syncDirectory'], path: '/data' }],
];

describe.each(PLACES)('F29: a failed sync of the %s', (_name, failure) => {
  test.each(['EIO', 'ENOSPC', 'EDQUOT'])('with %s, at any point, is final', async (errno) => {
    let points = 0;
    for (const skip of [0, 1, 2, 9, 25]) {
      const fileSystem = await faultyDisk();
      const log = await openTextLog(fileSystem);
      fileSystem.addFault({ errno, ...failure, skip });
      const acked: string[] = [];
      let error: unknown = null;
      while (acked.length < 60 && error === null) {
        const value = textAt(acked.length);
        error = await log.append({ value }).then(
          () => (acked.push(value), null),
          (reason: unknown) => reason,
        );
      }
      if (error === null) {
        await log.close();
        continue;
      }
      points++;
      expect(error).toBeInstanceOf(FailedError);
      expect(error).toMatchObject({
        code: 'ERR_VARVE_FAILED',
        details: { indeterminate: true },
        cause: { details: { errno } },
      });
      expect(log.stats().state).toBe('failed');
      const { callCount } = fileSystem;
      for (const later of [
        () => log.append({ value: 'later' }),
        () => log.append({ value: 'later' }, { durability: 'os' }),
        () => log.appendBatch([{ value: 'later' }]),
        () => log.flushed(),
        () => log.sync(),
      ]) {
        expect(await rejectionOf(later())).toMatchObject({ code: 'ERR_VARVE_FAILED' });
      }
      expect(thrownBy(() => log.appendNoWait({ value: 'later' }))).toBeInstanceOf(FailedError);
      expect(fileSystem.callCount).toBe(callCount); // No write and no sync was tried again.
      expect(await valuesOf(log)).toEqual(acked); // Reads go on.
      expect(await rejectionOf(log.close())).toBeInstanceOf(FailedError);
      const again = await openTextLog(fileSystem.crashImage({ data: 'none', names: 'none' }));
      expect((await valuesOf(again)).slice(0, acked.length)).toEqual(acked);
      await again.close();
    }
    expect(points).toBeGreaterThan(2);
  });
});

describe('F29: a failed sync', () => {
  test('tells all who wait, once each', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem);
    fileSystem.addFault({ errno: 'EIO', operations: ['datasync'], path: '.log' });
    const errors = await Promise.all(
      textsFrom(0, 50).map((value) => rejectionOf(log.append({ value }))),
    );
    for (const error of errors) {
      expect(error).toMatchObject({ code: 'ERR_VARVE_FAILED', details: { indeterminate: true } });
    }
    await rejectionOf(log.close());
  });

  test('of a sealed segment in the background stops a log at level os, too', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem, { durability: 'os' });
    fileSystem.addFault({ errno: 'EIO', operations: ['datasync'], path: '.log' });
    let error: unknown = null;
    for (let n = 0; n < 200 && error === null; n++) {
      error = await log.append({ value: textAt(n) }).then(
        () => null,
        (reason: unknown) => reason,
      );
    }
    expect(error).toBeInstanceOf(FailedError);
    await rejectionOf(log.close());
  });

  test('of the checkpoint before the first write lets no log open', async () => {
    const fileSystem = await faultyDisk();
    await (await openTextLog(fileSystem)).close();
    fileSystem.addFault({ errno: 'EIO', operations: ['datasync'], path: 'checkpoint' });
    expect(await rejectionOf(openTextLog(fileSystem))).toMatchObject({ details: { errno: 'EIO' } });
    expect(fileSystem.openFileCount).toBe(0);
    const log = await openTextLog(fileSystem);
    await log.append({ value: 'x' });
    await log.close();
  });

  test('of the checkpoint while the start moves fails the writer, and deletes nothing', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem);
    for (let n = 0; n < 60; n++) await log.append({ value: textAt(n) });
    fileSystem.addFault({ errno: 'EIO', operations: ['datasync'], path: 'checkpoint' });
    expect(await rejectionOf(log.deleteBefore(50))).toMatchObject({ code: 'ERR_VARVE_FAILED' });
    expect(log.stats()).toMatchObject({ state: 'failed', segmentCount: 4 });
    await rejectionOf(log.close());
    const again = await openTextLog(fileSystem.crashImage({ data: 'none', names: 'none' }));
    expect(await valuesOf(again)).toEqual(textsFrom(again.startOffset, 60));
    await again.close();
  });
});
