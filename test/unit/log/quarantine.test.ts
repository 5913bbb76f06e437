import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { DiskFullError } from '../../../src/core/errors.ts';
import type { FileSystem } from '../../../src/io/file-system.ts';
import { LogDirectory } from '../../../src/log/log-directory.ts';
import { Quarantine } from '../../../src/log/quarantine.ts';
import { contentOf } from '../../support/disk-damage.ts';
import { faultyDisk, LOG_PATH, quarantineNames, rejectionOf } from '../../support/log-fixture.ts';

const SOURCE = join(LOG_PATH, '00000000000000000042.log');

async function withSource(fileSystem: FileSystem, bytes: Uint8Array) {
  const file = await fileSystem.open(SOURCE, 'create');
  await file.write(bytes, 0);
  return file;
}

const BYTES = Uint8Array.from({ length: 1000 }, (_, at) => at % 251);

describe('copy', () => {
  test('keeps exactly the bytes of the range, under a name that says where they stood', async () => {
    const fileSystem = await faultyDisk();
    const quarantine = new Quarantine(new LogDirectory(fileSystem, LOG_PATH));
    const file = await withSource(fileSystem, BYTES);
    const path = await quarantine.copy(file, 100, 900);
    expect(path).toMatch(/quarantine\/00000000000000000042\.log@100-[0-9a-f]{8}\.cut$/);
    expect(contentOf(fileSystem, path ?? '')).toEqual(BYTES.slice(100, 900));
    await file.close();
  });

  test('is durable with its name when it returns', async () => {
    const fileSystem = await faultyDisk();
    const file = await withSource(fileSystem, BYTES);
    const path = await new Quarantine(new LogDirectory(fileSystem, LOG_PATH)).copy(file, 0, 1000);
    const image = fileSystem.crashImage({ data: 'none', names: 'none' });
    expect(contentOf(image, path ?? '')).toEqual(BYTES);
    await file.close();
  });

  test('made twice is one file; of other bytes a second one', async () => {
    const fileSystem = await faultyDisk();
    const quarantine = new Quarantine(new LogDirectory(fileSystem, LOG_PATH));
    const file = await withSource(fileSystem, BYTES);
    const path = await quarantine.copy(file, 100, 900);
    expect(await quarantine.copy(file, 100, 900)).toBe(path);
    await file.write(Uint8Array.of(7), 500);
    expect(await quarantine.copy(file, 100, 900)).not.toBe(path);
    expect(await quarantineNames(fileSystem)).toHaveLength(2);
    expect(contentOf(fileSystem, path ?? '')).toEqual(BYTES.slice(100, 900));
    await file.close();
  });

  test('begun and not finished by an earlier process is made anew', async () => {
    const fileSystem = await faultyDisk();
    const quarantine = new Quarantine(new LogDirectory(fileSystem, LOG_PATH));
    const file = await withSource(fileSystem, BYTES);
    const path = (await quarantine.copy(file, 0, 1000)) ?? '';
    await fileSystem.rename(path, `${path}.tmp`);
    expect(await quarantine.copy(file, 0, 1000)).toBe(path);
    expect(await quarantineNames(fileSystem)).toHaveLength(1);
    await file.close();
  });

  test('of nothing but zeros makes no file', async () => {
    const fileSystem = await faultyDisk();
    const quarantine = new Quarantine(new LogDirectory(fileSystem, LOG_PATH));
    const file = await withSource(fileSystem, new Uint8Array(1000));
    expect(await quarantine.copy(file, 0, 1000)).toBeNull();
    expect(await quarantineNames(fileSystem)).toEqual([]);
    await file.close();
  });

  test('without room says so, and the source is untouched', async () => {
    const fileSystem = await faultyDisk();
    const quarantine = new Quarantine(new LogDirectory(fileSystem, LOG_PATH));
    const file = await withSource(fileSystem, BYTES);
    fileSystem.capacityBytes = 0;
    expect(await rejectionOf(quarantine.copy(file, 0, 1000))).toBeInstanceOf(DiskFullError);
    expect(contentOf(fileSystem, SOURCE)).toEqual(BYTES);
    await file.close();
  });
});

describe('move', () => {
  test('moves the whole file, durably on both sides', async () => {
    const fileSystem = await faultyDisk();
    const directory = new LogDirectory(fileSystem, LOG_PATH);
    const file = await withSource(fileSystem, BYTES);
    await file.datasync();
    await file.close();
    await directory.sync();
    const path = await new Quarantine(directory).move(SOURCE);
    const image = fileSystem.crashImage({ data: 'none', names: 'none' });
    expect(contentOf(image, path)).toEqual(BYTES);
    expect(await image.list(LOG_PATH)).toEqual(['quarantine']);
  });

  test('never replaces a file that is there', async () => {
    const fileSystem = await faultyDisk();
    const quarantine = new Quarantine(new LogDirectory(fileSystem, LOG_PATH));
    const paths: string[] = [];
    for (const byte of [1, 2, 3]) {
      await (await withSource(fileSystem, Uint8Array.of(byte))).close();
      paths.push(await quarantine.move(SOURCE));
    }
    expect(new Set(paths).size).toBe(3);
    for (const [at, path] of paths.entries()) {
      expect(contentOf(fileSystem, path)).toEqual(Uint8Array.of(at + 1));
    }
  });
});
