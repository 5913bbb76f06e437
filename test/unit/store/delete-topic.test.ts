/** Deleting topics: what goes with them, what ends, and what stays. */
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { IDLE_RETENTION_MS } from '../../../src/core/limits.ts';
import type { FileSystem } from '../../../src/io/file-system.ts';
import type { Store } from '../../../src/store/store.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { turns } from '../../support/log-fixture.ts';
import { STORE_PATH, StoreBench } from '../../support/store-fixture.ts';

const TOPICS = join(STORE_PATH, 'topics');
const CLOSED = { code: 'ERR_VARVE_CLOSED', details: { resource: 'topic', name: 't' } };

interface Setup {
  readonly bench: StoreBench;
  readonly store: Store;
  readonly topic: StoreTopic<string>;
}

/** A topic of two partitions with a record in each. */
async function setup(): Promise<Setup> {
  const bench = new StoreBench();
  const store = await bench.open();
  onTestFinished(() => store.close());
  const topic = await store.topic('t', { codec: utf8, partitions: 2 });
  for (const partition of [0, 1]) await topic.append({ value: 'old' }, { partition });
  return { bench, store, topic };
}

async function commitAs(topic: StoreTopic<string>, group: string): Promise<void> {
  const member = await topic.consumerGroup(group);
  for await (const batch of member.batches()) {
    await member.commit(batch);
    break;
  }
  await member.close();
}

async function valuesOf(topic: StoreTopic<string>): Promise<(string | null)[]> {
  const values: (string | null)[] = [];
  for await (const { value } of topic.records()) values.push(value);
  return values;
}

async function touch(fileSystem: FileSystem, path: string): Promise<void> {
  await (await fileSystem.open(path, 'create')).close();
}

