/** What a store tells its listeners and the channels of `node:diagnostics_channel`. */
import { readFileSync } from 'node:fs';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { describe, expect, onTestFinished, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { EventHub } from '../../../src/core/event-hub.ts';
import type { Store } from '../../../src/store/store.ts';
import type { StoreOptions } from '../../../src/store/store-options.ts';
import type { StoreEvents } from '../../../src/topic/store-events.ts';
import { STORE_PATH, StoreBench } from '../../support/store-fixture.ts';

const KIB = 1024;
const NAMES = [
  'opened',
  'closed',
  'recovered',
  'segment-rolled',
  'segments-deleted',
  'sync-slow',
  'writer-failed',
  'topic-created',
  'topic-altered',
  'topic-deleted',
  'member-joined',
  'member-left',
  'group-rebalanced',
  'snapshot-failed',
  'bytes-max-reached',
] as const satisfies readonly (keyof StoreEvents)[];

async function settle(turns = 20): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** A store, and everything that it tells from now on. */
async function setup(options: StoreOptions = {}, bench = new StoreBench()) {
  const store = await bench.open(options);
  onTestFinished(() => store.close().catch(() => undefined));
  return { bench, store, told: listen(store) };
}

function listen(store: Store): [string, unknown][] {
  const told: [string, unknown][] = [];
  for (const name of NAMES) store.on(name, (payload) => told.push([name, payload]));
  return told;
}

/** Of one kind, when everything was told. */
async function toldOf(told: [string, unknown][], name: keyof StoreEvents): Promise<unknown[]> {
  await settle();
  return told.filter(([one]) => one === name).map(([, payload]) => payload);
}

describe('topics', () => {
  test('tell that they were created, altered and deleted, once each, as they are then', async () => {
    const { store, told } = await setup();
    await store.topic('t', { partitions: 2 });
    await store.topic('t');
    expect(await toldOf(told, 'topic-created')).toEqual([
      expect.objectContaining({ name: 't', partitionCount: 2 }),
    ]);
    await store.alterTopic('t', { retentionMs: 1000 });
    await store.addPartitions('t', 3);
    expect(await toldOf(told, 'topic-altered')).toEqual([
      expect.objectContaining({
        name: 't',
        partitionCount: 2,
        options: expect.objectContaining({ retentionMs: 1000 }),
      }),
      expect.objectContaining({ name: 't', partitionCount: 3 }),
    ]);
    const { topicId } = store.describeTopic('t');
    await store.deleteTopic('t');
    expect(await toldOf(told, 'topic-deleted')).toEqual([{ name: 't', topicId }]);
  });
});

describe('logs', () => {
  test('tell of segments that begin, and that go by retention', async () => {
    const { store, told } = await setup();
    const topic = await store.topic('t', { codec: utf8, segmentBytesMax: 4 * KIB });
    for (let at = 0; at < 10; at++) await topic.append({ value: 'x'.repeat(KIB) });
    const rolled = await toldOf(told, 'segment-rolled');
    expect(rolled.slice(0, 2)).toEqual([
      { topic: 't', partition: 0, baseOffset: 3 },
      { topic: 't', partition: 0, baseOffset: 6 },
    ]);
    await store.alterTopic('t', { retentionBytes: 4 * KIB });
    await topic.partitions.at(0).use((log) => log.retain());
    expect(await toldOf(told, 'segments-deleted')).toEqual([
      {
        topic: 't',
        partition: 0,
        startOffset: 6,
        segmentCount: 2,
        sizeBytes: expect.any(Number),
        reasons: ['size'],
      },
    ]);
  });

  test('tell of a recovery, with its report; a clean opening is none', async () => {
    const bench = new StoreBench();
    const first = await bench.open();
    const topic = await first.topic('t', { codec: utf8 });
    await topic.append({ value: 'a' });
    const { path } = topic.partitions.at(0);
    await first.close();
    const clean = await setup({}, bench);
    await (await clean.store.topic('t', { codec: utf8 })).append({ value: 'b' });
    expect(await toldOf(clean.told, 'recovered')).toEqual([]);
    await clean.store.close();
    const [segment = ''] = (await bench.fileSystem.list(path)).filter((one) =>
      one.endsWith('.log'),
    );
    const file = await bench.fileSystem.open(`${path}/${segment}`, 'write');
    const { sizeBytes } = await file.stat();
    await file.write(Buffer.from('torn'), sizeBytes);
    await file.close();
    const { store, told } = await setup({}, bench);
    await (await store.topic('t', { codec: utf8 })).append({ value: 'c' });
    expect(await toldOf(told, 'recovered')).toEqual([
      {
        topic: 't',
        partition: 0,
        recovery: expect.objectContaining({ outcome: 'recovered', cutBytes: 4 }),
      },
    ]);
  });

  test('tell of a slow sync and of a writer that failed', async () => {
    const bench = new StoreBench();
    let datasync: (sync: () => Promise<void>) => Promise<void> = (sync) => sync();
    const open = bench.fileSystem.open.bind(bench.fileSystem);
    bench.fileSystem.open = async (path, mode) => {
      const file = await open(path, mode);
      const sync = file.datasync.bind(file);
      const isSegment = path.includes('/topics/') && path.endsWith('.log');
      if (isSegment) file.datasync = () => datasync(sync);
      return file;
    };
    const { store, told } = await setup({}, bench);
    const topic = await store.topic('t', { codec: utf8 });
    await topic.append({ value: 'a' });
    datasync = (sync) => {
      bench.clock.advance(1500);
      return sync();
    };
    await topic.append({ value: 'b' });
    datasync = (sync) => sync();
    expect(await toldOf(told, 'sync-slow')).toEqual([
      { topic: 't', partition: 0, durationMs: 1500 },
    ]);
    datasync = () => Promise.reject(new Error('the disk is gone'));
    await expect(topic.append({ value: 'c' })).rejects.toThrow('failed');
    expect(await toldOf(told, 'writer-failed')).toEqual([
      { topic: 't', partition: 0, error: expect.objectContaining({ code: 'ERR_VARVE_FAILED' }) },
    ]);
  });
});

describe('groups', () => {
  test('tell who joined, who left, why, and who reads what', async () => {
    const { bench, store, told } = await setup();
    const topic = await store.topic('t', { codec: utf8, partitions: 2 });
    const place = { topic: 't', group: 'g' };
    const one = await topic.consumerGroup('g', { pollMsMax: 1000 });
    const two = await topic.consumerGroup('g', { pollMsMax: 5000 });
    expect(await toldOf(told, 'member-joined')).toEqual([
      { ...place, member: 'member-1' },
      { ...place, member: 'member-2' },
    ]);
    const balanced = [
      { ...place, assignment: ['member-1', 'member-1'] },
      { ...place, assignment: ['member-1', 'member-2'] },
    ];
    expect(await toldOf(told, 'group-rebalanced')).toEqual(balanced);
    bench.clock.advance(1000); // The first is taken for dead, with all that it still had.
    const expired = { ...place, member: 'member-1', reason: 'expired', partitions: [0, 1] };
    expect(await toldOf(told, 'member-left')).toEqual([expired]);
    await two.close();
    expect(await toldOf(told, 'member-left')).toEqual([
      expired,
      { ...place, member: 'member-2', reason: 'closed', partitions: [0, 1] },
    ]);
    await one.close();
    expect(await toldOf(told, 'member-left')).toHaveLength(2);
  });
});

test('the bound of all bytes is told once, until there was room again', async () => {
  const { store, told } = await setup({ storeBytesMax: 20 * KIB });
  const topic = await store.topic('t', { codec: utf8 });
  const value = 'x'.repeat(15 * KIB);
  await topic.append({ value });
  for (let at = 0; at < 3; at++) await topic.append({ value }).catch(() => undefined);
  expect(await toldOf(told, 'bytes-max-reached')).toEqual([{ bytesMax: 20 * KIB }]);
});

describe('listeners', () => {
  test('that throw harm nobody, neither at once nor later', async () => {
    const warnings: string[] = [];
    const warn = (warning: Error): void => void warnings.push(warning.message);
    process.on('warning', warn);
    onTestFinished(() => void process.off('warning', warn));
    const { store } = await setup();
    const heard: string[] = [];
    store.on('topic-created', () => {
      throw new Error('thrown');
    });
    store.on('topic-created', async () => {
      await settle(1);
      throw new Error('rejected');
    });
    store.on('topic-created', ({ name }) => void heard.push(name));
    const topic = await store.topic('t', { codec: utf8 });
    await topic.append({ value: 'a' });
    await settle();
    expect(heard).toEqual(['t']);
    expect(warnings).toEqual([
      'a listener of "topic-created" failed: thrown',
      'a listener of "topic-created" failed: rejected',
    ]);
    expect(store.stats().listenerFailureCount).toBe(2);
    expect(store.health().status).toBe('ok');
  });

  test('may call the store, and may go', async () => {
    const { store } = await setup();
    const topic = await store.topic('t', { codec: utf8, segmentBytesMax: 4 * KIB });
    let calls = 0;
    const end = store.on('segment-rolled', () => {
      calls++;
      void topic.append({ value: 'from the listener' });
    });
    for (let at = 0; at < 8; at++) await topic.append({ value: 'x'.repeat(KIB) });
    await settle();
    expect(calls).toBe(2);
    end();
    for (let at = 0; at < 8; at++) await topic.append({ value: 'x'.repeat(KIB) });
    expect(calls).toBe(2);
    const values: (string | null)[] = [];
    for await (const { value } of topic.records()) values.push(value);
    expect(values.filter((value) => value === 'from the listener')).toHaveLength(2);
  });
});

test('channels carry the same, with the store, also its opening and closing', async () => {
  const heard: [unknown, unknown][] = [];
  const hear = (message: unknown, name: unknown): void => void heard.push([name, message]);
  const names = ['opened', 'topic-created', 'closed'].map((name) => `varve:${name}`);
  for (const name of names) subscribe(name, hear);
  onTestFinished(() => {
    for (const name of names) unsubscribe(name, hear);
  });
  const { store } = await setup();
  await store.topic('t');
  await store.close();
  await settle();
  expect(heard).toEqual([
    ['varve:opened', { store: STORE_PATH, topicCount: 0, durationMs: 0 }],
    ['varve:topic-created', expect.objectContaining({ store: STORE_PATH, name: 't' })],
    ['varve:closed', { store: STORE_PATH, durationMs: 0 }],
  ]);
});

test('the README names every event', () => {
  const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
  const rows = [...readme.matchAll(/^\| `([a-z-]+)` +\|/gm)].map(([, name]) => name);
  expect(rows).toEqual(expect.arrayContaining([...NAMES]));
});

test('nothing is planned where nobody listens', async () => {
  const options = { names: ['a'], prefix: 'test', origin: {} };
  const hub = new EventHub<{ readonly a: { readonly n: number } }>(options);
  const heard: number[] = [];
  hub.emit('a', { n: 1 });
  const end = hub.on('a', ({ n }) => heard.push(n));
  hub.emit('a', { n: 2 });
  expect(heard).toEqual([]); // In the middle of a step nobody is told.
  await settle();
  hub.emit('a', { n: 3 });
  end();
  await settle();
  expect(heard).toEqual([2]);
});
