import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import {
  ConflictError,
  LockedError,
  NotFoundError,
  ReadOnlyError,
} from '../../../src/core/errors.ts';
import { encodeSegmentHeader, parseSegmentHeader } from '../../../src/format/segment-header.ts';
import { SEGMENT_HEADER_BYTES } from '../../../src/format/layout.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import type { Log } from '../../../src/log/log.ts';
import { openLog } from '../../../src/log/open-log.ts';
import { contentOf, damage } from '../../support/disk-damage.ts';
import {
  appendEach,
  faultyDisk,
  LOG_PATH,
  offsetsOf,
  openTextLog,
  rejectionOf,
  segmentNames,
  segmentPaths,
  settle,
  textsFrom,
  thrownBy,
  valuesOf,
} from '../../support/log-fixture.ts';

/** Every file with its bytes, to see that nothing was written. */
async function snapshot(fileSystem: MemoryFileSystem): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const name of await fileSystem.list(LOG_PATH)) {
    const path = join(LOG_PATH, name);
    if ((await fileSystem.stat(path)).kind !== 'file') continue;
    const file = await fileSystem.open(path, 'read');
    const bytes = Buffer.alloc((await file.stat()).sizeBytes);
    await file.read(bytes, 0);
    await file.close();
    files[name] = bytes.toString('base64');
  }
  return files;
}

describe('a new log', () => {
  test('is empty, and says that it was created', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    expect(log).toMatchObject({ startOffset: 0, endOffset: 0, visibleOffset: 0, readOnly: false });
    expect(log.recovery).toMatchObject({ outcome: 'created', cutBytes: 0, gaps: [], notes: [] });
    expect(log.epoch).toBeGreaterThan(0);
    expect(log.path).toBe(LOG_PATH);
    await log.close();
  });

  test('has the files that the format names, and no segment before the first append', async () => {
    const fileSystem = new MemoryFileSystem();
    const log = await openTextLog(fileSystem);
    expect((await fileSystem.list(LOG_PATH)).sort()).toEqual(['LOCK', 'checkpoint', 'reserve']);
    await log.append({ value: 'x' });
    expect(await segmentNames(fileSystem)).toEqual(['00000000000000000000.log']);
    await log.close();
  });

  test('is made with missing parents; not with create: false', async () => {
    const fileSystem = new MemoryFileSystem();
    const path = '/a/b/c';
    const error = await rejectionOf(openLog(path, { fileSystem, create: false }));
    expect(error).toBeInstanceOf(NotFoundError);
    expect(error).toMatchObject({ code: 'ERR_VARVE_NOT_FOUND', details: { name: path } });
    expect(await fileSystem.list('/')).toEqual([]);
    await (await openLog(path, { fileSystem })).close();
    await (await openLog(path, { fileSystem, create: false })).close();
    expect((await fileSystem.list(path)).sort()).toEqual(['LOCK', 'checkpoint', 'reserve']);
  });

  test('create: false in an empty directory is NotFoundError and leaves the lock free', async () => {
    const fileSystem = new MemoryFileSystem();
    await fileSystem.makeDirectory(LOG_PATH);
    const error = await rejectionOf(openTextLog(fileSystem, { create: false }));
    expect(error).toBeInstanceOf(NotFoundError);
    expect(fileSystem.openFileCount).toBe(0);
    await (await openTextLog(fileSystem)).close();
  });
});

describe('the lock', () => {
  test('refuses a second writer, names its holder, and leaves the first alone', async () => {
    const fileSystem = new MemoryFileSystem();
    const log = await openTextLog(fileSystem);
    await appendEach(log, 3);
    const error = await rejectionOf(openTextLog(fileSystem));
    expect(error).toBeInstanceOf(LockedError);
    expect(error).toMatchObject({ code: 'ERR_VARVE_LOCKED', retryable: true });
    expect((error as LockedError).details.holder).not.toBeNull();
    await appendEach(log, 3);
    expect(await valuesOf(log)).toEqual(textsFrom(0, 6));
    await log.close();
    await (await openTextLog(fileSystem)).close();
  });

  test('is the same lock by another path', async () => {
    const fileSystem = new MemoryFileSystem();
    const log = await openTextLog(fileSystem);
    const again = openLog(`${LOG_PATH}/../data/`, { fileSystem });
    expect(await rejectionOf(again)).toBeInstanceOf(LockedError);
    await log.close();
  });

  test('is given back when opening fails', async () => {
    const fileSystem = await faultyDisk();
    await (await openTextLog(fileSystem)).close();
    fileSystem.addFault({ errno: 'EIO', operations: ['read'], path: 'checkpoint' });
    expect(await rejectionOf(openTextLog(fileSystem))).toMatchObject({ code: 'ERR_VARVE_IO' });
    expect(fileSystem.openFileCount).toBe(0);
    await (await openTextLog(fileSystem)).close();
  });

  test('that was replaced under us stops the writer at its next roll', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem);
    await appendEach(log, 3);
    await fileSystem.unlink(join(LOG_PATH, 'LOCK'));
    await (await fileSystem.open(join(LOG_PATH, 'LOCK'), 'create')).close();
    const error = await rejectionOf(appendEach(log, 100));
    expect(error).toMatchObject({ code: 'ERR_VARVE_FAILED', cause: { code: 'ERR_VARVE_LOCKED' } });
    expect(await segmentNames(fileSystem)).toHaveLength(1);
    await rejectionOf(log.close());
  });
});

