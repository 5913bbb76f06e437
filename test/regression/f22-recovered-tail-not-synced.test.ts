/**
 * F22. Elsewhere: after a crash the recovered tail was served from the page cache without a sync,
 * and a second crash took away what readers had seen (KAFKA-10101).
 *
 * Here: open writes the tail past the checkpoint again, in place, and syncs it before anything is
 * served. Again, because after a failed fsync the kernel calls pages clean that never reached the
 * disk: syncing alone would change nothing.
 *
 * Red when recovery skips `rewriteTail`, when it only calls `datasync`, when it leaves out the segment
 * header or index batch past the checkpoint, or does not sync the directory.
 */
import { describe, expect, test } from 'vitest';

import { contentOf } from '../support/disk-damage.ts';
import {
  appendEach,
  faultyDisk,
  openTextLog,
  rejectionOf,
  segmentPaths,
  textsFrom,
  valuesOf,
} from '../support/log-fixture.ts';

const WORST = { data: 'none', names: 'none' } as const;

describe('F22: what an open shows survives the next power cut', () => {
  test.each([1, 10, 40, 100])('after a kill with %i unsynced records', async (count) => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem, { durability: 'os' });
    await appendEach(log, 3);
    await log.sync();
    await appendEach(log, count);
    const killed = fileSystem.killImage();
    const again = await openTextLog(killed);
    const shown = await valuesOf(again);
    expect(shown).toEqual(textsFrom(0, count + 3));
    expect(again.recovery.outcome).toBe('recovered');
    const third = await openTextLog(killed.crashImage(WORST));
    expect(await valuesOf(third)).toEqual(shown);
    await third.close();
    await again.close();
    await log.close();
  });

  test('at the very moment of the open, before any append or close', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem, { durability: 'os' });
    await appendEach(log, 60);
    const killed = fileSystem.killImage();
    const again = await openTextLog(killed);
    const image = killed.crashImage(WORST);
    for (const path of await segmentPaths(killed)) {
      expect(Buffer.compare(contentOf(image, path), contentOf(killed, path))).toBe(0);
    }
    await again.close();
    await log.close();
  });

  test('after a failed fsync, whose pages the kernel calls clean', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem, { segmentBytesMax: 64 * 1024 });
    await appendEach(log, 3);
    fileSystem.addFault({ errno: 'EIO', operations: ['datasync'], path: '.log' });
    // Over several pages: whoever touches the last one alone brings back only that.
    const records = textsFrom(3, 103).map((value) => ({ value }));
    const error = await rejectionOf(log.appendBatch(records));
    expect(error).toMatchObject({ code: 'ERR_VARVE_FAILED', details: { indeterminate: true } });
    await rejectionOf(log.close());
    // Reads still show the records, and no sync would write them any more.
    const again = await openTextLog(fileSystem);
    const shown = await valuesOf(again);
    expect(shown).toEqual(textsFrom(0, 103));
    const opening = openTextLog(fileSystem.crashImage(WORST));
    await expect(opening, 'what was shown is no damage').resolves.toMatchObject({ endOffset: 103 });
    const third = await opening;
    expect(await valuesOf(third)).toEqual(shown);
    await third.close();
    await again.close();
  });

  test('after a cut: the shorter file is durable before new bytes take its place', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem, { durability: 'os' });
    await appendEach(log, 12);
    const [path = ''] = await segmentPaths(fileSystem);
    const killed = fileSystem.killImage();
    const file = await killed.open(path, 'write');
    await file.truncate((await file.stat()).sizeBytes - 20);
    await file.close();
    const again = await openTextLog(killed);
    expect(await valuesOf(again)).toEqual(textsFrom(0, 11));
    expect(again.recovery.cutBytes).toBeGreaterThan(0);
    const image = killed.crashImage(WORST);
    expect(Buffer.compare(contentOf(image, path), contentOf(killed, path))).toBe(0);
    await again.close();
    await log.close();
  });
});
