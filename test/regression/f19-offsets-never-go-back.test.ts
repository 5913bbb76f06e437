/**
 * F19. Elsewhere: after a crash in compaction the counter of revisions went back, and numbers were
 * given twice (etcd#17780, #14685).
 *
 * Here: the next offset is never below anything that names one: the checkpoint's start and synced
 * offsets, the names of segments, and their contents. Where a power cut took unsynced offsets back,
 * the epoch tells the two records of one offset apart.
 *
 * Red when the end offset is taken from the last segment's contents alone, or when an open does not
 * raise the epoch.
 */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { present } from '../../src/core/assert.ts';
import { CorruptLogError, OffsetOutOfRangeError } from '../../src/core/errors.ts';
import { cut, flipBit } from '../support/disk-damage.ts';
import type { FaultyFileSystem } from '../support/faulty-file-system.ts';
import {
  appendEach,
  faultyDisk,
  LOG_PATH,
  openTextLog,
  rejectionOf,
  segmentNames,
  segmentPaths,
  textAt,
  textsFrom,
  valuesOf,
} from '../support/log-fixture.ts';
import { walkSegment } from '../support/segment-walk.ts';
import { makeNext, sealedOf } from '../support/swaps.ts';

const CHECKPOINT = join(LOG_PATH, 'checkpoint');