describe('a log whose checkpoint is gone', () => {
  test('opens again and again: its epochs stand in its batches', async () => {
    const fileSystem = new MemoryFileSystem();
    for (let life = 0; life < 3; life++) {
      const log = await openTextLog(fileSystem);
      await appendEach(log, 2);
      await log.close();
    }
    await fileSystem.unlink(join(LOG_PATH, 'checkpoint'));
    for (const outcome of ['recovered', 'clean']) {
      const log = await openTextLog(fileSystem);
      expect(log.recovery.outcome).toBe(outcome);
      expect(await offsetsOf(log)).toEqual([0, 1, 2, 3, 4, 5]);
      await log.close();
    }
  });
});

describe('readOnly', () => {
  test('reads a log that a writer holds, and writes nothing', async () => {
    const fileSystem = new MemoryFileSystem();
    const log = await openTextLog(fileSystem);
    await appendEach(log, 60);
    const before = await snapshot(fileSystem);
    const reader = await openTextLog(fileSystem, { readOnly: true });
    expect(reader).toMatchObject({ readOnly: true, startOffset: 0, endOffset: 60 });
    expect(reader.recovery.outcome).toBe('readonly');
    expect(reader.stats()).toMatchObject({ state: 'readonly', lockMechanism: null });
    expect(await valuesOf(reader)).toEqual(textsFrom(0, 60));
    expect((await reader.read(33))?.offset).toBe(33);
    await reader.close();
    expect(await snapshot(fileSystem)).toEqual(before);
    await log.close();
  });

  test('refuses everything that writes', async () => {
    const fileSystem = new MemoryFileSystem();
    const log = await openTextLog(fileSystem);
    await appendEach(log, 3);
    await log.close();
    const before = await snapshot(fileSystem);
    const reader = await openTextLog(fileSystem, { readOnly: true });
    const calls: readonly [string, () => Promise<unknown>][] = [
      ['append', () => reader.append({ value: 'x' })],
      ['appendBatch', () => reader.appendBatch([{ value: 'x' }])],
      ['flushed', () => reader.flushed()],
      ['sync', () => reader.sync()],
      ['deleteBefore', () => reader.deleteBefore(1)],
      ['retain', () => reader.retain()],
    ];
    for (const [operation, call] of calls) {
      const error = await rejectionOf(call());
      expect(error).toBeInstanceOf(ReadOnlyError);
      expect(error).toMatchObject({ code: 'ERR_VARVE_READ_ONLY', details: { operation } });
    }
    expect(thrownBy(() => reader.appendNoWait({ value: 'x' }))).toBeInstanceOf(ReadOnlyError);
    await reader.close();
    expect(await snapshot(fileSystem)).toEqual(before);
    expect(fileSystem.openFileCount).toBe(0);
  });

  test.each([
    ['a missing directory', async () => undefined],
    ['an empty directory', (fileSystem: MemoryFileSystem) => fileSystem.makeDirectory(LOG_PATH)],
  ])('of %s is NotFoundError and creates nothing', async (_name, prepare) => {
    const fileSystem = new MemoryFileSystem();
    await prepare(fileSystem);
    const before = await fileSystem.list('/');
    const error = await rejectionOf(openTextLog(fileSystem, { readOnly: true }));
    expect(error).toBeInstanceOf(NotFoundError);
    expect(await fileSystem.list('/')).toEqual(before);
    for (const name of before) expect(await fileSystem.list(`/${name}`)).toEqual([]);
  });

  test('hides a torn tail and leaves it where it is', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem, { durability: 'os' });
    await appendEach(log, 10);
    const image = fileSystem.killImage();
    const [path = ''] = await segmentPaths(image);
    damage(image, path, (bytes) => bytes.subarray(0, bytes.length - 10));
    const before = contentOf(image, path);
    const reader = await openTextLog(image, { readOnly: true });
    expect(await valuesOf(reader)).toEqual(textsFrom(0, 9));
    expect(reader.recovery).toMatchObject({ outcome: 'readonly', cutBytes: 0 });
    await reader.close();
    expect(contentOf(image, path)).toEqual(before);
    await log.close();
  });
});

