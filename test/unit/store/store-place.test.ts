/** Where a store is made, and where not: among the files of others. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { openLog } from '../../../src/log/open-log.ts';
import type { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import { StoreDisk } from '../../support/store-disk.ts';
import { STORE_PATH, StoreBench } from '../../support/store-fixture.ts';

async function touch(fileSystem: MemoryFileSystem, ...names: readonly string[]): Promise<void> {
  await fileSystem.makeDirectory(STORE_PATH);
  for (const name of names) await (await fileSystem.open(join(STORE_PATH, name), 'create')).close();
}

describe('a new store', () => {
  test.each([
    [['.bashrc', '.profile'], '.bashrc'],
    [['notes.txt'], 'notes.txt'],
    [['LOCK', 'package.json'], 'package.json'],
    [['store.json.bak'], 'store.json.bak'],
    [['a\nb'], String.raw`a\nb`],
  ])('is not made among %j, and nothing is left there', async (names, named) => {
    const bench = new StoreBench();
    await touch(bench.fileSystem, ...names);
    const opened = bench.open();
    await expect(opened).rejects.toMatchObject({ code: 'ERR_VARVE_CONFLICT' });
    await expect(opened).rejects.toThrow(`stored files of others, such as "${named}"`);
    const left = await bench.fileSystem.list(STORE_PATH);
    expect(left.toSorted()).toEqual(names.toSorted());
  });

  test('is not made in a bare log, also in one that was never appended to', async () => {
    const bench = new StoreBench();
    const { fileSystem } = bench;
    const log = await openLog(STORE_PATH, { fileSystem });
    await log.close();
    const before = await fileSystem.list(STORE_PATH);
    for (const options of [{}, { readOnly: true }]) {
      const opened = bench.open(options);
      await expect(opened).rejects.toMatchObject({ code: 'ERR_VARVE_CONFLICT' });
      await expect(opened).rejects.toThrow('stored a bare log');
    }
    expect(await fileSystem.list(STORE_PATH)).toEqual(before);
  });

  test.each([
    [[]],
    [['lost+found']],
    [['.gitkeep', '.gitignore', '.DS_Store']],
    [['LOCK']],
    [['LOCK', 'LOCK.sqlite', 'LOCK.claim.1', 'store.json.tmp', 'reserve']],
  ])('is made beside %j', async (names) => {
    const bench = new StoreBench();
    await touch(bench.fileSystem, ...names);
    const store = await bench.open();
    await store.topic('t');
    const again = await bench.reopen(store);
    expect(again.topics()).toHaveLength(1);
    await again.close();
  });

  test('that is there opens whatever others put beside it', async () => {
    const bench = new StoreBench();
    await (await bench.open()).close();
    await touch(bench.fileSystem, 'notes.txt', '.bashrc');
    const store = await bench.open();
    expect(store.topics()).toEqual([]);
    await store.close();
  });
});

test.each(['kill', 'cutPower'] as const)(
  'a store whose creation was stopped at any call (%s) is opened by the next process',
  async (death) => {
    const openOnce = async (disk: StoreDisk): Promise<void> => {
      const store = await disk.open();
      await store.topic('t');
      await store.close();
    };
    let number = 0;
    for (let isStopped = true; isStopped;) {
      number++;
      const disk = await StoreDisk.make();
      disk.fileSystem.crashAt = { call: disk.fileSystem.callCount + number, when: 'after' };
      isStopped = (await disk.drive(openOnce(disk))).status !== 'done';
      disk[death]();
      disk.fileSystem.crashAt = null;
      expect(await disk.drive(openOnce(disk)), `call ${number}`).toMatchObject({ status: 'done' });
    }
    expect(number).toBeGreaterThan(30);
  },
);
