/** A store that is only looked at: beside its owner, without a trace, and refusing every change. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { bytes, utf8 } from '../../../src/codec/codec.ts';
import { present } from '../../../src/core/assert.ts';
import type { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import { readWhole } from '../../../src/io/transfer.ts';
import { openLog } from '../../../src/log/open-log.ts';
import { repairLog } from '../../../src/log/repair-log.ts';
import type { Store } from '../../../src/store/store.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import { STORE_PATH, StoreBench } from '../../support/store-fixture.ts';

interface Setup {
  readonly bench: StoreBench;
  readonly store: Store;
  readonly topic: StoreTopic<string>;
}

/** A store with a topic of two partitions, three records, and a group that committed one of them. */
async function setup(): Promise<Setup> {
  const bench = new StoreBench();
  const store = await bench.open();
  onTestFinished(() => store.close());
  const topic = await store.topic('t', { codec: utf8, partitions: 2 });
  for (const value of ['a', 'b']) await topic.append({ value }, { partition: 0 });
  await topic.append({ value: 'c' }, { partition: 1 });
  const group = await topic.consumerGroup('g');
  for await (const batch of group.batches()) {
    if (batch.partition !== 0) continue;
    await group.commit({ partition: 0, offset: 1 });
    break;
  }
  await group.close();
  return { bench, store, topic };
}

async function look(bench: StoreBench): Promise<Store> {
  const store = await bench.open({ readOnly: true });
  onTestFinished(() => store.close());
  return store;
}

async function valuesOf(topic: StoreTopic<string>, partition: number): Promise<string[]> {
  const values: string[] = [];
  for await (const { value } of topic.records({ partitions: partition })) values.push(value ?? '');
  return values;
}

/** Every file with its bytes: two equal ones prove that nothing was written. */
async function contentsOf(fileSystem: MemoryFileSystem, path: string): Promise<string[]> {
  const { kind } = await fileSystem.stat(path);
  if (kind === 'file') {
    const content = await readWhole(fileSystem, path, 2 ** 21);
    return [`${path} ${Buffer.from(content).toString('base64')}`];
  }
  const names = (await fileSystem.list(path)).toSorted();
  const below = await Promise.all(names.map((name) => contentsOf(fileSystem, `${path}/${name}`)));
  return [path, ...below.flat()];
}

async function partitionPath({ fileSystem }: StoreBench, partition = 0): Promise<string> {
  const [directory] = await fileSystem.list(`${STORE_PATH}/topics`);
  return `${STORE_PATH}/topics/${present(directory, 'one topic')}/${partition}`;
}

describe('openStore with readOnly', () => {
  test('looks at a store beside its owner, and writes nothing', async () => {
    const { bench, store, topic } = await setup();
    const before = await contentsOf(bench.fileSystem, STORE_PATH);
    const seen = await bench.open({ readOnly: true });
    expect(seen.topics()).toEqual(store.topics());
    expect(seen.groups()).toEqual([{ topic: 't', name: 'g', memberCount: 0 }]);
    const again = await seen.topic('t', { codec: utf8 });
    expect(await valuesOf(again, 0)).toEqual(['a', 'b']);
    expect(await again.describeGroup('g')).toEqual(await topic.describeGroup('g'));
    await seen.close();
    expect(await contentsOf(bench.fileSystem, STORE_PATH)).toEqual(before);
    await topic.append({ value: 'd' }, { partition: 1 }); // Its owner goes on.
  });

  test('sees records that its owner appends later, and its topics as they were', async () => {
    const { bench, store, topic } = await setup();
    const seen = await look(bench);
    const again = await seen.topic('t', { codec: utf8 });
    expect(await valuesOf(again, 1)).toEqual(['c']);
    await topic.append({ value: 'd' }, { partition: 1 });
    await store.topic('later');
    expect(await valuesOf(again, 1)).toEqual(['c', 'd']);
    expect(seen.topics().map(({ name }) => name)).toEqual(['t']);
  });

  test('any number of them, also when nobody has the store', async () => {
    const { bench, store } = await setup();
    await store.close();
    const both = [await look(bench), await look(bench)];
    expect(both.map((seen) => seen.stats().journal.state)).toEqual(['readonly', 'readonly']);
    await (await bench.open()).close(); // Neither of them has the lock.
  });

  test('refuses whatever would write', async () => {
    const { bench } = await setup();
    const seen = await look(bench);
    const before = await contentsOf(bench.fileSystem, STORE_PATH);
    const topic = await seen.topic('t', { codec: utf8 });
    const group = await topic.consumerGroup('g');
    const refused = { code: 'ERR_VARVE_READ_ONLY' };
    await expect(topic.append({ value: 'x' })).rejects.toMatchObject(refused);
    await expect(topic.appendBatch([{ value: 'x' }])).rejects.toMatchObject(refused);
    await group.close();
    await expect(topic.resetGroup('g', 'latest', { dryRun: false })).rejects.toMatchObject(refused);
    await expect(topic.deleteGroup('g')).rejects.toMatchObject(refused);
    expect(await topic.resetGroup('g', 'latest')).toEqual([
      { partition: 0, from: 1, to: 2 },
      { partition: 1, from: null, to: 1 },
    ]);
    expect(await contentsOf(bench.fileSystem, STORE_PATH)).toEqual(before);
  });

  test('a member of a group reads and cannot commit', async () => {
    const { bench } = await setup();
    const topic = await (await look(bench)).topic('t', { codec: utf8 });
    const group = await topic.consumerGroup('g');
    for await (const batch of group.batches()) {
      await expect(group.commit(batch)).rejects.toMatchObject({ code: 'ERR_VARVE_READ_ONLY' });
      break;
    }
    await group.close();
  });

  test.each([true, false, undefined])('makes no topic, with create: %j', async (create) => {
    const { bench } = await setup();
    const seen = await look(bench);
    await expect(seen.topic('none', { create })).rejects.toMatchObject({
      code: 'ERR_VARVE_NOT_FOUND',
    });
    expect(seen.topics()).toHaveLength(1);
  });

  test('where no store is: not found, nothing left behind; a bare log is a conflict', async () => {
    const bench = new StoreBench();
    const { fileSystem } = bench;
    const missing = { code: 'ERR_VARVE_NOT_FOUND', details: { kind: 'store' } };
    await expect(bench.open({ readOnly: true })).rejects.toMatchObject(missing);
    await fileSystem.makeDirectory(STORE_PATH);
    await expect(bench.open({ readOnly: true })).rejects.toMatchObject(missing);
    expect(await fileSystem.list(STORE_PATH)).toEqual([]);
    const log = await openLog(STORE_PATH, { fileSystem, codec: utf8 });
    await log.append({ value: 'x' });
    await log.close();
    await expect(bench.open({ readOnly: true })).rejects.toMatchObject({
      code: 'ERR_VARVE_CONFLICT',
    });
  });

  test('a store that is being made has no journal yet: not found', async () => {
    const { bench, store } = await setup();
    await store.close();
    await bench.fileSystem.rename(`${STORE_PATH}/topics`, '/data/topics');
    await bench.fileSystem.rename(`${STORE_PATH}/journal`, '/data/journal');
    await expect(bench.open({ readOnly: true })).rejects.toMatchObject({
      code: 'ERR_VARVE_NOT_FOUND',
      details: { kind: 'store' },
    });
  });
});

