/**
 * F39. Elsewhere: a file cut exactly between two records is whole by every checksum, so the loss was
 * invisible (named as left open in rocksdb#7701).
 *
 * Here: the checkpoint and `syncedUpTo` of later batches say how far the log was synced; a log that
 * ends below is damaged, with the position and the offsets that are missing.
 *
 * Red when the tail rule compares with what is in the file alone, when the checkpoint is not written
 * after each sync, or when its synced offset is ignored on a clean end.
 */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { CorruptLogError } from '../../src/core/errors.ts';
import { contentOf, cut } from '../support/disk-damage.ts';
import {
  appendEach,
  faultyDisk,
  LOG_PATH,
  openTextLog,
  quarantineNames,
  rejectionOf,
  segmentPaths,
  textsFrom,
  valuesOf,
} from '../support/log-fixture.ts';
import { walkSegment } from '../support/segment-walk.ts';

describe('F39: the last segment cut exactly behind a batch', () => {
  test.each(['closed', 'killed', 'power cut'] as const)('of a log that was %s', async (how) => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem);
    await appendEach(log, 28);
    if (how === 'closed') await log.close();
    const base =
      how === 'power cut' ? fileSystem.crashImage({ data: 'all' }) : fileSystem.killImage();
    const path = (await segmentPaths(base)).at(-1) ?? '';
    const { batches } = await walkSegment(base, path);
    for (const { position, header } of batches) {
      const image = base.killImage();
      cut(image, path, position);
      const before = contentOf(image, path);
      const error = await rejectionOf(openTextLog(image));
      expect(error).toBeInstanceOf(CorruptLogError);
      expect(error).toMatchObject({
        details: {
          file: path,
          position,
          kind: 'length',
          firstOffset: header.baseOffset,
          nextOffset: 28,
        },
      });
      expect(contentOf(image, path)).toEqual(before);
      expect(await quarantineNames(image)).toEqual([]);
      const reader = await openTextLog(image, { onCorruption: 'readonly' });
      await expect(valuesOf(reader)).rejects.toMatchObject({ code: 'ERR_VARVE_CORRUPT' });
      expect(await valuesOf(reader, { onCorruption: 'skip' })).toEqual(
        textsFrom(0, header.baseOffset),
      );
      await reader.close();
      const skipped = await openTextLog(image, { onCorruption: 'skip' });
      expect(skipped.recovery.gaps).toMatchObject([
        { firstOffset: header.baseOffset, nextOffset: 28, file: path },
      ]);
      expect((await skipped.append({ value: 'next' })).offset).toBe(28);
      await skipped.close();
    }
    expect(batches.length).toBeGreaterThan(8);
    if (how !== 'closed') await log.close();
  });

  test('without a checkpoint the batches that follow say so: `syncedUpTo`', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem);
    await appendEach(log, 28);
    await log.close();
    await fileSystem.unlink(join(LOG_PATH, 'checkpoint'));
    const [first = ''] = await segmentPaths(fileSystem);
    const { batches } = await walkSegment(fileSystem, first);
    const batch = batches[7];
    cut(fileSystem, first, batch?.position ?? 0);
    const error = await rejectionOf(openTextLog(fileSystem));
    expect(error).toMatchObject({
      code: 'ERR_VARVE_CORRUPT',
      details: { file: first, position: batch?.position, firstOffset: 7 },
    });
  });

  test('what was never synced may be cut in silence', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem, { durability: 'os' });
    await appendEach(log, 5);
    await log.sync();
    await appendEach(log, 5);
    const image = fileSystem.killImage();
    await log.close();
    const [path = ''] = await segmentPaths(image);
    const { batches } = await walkSegment(image, path);
    for (const { position, header } of batches.slice(5)) {
      const cutImage = image.killImage();
      cut(cutImage, path, position);
      const again = await openTextLog(cutImage);
      expect(again.endOffset).toBe(header.baseOffset);
      await again.close();
    }
    const lost = image.killImage();
    cut(lost, path, batches[4]?.position ?? 0);
    expect(await rejectionOf(openTextLog(lost))).toBeInstanceOf(CorruptLogError);
  });
});
