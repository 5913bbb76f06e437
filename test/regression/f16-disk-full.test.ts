/**
 * F16. Elsewhere: a full disk corrupted the log, and it did not open again (etcd#2819, #3591).
 *
 * Here: the append is rejected with DiskFullError and undone, reads and the handle go on, appends
 * resume by themselves when there is space; the log opens with 0 bytes free.
 *
 * Red when a refused write fails the writer for good, when the offsets of refused records are not
 * given again, or when opening needs a new file.
 */
import { describe, expect, test } from 'vitest';

import { DiskFullError } from '../../src/core/errors.ts';
import {
  appendEach,
  faultyDisk,
  LOG_PATH,
  openTextLog,
  rejectionOf,
  textAt,
  textsFrom,
  valuesOf,
} from '../support/log-fixture.ts';

describe.each([false, true])('F16: a full disk (new names need space: %s)', (newNamesNeedSpace) => {
  test('rejects appends, keeps the rest, and resumes by itself', async () => {
    const fileSystem = await faultyDisk({ newNamesNeedSpace });
    const log = await openTextLog(fileSystem);
    await appendEach(log, 10);
    let refusals = 0;
    let rounds = 0;
    // Every number of free bytes around a batch (228), a segment header and a roll.
    for (let free = 0; free < 700; free += 37) {
      const before = log.endOffset;
      const room = fileSystem.capacityBytes - (await fileSystem.space(LOG_PATH)).freeBytes;
      fileSystem.capacityBytes = room + free;
      for (;;) {
        const appended = await log.append({ value: textAt(log.endOffset) }).then(
          () => null,
          (error: unknown) => error,
        );
        if (appended === null) continue;
        expect(appended).toBeInstanceOf(DiskFullError);
        expect(appended).toMatchObject({ code: 'ERR_VARVE_DISK_FULL', retryable: true });
        refusals++;
        break;
      }
      expect(log.stats()).toMatchObject({ state: 'open', queuedBytes: 0 });
      expect(log.endOffset).toBeGreaterThanOrEqual(before);
      expect(await valuesOf(log, { from: before })).toEqual(textsFrom(before, log.endOffset));
      // What a power cut leaves now is what was acknowledged, no more.
      const image = fileSystem.crashImage({ data: 'none', names: 'none' });
      const again = await openTextLog(image);
      expect(again.endOffset).toBe(log.endOffset);
      await again.close();
      fileSystem.capacityBytes = 2 ** 40;
      const { offset } = await log.append({ value: textAt(log.endOffset) });
      expect(offset).toBe(log.endOffset - 1);
      rounds++;
    }
    expect(rounds).toBe(19);
    expect(refusals).toBe(19);
    expect(await valuesOf(log)).toEqual(textsFrom(0, log.endOffset));
    await log.close();
  });

  test('rejects everyone who waits, and gives their offsets to the next', async () => {
    const fileSystem = await faultyDisk({ newNamesNeedSpace });
    const log = await openTextLog(fileSystem);
    await appendEach(log, 5);
    fileSystem.capacityBytes -= (await fileSystem.space(LOG_PATH)).freeBytes;
    const errors = await Promise.all(
      Array.from({ length: 200 }, (_, n) => rejectionOf(log.append({ value: `lost ${n}` }))),
    );
    for (const error of errors) expect(error).toBeInstanceOf(DiskFullError);
    expect(log.appendNoWait({ value: 'lost too' })).toBe(5);
    expect(await rejectionOf(log.flushed())).toBeInstanceOf(DiskFullError);
    expect(log.endOffset).toBe(5);
    fileSystem.capacityBytes = 2 ** 40;
    expect((await log.append({ value: textAt(5) })).offset).toBe(5);
    expect(await valuesOf(log)).toEqual(textsFrom(0, 6));
    await log.close();
  });

  test('opens with 0 bytes free, clean or torn, reads, and closes', async () => {
    const fileSystem = await faultyDisk({ newNamesNeedSpace });
    const log = await openTextLog(fileSystem);
    await appendEach(log, 60);
    await log.append({ value: textAt(60) }, { durability: 'os' });
    let opened = 0;
    let resumed = 0;
    for (const image of [
      fileSystem.killImage(),
      ...Array.from({ length: 20 }, () => fileSystem.crashImage()),
    ]) {
      image.capacityBytes -= (await image.space(LOG_PATH)).freeBytes;
      expect((await image.space(LOG_PATH)).freeBytes).toBe(0);
      const again = await openTextLog(image);
      expect(again.endOffset).toBeGreaterThanOrEqual(60);
      expect(await valuesOf(again)).toEqual(textsFrom(0, again.endOffset));
      if (!again.readOnly) {
        const { endOffset } = again;
        // The reserve may have been given up for it: fill that as well.
        image.capacityBytes -= (await image.space(LOG_PATH)).freeBytes;
        const refusal = await rejectionOf(again.append({ value: 'no room' }));
        image.capacityBytes = 2 ** 40;
        const { offset } = await again.append({ value: textAt(endOffset) });
        if (refusal instanceof DiskFullError && offset === endOffset) resumed++;
        opened++;
      }
      await again.close();
    }
    expect(opened).toBeGreaterThan(15);
    expect(resumed).toBe(opened);
    await log.close();
  });

  test('a new log on a full disk says so, and can be made when there is space', async () => {
    const fileSystem = await faultyDisk({ newNamesNeedSpace, capacityBytes: 100 });
    expect(await rejectionOf(openTextLog(fileSystem))).toBeInstanceOf(DiskFullError);
    expect(fileSystem.openFileCount).toBe(0);
    fileSystem.capacityBytes = 2 ** 40;
    const log = await openTextLog(fileSystem);
    await appendEach(log, 3);
    await log.close();
  });
});