describe('F19: the next offset', () => {
  test('after everything was deleted goes on, however the log is opened again', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem);
    await appendEach(log, 50);
    await log.deleteBefore(50);
    const images = [
      fileSystem.crashImage({ data: 'none', names: 'none' }),
      fileSystem.crashImage(),
      fileSystem.killImage(),
    ];
    for (const image of images) {
      const again = await openTextLog(image);
      expect(again).toMatchObject({ startOffset: 50, endOffset: 50 });
      expect((await again.append({ value: 'next' })).offset).toBe(50);
      expect(await valuesOf(again)).toEqual(['next']);
      await again.close();
    }
    await log.close();
  });

  test('is the start offset when the last segment itself was lost below it', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem);
    await appendEach(log, 50);
    await log.deleteBefore(50);
    await log.close();
    for (const name of await segmentNames(fileSystem))
      await fileSystem.unlink(join(LOG_PATH, name));
    const again = await openTextLog(fileSystem);
    expect(again).toMatchObject({ startOffset: 50, endOffset: 50 });
    expect((await again.append({ value: textAt(50) })).offset).toBe(50);
    expect(await segmentNames(fileSystem)).toEqual([`${'50'.padStart(20, '0')}.log`]);
    await again.close();
  });

  test('is the start offset when damage left the log shorter than that: a new segment begins', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem);
    await appendEach(log, 50);
    await log.deleteBefore(50);
    await log.close();
    const path = (await segmentPaths(fileSystem)).at(-1) ?? '';
    const { batches } = await walkSegment(fileSystem, path);
    cut(fileSystem, path, batches.at(-3)?.position ?? 0);
    for (let life = 0; life < 3; life++) {
      const again = await openTextLog(fileSystem);
      expect(again).toMatchObject({ startOffset: 50, endOffset: 50 + life });
      expect((await again.append({ value: textAt(50 + life) })).offset).toBe(50 + life);
      expect(await valuesOf(again)).toEqual(textsFrom(50, 51 + life));
      await again.close();
    }
    expect((await segmentNames(fileSystem)).at(-1)).toBe(`${'50'.padStart(20, '0')}.log`);
  });

  test('is not below what the checkpoint calls synced: less data is damage, not a lower number', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem);
    await appendEach(log, 50);
    await log.close();
    for (const name of await segmentNames(fileSystem))
      await fileSystem.unlink(join(LOG_PATH, name));
    const error = await rejectionOf(openTextLog(fileSystem));
    expect(error).toBeInstanceOf(CorruptLogError);
    expect(error).toMatchObject({ details: { firstOffset: 0, nextOffset: 50 } });
    const skipped = await openTextLog(fileSystem, { onCorruption: 'skip' });
    expect((await skipped.append({ value: 'next' })).offset).toBe(50);
    await skipped.close();
  });

  test('comes from the segments when the checkpoint is gone or both slots are bad', async () => {
    for (const ruin of ['missing', 'one slot', 'both slots'] as const) {
      const fileSystem = await faultyDisk();
      const log = await openTextLog(fileSystem);
      await appendEach(log, 50);
      await log.close();
      if (ruin === 'missing') await fileSystem.unlink(CHECKPOINT);
      else {
        flipBit(fileSystem, CHECKPOINT, { position: 20 });
        if (ruin === 'both slots') flipBit(fileSystem, CHECKPOINT, { position: 4096 + 20 });
      }
      const again = await openTextLog(fileSystem);
      expect(again.endOffset).toBe(50);
      expect(again.recovery.notes.length).toBeGreaterThan(0);
      expect((await again.append({ value: textAt(50) })).offset).toBe(50);
      expect(await valuesOf(again)).toEqual(textsFrom(0, 51));
      await again.close();
    }
  });

  test('is the base offset of a last segment that holds nothing yet', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem);
    // The first append of a new segment fails after its file was made.
    await appendEach(log, 17);
    const names = await segmentNames(fileSystem);
    fileSystem.addFault({
      errno: 'ENOSPC',
      operations: ['write'],
      path: /0(?!0+\.log)\d*\.log$/,
      skip: 1,
    });
    while ((await segmentNames(fileSystem)).length === names.length) {
      const appended = await log.append({ value: textAt(log.endOffset) }).catch(() => null);
      if (appended === null) break;
    }
    const { endOffset } = log;
    expect(await segmentNames(fileSystem)).toHaveLength(2);
    const again = await openTextLog(fileSystem.killImage());
    expect(again.endOffset).toBe(endOffset);
    expect((await again.append({ value: textAt(endOffset) })).offset).toBe(endOffset);
    expect(await valuesOf(again)).toEqual(textsFrom(0, endOffset + 1));
    await again.close();
    await log.close();
  });

  test('taken back by a power cut is told apart by its epoch', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem, { durability: 'os' });
    await appendEach(log, 5);
    await log.sync();
    await appendEach(log, 5);
    const seen = { offset: 8, epoch: log.epoch };
    expect((await log.read(seen.offset, seen))?.value).toBe(textAt(8));
    const image = fileSystem.crashImage({ data: 'none', names: 'none' });
    const again = await openTextLog(image, { durability: 'os' });
    expect(again.endOffset).toBe(5);
    expect(again.epoch).toBe(log.epoch + 1);
    for (let n = 0; n < 5; n++) await again.append({ value: `other ${n}` });
    expect((await again.read(8))?.value).toBe('other 3');
    expect(await rejectionOf(again.read(8, seen))).toBeInstanceOf(OffsetOutOfRangeError);
    const read = valuesOf(again, { from: { offset: 8, epoch: seen.epoch } });
    expect(await rejectionOf(read)).toBeInstanceOf(OffsetOutOfRangeError);
    expect((await again.read(4, seen))?.value).toBe(textAt(4));
    await again.close();
    await log.close();
  });

  test('the epoch grows even when the log lost its whole unsynced tail and looks clean', async () => {
    let fileSystem = await faultyDisk();
    const epochs: number[] = [];
    for (let life = 0; life < 6; life++) {
      const log = await openTextLog(fileSystem, { durability: 'os' });
      epochs.push(log.epoch);
      await appendEach(log, 3);
      const next = fileSystem.crashImage({ data: 'none', names: 'none' });
      await log.close();
      fileSystem = next;
    }
    expect(epochs).toEqual(epochs.map((_, at) => (epochs[0] ?? 0) + at));
  });

  test('is the same after a crash at any call of a swap, and so is the epoch after it', async () => {
    const prepared = await faultyDisk();
    const log = await openTextLog(prepared);
    await appendEach(log, 50);
    await log.close();
    const swapLast = async (fileSystem: FaultyFileSystem) => {
      const writer = await openTextLog(fileSystem);
      const old = present(sealedOf(writer).at(-1), 'it is sealed');
      const made = await makeNext(fileSystem, old, { keeps: () => false });
      expect(await writer.forStore().swap.swap(made)).toBe(true);
      await writer.close();
    };
    const measured = prepared.killImage();
    await swapLast(measured);
    for (let call = 1; call <= measured.callCount; call++) {
      const crashing = prepared.killImage({}, { crashAt: { call, when: 'inside' } });
      const outcome = await crashing.drive(swapLast(crashing));
      expect(outcome.status).toBe('crashed');
      const images = [
        crashing.crashImage({ data: 'none', names: 'none' }),
        crashing.crashImage({ data: 'none', names: 'all' }),
        crashing.crashImage({ data: 'all', names: 'all' }),
        crashing.killImage(),
      ];
      for (const image of images) {
        const again = await openTextLog(image);
        expect(again.endOffset).toBe(50);
        expect(again.epoch).toBeGreaterThan(log.epoch);
        expect((await again.append({ value: textAt(50) })).offset).toBe(50);
        await again.close();
      }
    }
  });
});