/** Many turns of the event loop: whatever can go on has gone on. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe('deleteTopic', () => {
  test('takes records, groups and files along, for good', async () => {
    const { bench, store, topic } = await setup();
    await store.topic('other');
    await commitAs(topic, 'g');
    const { topicId } = store.describeTopic('t');
    const { deletedBytes, ...deletion } = await store.deleteTopic('t');
    expect(deletion).toEqual({ name: 't', topicId, groups: ['g'], exchanges: [], keptPaths: [] });
    expect(deletedBytes).toBeGreaterThan(0);
    const isGone = (from: Store) => {
      expect(from.topics().map(({ name }) => name)).toEqual(['other']);
      expect(from.groups()).toEqual([]);
      expect(() => from.describeTopic('t')).toThrow('no topic');
    };
    isGone(store);
    const again = await bench.reopen(store);
    isGone(again);
    await again.close();
    expect(await bench.fileSystem.list(TOPICS)).toHaveLength(1);
  });

  test('frees the name at once: nothing of the old topic shows in the new one', async () => {
    const { bench, store, topic } = await setup();
    await commitAs(topic, 'g');
    const { topicId } = store.describeTopic('t');
    await store.deleteTopic('t');
    const made = await store.topic('t', { codec: utf8 });
    expect(store.describeTopic('t')).toMatchObject({ partitionCount: 1 });
    expect(store.describeTopic('t').topicId).not.toBe(topicId);
    expect(await valuesOf(made)).toEqual([]);
    expect(store.groups()).toEqual([]);
    await made.append({ value: 'new' });
    await commitAs(made, 'g');
    const again = await bench.reopen(store);
    onTestFinished(() => again.close());
    const reopened = await again.topic('t', { codec: utf8 });
    expect(await valuesOf(reopened)).toEqual(['new']);
    expect((await reopened.describeGroup('g')).partitions).toMatchObject([{ committedOffset: 1 }]);
    expect(await bench.fileSystem.list(TOPICS)).toHaveLength(1);
  });

  test('of none, and twice', async () => {
    const { store } = await setup();
    const notFound = { code: 'ERR_VARVE_NOT_FOUND', details: { kind: 'topic' } };
    await expect(store.deleteTopic('none')).rejects.toMatchObject(notFound);
    const both = await Promise.allSettled([store.deleteTopic('t'), store.deleteTopic('t')]);
    expect(both).toMatchObject([{ status: 'fulfilled' }, { status: 'rejected', reason: notFound }]);
    await expect(store.alterTopic('t', {})).rejects.toMatchObject(notFound);
    await expect(store.addPartitions('t', 3)).rejects.toMatchObject(notFound);
    await expect(store.topic('t', { create: false })).rejects.toMatchObject(notFound);
  });

  test('of a read-only store is refused', async () => {
    const { bench, store } = await setup();
    const reader = await bench.open({ readOnly: true });
    await expect(reader.deleteTopic('t')).rejects.toMatchObject({ code: 'ERR_VARVE_READ_ONLY' });
    await reader.close();
    expect(store.topics()).toHaveLength(1);
  });
});

describe('a topic in use', () => {
  test('every call on its handles ends with ClosedError', async () => {
    const { store, topic } = await setup();
    await store.deleteTopic('t');
    const calls: (() => Promise<unknown>)[] = [
      () => topic.append({ value: 'x' }),
      () => topic.append({ value: 'x' }, { partition: 7 }),
      () => topic.appendBatch([{ value: 'x' }, { key: 'k', value: 'y' }]),
      () => topic.appendBatch([]),
      () => topic.read({ partition: 0, offset: 0 }),
      () => topic.read({ partition: 5, offset: 0 }),
      () => topic.batches().next(),
      () => topic.batches({ partitions: 1, from: 3, follow: true }).next(),
      () => topic.records().next(),
      () => topic.sync(),
      () => topic.deleteBefore({ partition: 0, offset: 1 }),
      () => topic.consumerGroup('g'),
      () => topic.describeGroup('g'),
      () => topic.resetGroup('g', 'latest'),
      () => topic.deleteGroup('g'),
    ];
    for (const call of calls) await expect(call()).rejects.toMatchObject(CLOSED);
    expect(topic.partitionCount).toBe(0);
  });

  test.each(['waiting', 'working', 'paused', 'committing itself'] as const)(
    'a member that is %s is told, and gone',
    async (doing) => {
      const { store, topic } = await setup();
      const autoCommit = doing === 'committing itself' ? 'after' : 'never';
      const member = await topic.consumerGroup('g', { autoCommit });
      const batches = member.batches();
      const first = await batches.next();
      if (doing === 'paused') member.pause();
      const hasRead = doing === 'waiting' || doing === 'committing itself';
      if (hasRead) await batches.next();
      const next = doing === 'working' ? null : batches.next();
      next?.catch(() => undefined);
      const { groups } = await store.deleteTopic('t');
      expect(groups).toEqual(['g']);
      await expect(next ?? batches.next()).rejects.toMatchObject(CLOSED);
      if (first.done === true) throw new Error('there was a batch');
      await expect(member.commit(first.value)).rejects.toMatchObject(CLOSED);
      expect(() => member.seek(0, 'earliest')).toThrow('topic t is closed');
      await member.close();
      expect(store.groups()).toEqual([]);
    },
  );

  test('reads that follow end, of one partition and of all', async () => {
    const { store, topic } = await setup();
    const reads = [{ partitions: 0 }, {}].map(async (which) => {
      const seen: (string | null)[] = [];
      const ended: unknown = await (async () => {
        for await (const { value } of topic.records({ ...which, follow: true })) seen.push(value);
      })().catch((error: unknown) => error);
      return { seen, ended };
    });
    await store.deleteTopic('t');
    for (const { ended } of await Promise.all(reads)) expect(ended).toMatchObject(CLOSED);
  });

  test('appends in flight are answered: they were first', async () => {
    const { bench, store } = await setup();
    const held = new HeldSyncs(bench.fileSystem, '/topics/');
    const again = await bench.reopen(store);
    onTestFinished(() => again.close());
    const topic = await again.topic('t', { codec: utf8 });
    for (const partition of [0, 1]) await topic.append({ value: 'x' }, { partition });
    held.hold();
    const pending = topic.append({ value: 'y' }, { partition: 1 });
    const deleting = again.deleteTopic('t');
    held.release();
    expect(await pending).toMatchObject({ partition: 1, offset: 2, durability: 'sync' });
    await deleting;
  });

  test('a commit on its way does not bring its group back', async () => {
    const { bench, store, topic } = await setup();
    const member = await topic.consumerGroup('g');
    const batches = member.batches();
    const { value: batch } = await batches.next();
    if (batch === undefined) throw new Error('there was a batch');
    const commits = [member.commit(batch), member.commit({ partition: 1, offset: 0 })];
    const told = Promise.allSettled(commits);
    await store.deleteTopic('t');
    expect(await told).toHaveLength(2);
    const again = await bench.reopen(store);
    onTestFinished(() => again.close());
    await again.topic('t');
    expect(again.groups()).toEqual([]);
  });

  test('a commit on its way is written before its files go', async () => {
    const { bench, store } = await setup();
    const held = new HeldSyncs(bench.fileSystem, '/journal/');
    const again = await bench.reopen(store);
    onTestFinished(() => {
      held.release();
      return again.close();
    });
    const topic = await again.topic('t', { codec: utf8 });
    const other = await again.topic('other', { codec: utf8 });
    const log = await topic.partitions.at(0).log();
    const value = 'committed';
    const appends = [
      ...(await topic.forCommit([{ value }], { partition: 0 })),
      ...(await other.forCommit([{ value }])),
    ];
    held.hold();
    const deleting = again.deleteTopic('t');
    await turns(5); // Its entry is written.
    const committed = again.committer.commit({ appends });
    await turns(5);
    held.release();
    held.hold();
    await turns(5);
    expect(again.topics().map(({ name }) => name)).toEqual(['other']);
    expect(held.waiting).toHaveLength(1); // For the commit.
    expect(await bench.fileSystem.list(TOPICS)).toHaveLength(2);
    held.release();
    expect(await committed).toEqual({ baseOffsets: [1, 0] });
    await deleting;
    expect(log.stats()).toMatchObject({ endOffset: 2, syncedOffset: 2 });
    expect(await bench.fileSystem.list(TOPICS)).toHaveLength(1);
    expect(await valuesOf(other)).toEqual([value]);
    await again.close();
    expect(bench.clock.pendingTimerCount).toBe(0);
  });

  test('the store may be closed while it is deleted', async () => {
    const { bench, store } = await setup();
    const deleting = store.deleteTopic('t');
    await store.close();
    await deleting;
    expect(await bench.fileSystem.list(TOPICS)).toEqual([]);
  });
});

describe('files', () => {
  test('that are not ours stay, and are named; all else goes', async () => {
    const { bench, store, topic } = await setup();
    const { fileSystem } = bench;
    const directory = join(TOPICS, (await fileSystem.list(TOPICS))[0] ?? '');
    await fileSystem.makeDirectory(join(directory, '0', 'quarantine'));
    await fileSystem.makeDirectory(join(directory, '2')); // Adding partitions was cut short.
    const ours = ['0/quarantine/00000000000000000000.log@128-0123abcd.cut', '0/LOCK', '0/reserve'];
    const foreign = [
      '0/notes.txt',
      '0/quarantine/mine',
      'notes.txt',
      '1/00000000000000000009.log/x',
    ];
    await fileSystem.makeDirectory(join(directory, '1/00000000000000000009.log'));
    for (const name of [...ours, ...foreign]) await touch(fileSystem, join(directory, name));
    await topic.append({ value: 'x' }, { partition: 0 });
    const { keptPaths } = await store.deleteTopic('t');
    expect(keptPaths.map((path) => path.slice(directory.length + 1)).toSorted()).toEqual([
      '0/notes.txt',
      '0/quarantine/mine',
      '1/00000000000000000009.log',
      'notes.txt',
    ]);
    expect((await fileSystem.list(join(directory, '0'))).toSorted()).toEqual([
      'notes.txt',
      'quarantine',
    ]);
    expect((await fileSystem.list(directory)).toSorted()).toEqual(['0', '1', 'notes.txt']);
    const again = await bench.reopen(store);
    expect(again.topics()).toEqual([]);
    await again.close();
  });

  test('of another log in the place of a partition stay', async () => {
    const { bench, store } = await setup();
    const { fileSystem } = bench;
    await store.topic('other', { codec: utf8 });
    const directories = await fileSystem.list(TOPICS);
    const of = (name: string) =>
      join(TOPICS, directories.find((one) => one.startsWith(`${name}-`)) ?? '');
    await store.close();
    await fileSystem.rename(join(of('t'), '1'), join(of('t'), '7'));
    await fileSystem.rename(join(of('other'), '0'), join(of('t'), '1'));
    const again = await bench.open();
    const { keptPaths } = await again.deleteTopic('t');
    expect(keptPaths).toEqual([join(of('t'), '1')]);
    await again.close();
  });

  test('that cannot be removed now go with the next opening', async () => {
    const { bench, store } = await setup();
    const { fileSystem } = bench;
    const removeDirectory = fileSystem.removeDirectory.bind(fileSystem);
    fileSystem.removeDirectory = () => fileSystem.unlink(TOPICS); // EISDIR
    await expect(store.deleteTopic('t')).rejects.toMatchObject({ code: 'ERR_VARVE_IO' });
    expect(store.topics()).toEqual([]);
    const failed = { deletingTopicCount: 1, lastDeletionError: { code: 'ERR_VARVE_IO' } };
    expect(store.stats()).toMatchObject({ topicCount: 0, ...failed });
    const made = await store.topic('t', { codec: utf8 });
    await made.append({ value: 'new' });
    const again = await bench.reopen(store); // It fails again, and nobody is hurt.
    fileSystem.removeDirectory = removeDirectory;
    expect(await valuesOf(await again.topic('t', { codec: utf8 }))).toEqual(['new']);
    const last = await bench.reopen(again);
    await last.close();
    expect(await fileSystem.list(TOPICS)).toHaveLength(1);
  });

  test('are not opened any more while they go, by retention either', async () => {
    const { bench, store } = await setup();
    const { fileSystem } = bench;
    const options = { segmentBytesMax: 4096, batchBytesMax: 1024, retentionBytes: 8192 };
    for (const name of ['first', 'second']) {
      const topic = await store.topic(name, options);
      for (let at = 0; at < 8; at++) await topic.append({ value: new Uint8Array(1000) });
    }
    const again = await bench.reopen(store);
    onTestFinished(() => again.close());
    let [goOn, remove] = [() => {}, () => {}];
    const looked = new Promise<void>((resolve) => (goOn = resolve));
    const removable = new Promise<void>((resolve) => (remove = resolve));
    const list = fileSystem.list.bind(fileSystem);
    fileSystem.list = async (path) => {
      if (path.includes('/first-')) await looked;
      return list(path);
    };
    const unlink = fileSystem.unlink.bind(fileSystem);
    let unlinkCount = 0;
    fileSystem.unlink = async (path) => {
      if (path.includes('/second-') && ++unlinkCount === 2) await removable;
      return unlink(path);
    };
    bench.clock.advance(IDLE_RETENTION_MS); // Has looked at what there is, and begins with the first.
    await settle();
    const deleting = again.deleteTopic('second');
    await settle();
    expect(unlinkCount).toBe(2);
    goOn();
    await settle();
    remove();
    expect((await deleting).keptPaths).toEqual([]);
    expect(again.health()).toEqual({ status: 'ok', problems: [] });
    expect(await fileSystem.list(TOPICS)).toHaveLength(2);
  });
});