describe('a directory with other things in it', () => {
  test('names what is not ours, and never touches it', async () => {
    const fileSystem = new MemoryFileSystem();
    await fileSystem.makeDirectory(join(LOG_PATH, 'notes.log'));
    const foreign = [
      'readme.txt',
      '42.log',
      'checkpoint.bak',
      '000000000000000000001.log',
      'x.tmp',
    ];
    for (const name of foreign) {
      const file = await fileSystem.open(join(LOG_PATH, name), 'create');
      await file.write(Buffer.from(name), 0);
      await file.close();
    }
    const log = await openTextLog(fileSystem, { retentionBytes: 0 });
    await appendEach(log, 100);
    await log.retain();
    for (const name of [...foreign, 'notes.log']) {
      expect(log.recovery.notes.some((note) => note.includes(name))).toBe(true);
      expect(await fileSystem.list(LOG_PATH)).toContain(name);
    }
    await log.close();
  });

  test('removes unfinished files of its own', async () => {
    const fileSystem = new MemoryFileSystem();
    await (await openTextLog(fileSystem)).close();
    for (const name of ['checkpoint.tmp', 'reserve.tmp', '00000000000000000000.log.tmp']) {
      await (await fileSystem.open(join(LOG_PATH, name), 'create')).close();
    }
    await (await openTextLog(fileSystem)).close();
    const names = await fileSystem.list(LOG_PATH);
    expect(names.filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });
});

describe('a log that a store owns', () => {
  async function ownedLog() {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem);
    await appendEach(log, 3);
    await log.close();
    const [path = ''] = await segmentPaths(fileSystem);
    damage(fileSystem, path, (bytes) => {
      const { header } = parseSegmentHeader(bytes.subarray(0, SEGMENT_HEADER_BYTES));
      if (header === null) throw new Error('a valid header');
      bytes.set(encodeSegmentHeader({ ...header, ownerId: 4711 }));
      return bytes;
    });
    return fileSystem;
  }

  test('is refused for writing: ConflictError, nothing changed, lock given back', async () => {
    const fileSystem = await ownedLog();
    const [path = ''] = await segmentPaths(fileSystem);
    const before = contentOf(fileSystem, path);
    for (let attempt = 0; attempt < 2; attempt++) {
      const error = await rejectionOf(openTextLog(fileSystem));
      expect(error).toBeInstanceOf(ConflictError);
      expect(error).toMatchObject({ code: 'ERR_VARVE_CONFLICT' });
    }
    expect(contentOf(fileSystem, path)).toEqual(before);
  });

  test('may be read', async () => {
    const reader = await openTextLog(await ownedLog(), { readOnly: true });
    expect(await valuesOf(reader)).toEqual(textsFrom(0, 3));
    await reader.close();
  });
});

describe('opening again', () => {
  test('raises the epoch each time, and keeps everything', async () => {
    const fileSystem = new MemoryFileSystem();
    let epoch = 0;
    for (let life = 0; life < 20; life++) {
      const log: Log<string> = await openTextLog(fileSystem);
      expect(log.epoch).toBe(epoch === 0 ? log.epoch : epoch + 1);
      epoch = log.epoch;
      expect(log.endOffset).toBe(life * 5);
      await appendEach(log, 5);
      await log.close();
    }
    const log = await openTextLog(fileSystem);
    expect(await valuesOf(log)).toEqual(textsFrom(0, 100));
    await log.close();
  });

  test('after a clean close verifies, rewrites and cuts nothing', async () => {
    const fileSystem = new MemoryFileSystem();
    const log = await openTextLog(fileSystem);
    await appendEach(log, 100);
    await log.close();
    const again = await openTextLog(fileSystem);
    expect(again.recovery).toMatchObject({
      outcome: 'clean',
      rewrittenBytes: 0,
      cutBytes: 0,
      quarantined: [],
      gaps: [],
      notes: [],
    });
    expect(again.recovery.verifiedBytes).toBeLessThan(4096 + 512);
    await again.close();
  });

  test('with another segment size goes on with the segments that are there', async () => {
    const fileSystem = new MemoryFileSystem();
    const small = await openTextLog(fileSystem);
    await appendEach(small, 100);
    await small.close();
    const count = (await segmentNames(fileSystem)).length;
    const large = await openTextLog(fileSystem, { segmentBytesMax: 1024 * 1024 });
    await appendEach(large, 100);
    expect(await segmentNames(fileSystem)).toHaveLength(count);
    expect(await offsetsOf(large)).toHaveLength(200);
    await large.close();
  });

  test('two logs in one process do not disturb each other', async () => {
    const fileSystem = new MemoryFileSystem();
    const logs = await Promise.all(
      ['/one', '/two'].map((path) => openLog(path, { fileSystem, segmentBytesMax: 4096 })),
    );
    await Promise.all(
      logs.map((log, at) =>
        Promise.all(
          Array.from({ length: 100 }, () => log.append({ value: new Uint8Array(90).fill(at) })),
        ),
      ),
    );
    for (const [at, log] of logs.entries()) {
      let count = 0;
      for await (const record of log.records()) {
        expect(record.value?.every((byte) => byte === at)).toBe(true);
        count++;
      }
      expect(count).toBe(100);
      await log.close();
    }
    await settle();
    expect(fileSystem.openFileCount).toBe(0);
  });
});
