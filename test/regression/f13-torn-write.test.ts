/**
 * F13. Elsewhere: a write torn at a page boundary made the log unreadable or was taken for whole
 * (etcd#5230, #5250; LevelDB#251).
 *
 * Here (rule R4): whatever part of the unsynced writes reached the disk, in whatever order, the log
 * opens without an alarm, keeps all that was acknowledged, ends at a whole batch, and keeps what it
 * cut in `quarantine/`.
 *
 * Red with rule R2 (an alarm when anything valid follows a hole), when the checksum is not compared,
 * or when recovery adopts a batch behind a hole.
 */
import { describe, expect, test } from 'vitest';

import { crashStates } from '../support/crash-states.ts';
import {
  appendEach,
  appendTogether,
  faultyDisk,
  openTextLog,
  quarantineNames,
  textAt,
  textsFrom,
  valuesOf,
} from '../support/log-fixture.ts';

describe.each([512, 4096] as const)('F13: writes torn at sectors of %i bytes', (sectorBytes) => {
  test('keep all that was acknowledged, nothing of a torn batch, and raise no alarm', async () => {
    const fileSystem = await faultyDisk({ sectorBytes });
    const log = await openTextLog(fileSystem, { segmentBytesMax: 64 * 1024 });
    await appendEach(log, 3);
    // Four writes that no sync covers: small, over a page, small, over several pages.
    for (const count of [1, 10, 2, 50]) {
      await log.appendBatch(
        textsFrom(log.endOffset, log.endOffset + count).map((value) => ({ value })),
        { durability: 'os' },
      );
    }
    const ends = new Set<number>();
    let cutCount = 0;
    const states = crashStates(fileSystem);
    for (const { name, choice } of states) {
      const image = fileSystem.crashImage(choice);
      const opening = openTextLog(image);
      const end = opening.then(({ endOffset }) => endOffset);
      await expect(end, `state: ${name}, no alarm`).resolves.toBeGreaterThanOrEqual(3);
      const again = await opening;
      expect(await valuesOf(again), `state: ${name}`).toEqual(textsFrom(0, again.endOffset));
      ends.add(again.endOffset);
      const { cutBytes, quarantined } = again.recovery;
      if (cutBytes > 0) cutCount++;
      expect(await quarantineNames(image)).toHaveLength(quarantined.length);
      await appendEach(again, 2);
      expect(await valuesOf(again), `state: ${name}`).toEqual(textsFrom(0, again.endOffset));
      await again.close();
    }
    expect(states.length).toBeGreaterThan(30);
    expect(cutCount).toBeGreaterThan(10);
    // Only the ends of whole batches: nothing, or one to four of the writes.
    expect([...ends].sort((a, b) => a - b)).toEqual([3, 4, 14, 16, 66]);
    await log.close();
  });

  test('and by chance: 48 power cuts over two segments', async () => {
    let cuts = 0;
    let rolled = 0;
    for (let round = 0; round < 6; round++) {
      const fileSystem = await faultyDisk({ sectorBytes });
      const log = await openTextLog(fileSystem, { segmentBytesMax: 16 * 1024 });
      await appendTogether(log, 60 + 6 * round);
      const synced = log.endOffset;
      while (log.endOffset < synced + 40) {
        await log.append({ value: textAt(log.endOffset) }, { durability: 'os' });
      }
      if (log.stats().segmentCount > 1) rolled++;
      for (let cut = 0; cut < 8; cut++) {
        const again = await openTextLog(fileSystem.crashImage());
        expect(again.endOffset).toBeGreaterThanOrEqual(synced);
        expect(await valuesOf(again)).toEqual(textsFrom(0, again.endOffset));
        if (again.recovery.cutBytes > 0) cuts++;
        await again.close();
      }
      await log.close();
    }
    expect(cuts).toBeGreaterThan(10);
    expect(rolled).toBeGreaterThan(1);
  });

  test('a batch of one megabyte is whole or not there', async () => {
    const fileSystem = await faultyDisk({ sectorBytes });
    const log = await openTextLog(fileSystem, { segmentBytesMax: 4 * 1024 * 1024 });
    await appendTogether(log, 2);
    const value = 'm'.repeat(1024 * 1024 - 16);
    await log.append({ value }, { durability: 'os' });
    let wholeCount = 0;
    const images = Array.from({ length: 8 }, () => fileSystem.crashImage());
    images.push(fileSystem.crashImage({ data: 'all', names: 'all' }));
    for (const image of images) {
      const again = await openTextLog(image);
      const values = await valuesOf(again);
      if (values.length === 3) wholeCount++;
      expect(values).toEqual([...textsFrom(0, 2), value].slice(0, values.length));
      expect(values.length).toBeGreaterThanOrEqual(2);
      await again.close();
    }
    expect(wholeCount).toBeGreaterThan(0);
    expect(wholeCount).toBeLessThan(images.length);
    await log.close();
  });
});
