/** Opening and closing stores, and the topics in them. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { openLog } from '../../../src/log/open-log.ts';
import { nodeFileSystem } from '../../../src/io/node-file-system.ts';
import { openStore } from '../../../src/store/open-store.ts';
import { STORE_PATH, StoreBench } from '../../support/store-fixture.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

describe('openStore', () => {
  test('makes a store, and finds it again', async () => {
    const bench = new StoreBench();
    const first = await bench.open();
    expect(first.path).toBe(STORE_PATH);
    expect(first.topics()).toEqual([]);
    await first.close();
    const names = await bench.fileSystem.list(STORE_PATH);
    expect(names.toSorted()).toEqual(['LOCK', 'journal', 'reserve', 'store.json']);
    const again = await bench.open({ create: false });
    await again.close();
  });

  test('a process that died while it wrote the reserve keeps nobody out', async () => {
    const bench = new StoreBench();
    await (await bench.open()).close();
    const { fileSystem } = bench;
    await fileSystem.rename(`${STORE_PATH}/reserve`, `${STORE_PATH}/reserve.tmp`);
    await (await bench.open()).close();
    const names = await fileSystem.list(STORE_PATH);
    expect(names.toSorted()).toEqual(['LOCK', 'journal', 'reserve', 'store.json']);
  });

  test('a second opener is refused; after close it is not', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    await expect(bench.open()).rejects.toMatchObject({ code: 'ERR_VARVE_LOCKED' });
    await store.close();
    await store.close(); // Idempotent.
    await (await bench.open()).close();
  });

  test('create: false leaves nothing behind', async () => {
    const bench = new StoreBench();
    await expect(bench.open({ create: false })).rejects.toMatchObject({
      code: 'ERR_VARVE_NOT_FOUND',
    });
    await bench.fileSystem.makeDirectory(STORE_PATH);
    await expect(bench.open({ create: false })).rejects.toMatchObject({
      code: 'ERR_VARVE_NOT_FOUND',
    });
    expect(await bench.fileSystem.list(STORE_PATH)).toEqual([]);
  });

  test('on a real disk', async () => {
    const path = await temporaryDirectory();
    const store = await openStore(path);
    const topic = await store.topic('events', { codec: utf8, partitions: 2 });
    await topic.append({ key: 'k', value: 'one' });
    await store.close();
    const again = await openStore(path);
    const reopened = await again.topic('events', { codec: utf8 });
    const values: (string | null)[] = [];
    for await (const record of reopened.records()) values.push(record.value);
    expect(values).toEqual(['one']);
    await again.close();
    expect((await nodeFileSystem.list(path)).includes('topics')).toBe(true);
  });

  test('in memory', async () => {
    const store = await openStore({ memory: true });
    const topic = await store.topic('t', { codec: utf8 });
    await expect(topic.append({ value: 'x' })).resolves.toEqual({
      partition: 0,
      offset: 0,
      durability: 'sync',
      duplicate: false,
    });
    await store.close();
  });

  test.each([
    ['no path', () => openStore('')],
    ['a path that is no text', () => openStore(7 as never)],
    ['memory with a path', () => openStore('x', { memory: true })],
    ['an unknown option', () => openStore('x', { durabilty: 'os' } as never)],
    ['an unknown level', () => openStore({ memory: true, durability: 'fsync' as never })],
  ])('refuses %s', async (_name, open) => {
    await expect(open()).rejects.toMatchObject({ code: 'ERR_VARVE_INVALID_ARGUMENT' });
  });

  test('a bare log is no store, and no log of a store is a bare one', async () => {
    const bench = new StoreBench();
    const { fileSystem } = bench;
    const log = await openLog('/data/log', { fileSystem, codec: utf8 });
    await log.append({ value: 'x' });
    await log.close();
    await expect(openStore('/data/log', { fileSystem })).rejects.toMatchObject({
      code: 'ERR_VARVE_CONFLICT',
    });
    const store = await bench.open();
    await store.topic('t');
    const [topic] = await fileSystem.list(`${STORE_PATH}/topics`);
    await store.close();
    for (const path of ['journal', `topics/${topic}/0`]) {
      const opened = openLog(`${STORE_PATH}/${path}`, { fileSystem });
      await expect(opened).rejects.toMatchObject({ code: 'ERR_VARVE_CONFLICT' });
    }
    await (await bench.open()).close();
  });

  test.each([
    ['the journal', 'journal', 'no journal'],
    ['store.json', 'store.json', 'journal beside it'],
  ])('a store without %s is damaged, not new', async (_what, name, reason) => {
    const bench = new StoreBench();
    const store = await bench.open();
    await store.topic('t');
    await store.close();
    await bench.fileSystem.rename(`${STORE_PATH}/${name}`, `/data/taken`);
    const opened = bench.open();
    await expect(opened).rejects.toMatchObject({ code: 'ERR_VARVE_CORRUPT' });
    await expect(opened).rejects.toThrow(reason);
    await bench.fileSystem.rename('/data/taken', `${STORE_PATH}/${name}`);
    const again = await bench.open();
    expect(again.topics()).toHaveLength(1);
    await again.close();
  });
});

describe('topics', () => {
  test('keep their options and records across openings', async () => {
    const bench = new StoreBench();
    const store = await bench.open({ durability: 'os' });
    const topic = await store.topic('orders', { codec: utf8, partitions: 3, retentionMs: 1000 });
    const { partition, offset } = await topic.append({ key: 'c-42', value: 'first' });
    const again = await bench.reopen(store);
    expect(again.topics()).toMatchObject([
      {
        name: 'orders',
        partitionCount: 3,
        options: { durability: 'os', retentionMs: 1000, segmentAgeMsMax: 604_800_000 },
        keyMaps: [{ partitionCount: 3 }],
      },
    ]);
    const reopened = await again.topic('orders', { codec: utf8 });
    const record = await reopened.read({ partition, offset });
    expect(record?.value).toBe('first');
    expect(record?.partition).toBe(partition);
    await again.close();
  });

  test('a conflicting option is refused with both values', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    await store.topic('t', { partitions: 2, retentionMs: null });
    await store.topic('t', { partitions: 2, retentionMs: null, codec: utf8 });
    await expect(store.topic('t', { partitions: 3 })).rejects.toThrow(
      'topic t: stored partitions 2, requested partitions 3',
    );
    await expect(store.topic('t', { retentionMs: 5 })).rejects.toMatchObject({
      code: 'ERR_VARVE_CONFLICT',
      details: { stored: 'retentionMs null', requested: 'retentionMs 5' },
    });
    await store.close();
  });

  test('two openers of one name get one topic', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    const [one, two] = await Promise.all([
      store.topic('t', { codec: utf8 }),
      store.topic('t', { codec: utf8 }),
    ]);
    await one?.append({ value: 'a' });
    await two?.append({ value: 'b' });
    expect(store.topics()).toHaveLength(1);
    expect((await two?.read({ partition: 0, offset: 0 }))?.value).toBe('a');
    await store.close();
  });

  test('names that differ only in case, or in dots, are different topics', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    const names = ['a', 'A', '..', '.', 'a/b', 'ä', '../x', ' '];
    for (const name of names) {
      const topic = await store.topic(name, { codec: utf8 });
      await topic.append({ value: name });
    }
    const again = await bench.reopen(store);
    for (const name of names) {
      const topic = await again.topic(name, { codec: utf8, create: false });
      expect((await topic.read({ partition: 0, offset: 0 }))?.value).toBe(name);
    }
    await again.close();
    const entries = await bench.fileSystem.list('/data');
    expect(entries).toEqual(['store']);
  });

  test.each(['', 'a\u0000b', 'x'.repeat(256), '\ud800', 7 as never])(
    'the name %j is refused',
    async (name) => {
      const store = await openStore({ memory: true });
      await expect(store.topic(name)).rejects.toMatchObject({ code: 'ERR_VARVE_INVALID_ARGUMENT' });
      await store.close();
    },
  );

  test('no partition is opened before it is used', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    await store.topic('t', { partitions: 64 });
    const again = await bench.reopen(store);
    const topic = await again.topic('t', { codec: utf8 });
    await topic.append({ value: 'x' }, { partition: 3 });
    expect(topic.partitions.opened()).toHaveLength(1);
    await again.close();
  });

  test('options change while the topic is used, and stay changed', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    const topic = await store.topic('t', { codec: utf8, recordBytesMax: 2048 });
    const large = 'x'.repeat(4000);
    await expect(topic.append({ value: large })).rejects.toMatchObject({
      code: 'ERR_VARVE_TOO_LARGE',
    });
    await store.alterTopic('t', { recordBytesMax: 8192, durability: 'os' });
    expect(await topic.append({ value: large })).toMatchObject({ offset: 0, durability: 'os' });
    const before = store.describeTopic('t').alteredTimeMs;
    bench.clock.advance(1000);
    await store.alterTopic('t', { segmentBytesMax: 4096, retentionBytes: 4096 });
    expect(store.describeTopic('t')).toMatchObject({ alteredTimeMs: before + 1000 });
    for (let at = 0; at < 20; at++) await topic.append({ value: large });
    const [log] = topic.partitions.opened();
    await log?.retain();
    expect(log?.startOffset).toBeGreaterThan(15);
    const again = await bench.reopen(store);
    expect(again.describeTopic('t').options).toMatchObject({
      durability: 'os',
      recordBytesMax: 8192,
      segmentBytesMax: 4096,
      retentionMs: null,
      retentionBytes: 4096,
    });
    await again.close();
  });

  test('retention that begins later is looked at by itself', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    const topic = await store.topic('t', { codec: utf8, segmentBytesMax: 4096 });
    for (let at = 0; at < 20; at++) await topic.append({ value: 'x'.repeat(1000) });
    await store.alterTopic('t', { retentionMs: 60_000 });
    const [log] = topic.partitions.opened();
    for (let minute = 0; minute < 10; minute++) bench.clock.advance(60_000);
    await expect.poll(() => log?.startOffset).toBeGreaterThan(10);
    await store.close();
  });

  test('a bad change changes nothing', async () => {
    const store = await openStore({ memory: true });
    await store.topic('t');
    for (const config of [{ flushMs: 0 }, { compressionLevel: 3 }, { partitions: 2 } as never]) {
      await expect(store.alterTopic('t', config)).rejects.toMatchObject({
        code: 'ERR_VARVE_INVALID_ARGUMENT',
      });
    }
    await expect(store.alterTopic('x', {})).rejects.toMatchObject({ code: 'ERR_VARVE_NOT_FOUND' });
    expect(store.describeTopic('t').options).toMatchObject({ flushMs: 200, compression: 'none' });
    await store.close();
  });

  test('more partitions: old records stay, groups take the new ones up', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    const topic = await store.topic('t', { codec: utf8 });
    await topic.append({ key: 'k', value: 'before' });
    const group = await topic.consumerGroup('g');
    expect(group.assignment).toEqual([0]);
    bench.clock.advance(5000);
    const { partitionCount, keyMaps } = await store.addPartitions('t', 3);
    expect(partitionCount).toBe(3);
    expect(keyMaps.map((map) => map.partitionCount)).toEqual([1, 3]);
    expect(topic.partitionCount).toBe(3);
    expect(group.assignment).toEqual([0, 1, 2]);
    await topic.append({ value: 'after' }, { partition: 2 });
    for (const total of [3, 2, 5000, 1.5]) {
      await expect(store.addPartitions('t', total)).rejects.toMatchObject({
        code: 'ERR_VARVE_INVALID_ARGUMENT',
      });
    }
    const again = await bench.reopen(store);
    const reopened = await again.topic('t', { codec: utf8, partitions: 3 });
    const values: (string | null)[] = [];
    for await (const { value } of reopened.records()) values.push(value);
    expect(values.map(String).toSorted()).toEqual(['after', 'before']);
    await again.close();
  });

  test('after close nothing works any more', async () => {
    const store = await openStore({ memory: true });
    const topic = await store.topic('t', { codec: utf8 });
    await store.close();
    await expect(topic.append({ value: 'x' })).rejects.toMatchObject({ code: 'ERR_VARVE_CLOSED' });
    await expect(store.topic('t')).rejects.toMatchObject({ code: 'ERR_VARVE_CLOSED' });
    expect(() => store.topics()).toThrow('closed');
  });
});