describe('a log of a store, opened by its own path', () => {
  test('beside the owner it ends at what the owner acknowledged', async () => {
    const { bench, topic } = await setup();
    const { fileSystem, clock } = bench;
    const path = await partitionPath(bench);
    await topic.append({ value: 'unsynced' }, { partition: 0, durability: 'os' });
    const log = await openLog(path, { readOnly: true, fileSystem, clock });
    onTestFinished(() => log.close());
    expect(log.visibleOffset).toBe(2); // Written; without LOCK of the store it would be there.
    await topic.sync();
    await log.refresh();
    expect(log.visibleOffset).toBe(3);
  });

  test('refuses a writer before anything is created beside its files', async () => {
    const { bench, store } = await setup();
    await store.close();
    const { fileSystem } = bench;
    const path = await partitionPath(bench);
    for (const place of [path, `${STORE_PATH}/journal`, STORE_PATH]) {
      const before = (await fileSystem.list(place)).toSorted();
      const opened = openLog(place, { fileSystem, codec: bytes });
      await expect(opened).rejects.toMatchObject({ code: 'ERR_VARVE_CONFLICT' });
      expect((await fileSystem.list(place)).toSorted()).toEqual(before);
    }
  });

  test('a directory whose path only looks like it is a log of its own', async () => {
    const { fileSystem } = new StoreBench();
    for (const path of ['/data/journal', '/data/topics/t/0']) {
      const log = await openLog(path, { fileSystem, codec: utf8 });
      expect((await log.append({ value: 'x' })).offset).toBe(0);
      await log.close();
    }
  });

  test('is repaired under the lock of the store, and leaves no lock or reserve of its own', async () => {
    const { bench, store } = await setup();
    const { fileSystem } = bench;
    const path = await partitionPath(bench);
    await expect(repairLog(path, { fileSystem })).rejects.toMatchObject({
      code: 'ERR_VARVE_LOCKED',
      details: { path: STORE_PATH },
    });
    const before = (await fileSystem.list(path)).toSorted();
    await store.close();
    expect(await repairLog(path, { fileSystem })).toMatchObject({ damage: [], endOffset: 2 });
    expect((await fileSystem.list(path)).toSorted()).toEqual(before);
    const again = await bench.open();
    const topic = await again.topic('t', { codec: utf8 });
    expect(await valuesOf(topic, 0)).toEqual(['a', 'b']);
    await again.close();
  });
});

test('a reset refuses partitions that are not there', async () => {
  const { topic } = await setup();
  for (const partitions of [[2], [-1], [0.5]]) {
    const reset = topic.resetGroup('g', 'earliest', { partitions });
    await expect(reset).rejects.toMatchObject({ code: 'ERR_VARVE_INVALID_ARGUMENT' });
  }
  const twice = await topic.resetGroup('g', 'earliest', { partitions: [1, 1] });
  expect(twice).toEqual([{ partition: 1, from: null, to: 0 }]);
});
