/**
 * F31. Elsewhere: a read error during recovery was taken for the end of the log, and the rest was
 * truncated (rocksdb#6288).
 *
 * Here: an open that meets a read error fails with that error and changes nothing; only bytes that
 * were read and are wrong end a tail. A read that meets one fails, and the next may succeed.
 *
 * Red when a scanner or the loader catches an IoError and goes on as at the end of the file, or when
 * an unreadable checkpoint or index counts as a missing one.
 */
import { describe, expect, test } from 'vitest';

import { IoError } from '../../src/core/errors.ts';
import { contentOf } from '../support/disk-damage.ts';
import type { FaultyFileSystem } from '../support/faulty-file-system.ts';
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

/** All files but LOCK, which every opener touches, and the reserve. */
async function contents(fileSystem: FaultyFileSystem): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const name of await fileSystem.list(LOG_PATH)) {
    if (['LOCK', 'reserve', 'quarantine'].includes(name)) continue;
    const bytes = contentOf(fileSystem, `${LOG_PATH}/${name}`);
    files.set(name, Buffer.from(bytes).toString('base64'));
  }
  return files;
}

function isEqual(one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): boolean {
  return one.size === other.size && [...one].every(([name, bytes]) => other.get(name) === bytes);
}

/** A log with a torn tail over several segments, as a kill and a bit of bad luck leave it. */
async function tornLog(): Promise<FaultyFileSystem> {
  const fileSystem = await faultyDisk();
  const log = await openTextLog(fileSystem, { durability: 'os' });
  await appendEach(log, 5);
  await log.sync();
  await appendEach(log, 25);
  const killed = fileSystem.killImage();
  const path = (await segmentPaths(killed)).at(-1) ?? '';
  const file = await killed.open(path, 'write');
  await file.truncate((await file.stat()).sizeBytes - 9);
  await file.close();
  await log.close();
  return killed;
}

const READING = ['list', 'stat', 'open', 'read', 'statFile', 'realPath'] as const;

describe('F31: an error while reading', () => {
  test.each(READING)(
    'at any %s of an open: the open fails, nothing changes, the next one works',
    async (operation) => {
      const torn = await tornLog();
      let met = 0;
      for (let skip = 0; skip < 60; skip++) {
        const fileSystem = torn.killImage();
        const before = await contents(fileSystem);
        fileSystem.addFault({ errno: 'EIO', operations: [operation], skip });
        const opened = await openTextLog(fileSystem).then(
          (log) => log,
          (error: unknown) => error,
        );
        if (!(opened instanceof Error)) {
          await (opened as Awaited<ReturnType<typeof openTextLog>>).close();
          break; // The fault came too late for this open.
        }
        met++;
        expect(opened).toBeInstanceOf(IoError);
        expect(opened).toMatchObject({ code: 'ERR_VARVE_IO', details: { errno: 'EIO' } });

        // The first errors come before the first change: byte for byte as it was.
        expect(met > 3 || isEqual(await contents(fileSystem), before)).toBe(true);

        expect(fileSystem.openFileCount).toBe(0);
        fileSystem.clearFaults();
        const again = await openTextLog(fileSystem);
        expect(await valuesOf(again)).toEqual(textsFrom(0, 29));
        expect((await quarantineNames(fileSystem)).length).toBeLessThanOrEqual(1);
        await again.close();
      }
      expect(met).toBeGreaterThan(0);
    },
  );

  test('that stays: no open ever cuts anything', async () => {
    const torn = await tornLog();
    torn.addFault({
      errno: 'EIO',
      operations: ['read'],
      path: '.log',
      times: Number.POSITIVE_INFINITY,
    });
    const before = await contents(torn);
    for (let attempt = 0; attempt < 5; attempt++) {
      expect(await rejectionOf(openTextLog(torn))).toBeInstanceOf(IoError);
      const readOnly = openTextLog(torn, { readOnly: true });
      expect(await rejectionOf(readOnly)).toBeInstanceOf(IoError);
      const skipping = openTextLog(torn, { onCorruption: 'skip' });
      expect(await rejectionOf(skipping)).toBeInstanceOf(IoError);
    }
    expect(await contents(torn)).toEqual(before);
    expect(await quarantineNames(torn)).toEqual([]);
  });

  test('of an open log rejects that read alone', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem, { cacheBytes: 0 });
    await appendEach(log, 60);
    fileSystem.addFault({ errno: 'EIO', operations: ['read'], path: '.log' });
    expect(await rejectionOf(valuesOf(log))).toMatchObject({ code: 'ERR_VARVE_IO' });
    expect(await valuesOf(log)).toEqual(textsFrom(0, 60));
    fileSystem.addFault({ errno: 'EIO', operations: ['read'], path: '.log' });
    expect(await rejectionOf(log.read(10))).toMatchObject({ code: 'ERR_VARVE_IO' });
    expect((await log.read(10))?.offset).toBe(10);
    fileSystem.addFault({ errno: 'EIO', operations: ['read'], path: '.log' });
    const skipping = valuesOf(log, { onCorruption: 'skip' });
    expect(await rejectionOf(skipping)).toMatchObject({ code: 'ERR_VARVE_IO' });
    await appendEach(log, 1);
    expect(log.stats().state).toBe('open');
    await log.close();
  });
});
