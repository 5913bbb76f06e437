/**
 * F21. Elsewhere: a new segment was synced but not its directory entry; after a power cut the file,
 * with acknowledged data in it, was not there (KAFKA-3968).
 *
 * Here: an append is answered only when the names that lead to its bytes are durable: the segment's
 * in the log directory, and for a new log the names of the directory and its parents. The model is
 * strict: syncing a file does not make its name durable.
 *
 * Red when SyncLoop skips `directory.sync()` after a roll or swallows its error, or when the parents
 * of a new log are not synced.
 */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { SeededRandom } from '../../src/core/random.ts';
import { openLog } from '../../src/log/open-log.ts';
import { FaultyFileSystem } from '../support/faulty-file-system.ts';
import {
  faultyDisk,
  openTextLog,
  rejectionOf,
  segmentNames,
  textAt,
  textsFrom,
  valuesOf,
} from '../support/log-fixture.ts';

describe('F21: names are durable before an append is answered', () => {
  test('of every segment, at every roll', async () => {
    const fileSystem = await faultyDisk({ directoryMode: 'strict' });
    const log = await openTextLog(fileSystem);
    let rolls = 0;
    for (let n = 0; n < 100; n++) {
      const before = log.stats().segmentCount;
      await log.append({ value: textAt(n) });
      if (log.stats().segmentCount === before) continue;
      rolls++;
      const image = fileSystem.crashImage({ data: 'none', names: 'none' });
      expect(await segmentNames(image)).toEqual(await segmentNames(fileSystem));
      const again = await openTextLog(image);
      expect(await valuesOf(again)).toEqual(textsFrom(0, n + 1));
      await again.close();
    }
    expect(rolls).toBeGreaterThan(3);
    await log.close();
  });

  test.each(['/data', '/a/b/c/data', '/a//b/./data/'])(
    'of a new log at %s and its parents',
    async (path) => {
      const fileSystem = new FaultyFileSystem({ random: new SeededRandom(1) });
      const options = { codec: utf8, random: new SeededRandom(1) };
      const log = await openLog(path, { ...options, fileSystem });
      await log.append({ value: 'first' });
      const image = fileSystem.crashImage({ data: 'none', names: 'none' });
      const again = await openLog(path, { ...options, fileSystem: image, create: false });
      expect(await valuesOf(again)).toEqual(['first']);
      await again.close();
      await log.close();
    },
  );

  test('an error of the directory sync fails the writer: nothing is answered on its word', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem);
    await log.append({ value: textAt(0) });
    fileSystem.addFault({ errno: 'EIO', operations: ['syncDirectory'] });
    let acked = 1;
    const error = await rejectionOf(
      (async () => {
        for (; acked < 100; acked++) await log.append({ value: textAt(acked) });
      })(),
    );
    expect(error).toMatchObject({ code: 'ERR_VARVE_FAILED' });
    expect(acked).toBeLessThan(50); // It met the fault at the first roll.
    const again = await openTextLog(fileSystem.crashImage({ data: 'none', names: 'none' }));
    expect((await valuesOf(again)).slice(0, acked)).toEqual(textsFrom(0, acked));
    await again.close();
    await rejectionOf(log.close());
  });
});
