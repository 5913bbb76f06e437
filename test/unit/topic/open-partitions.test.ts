/** Few partitions of a store stay open; what closes and opens again, nobody notices. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import {
  OPEN_PARTITIONS_MAX,
  OPENING_PATIENCE_MS,
  PARTITION_FILES_MAX,
} from '../../../src/core/limits.ts';
import type { Store } from '../../../src/store/store.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import { OpenPartitions, type Closable } from '../../../src/topic/open-partitions.ts';
import { CommitBench } from '../../support/commit-bench.ts';
import { StoreBench } from '../../support/store-fixture.ts';

/** Some more than stay open. */
const MANY = OPEN_PARTITIONS_MAX + 20;

async function settle(turns = 50): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
}

async function setup(partitions = MANY): Promise<{
  readonly bench: StoreBench;
  readonly store: Store;
  readonly topic: StoreTopic<string>;
}> {
  const bench = new StoreBench();
  const store = await bench.open();
  onTestFinished(() => store.close());
  return { bench, store, topic: await store.topic('t', { codec: utf8, partitions }) };
}

function openOnes(topic: StoreTopic<string>): number[] {
  return Array.from({ length: topic.partitionCount }, (_, at) => at).filter(
    (partition) => topic.partitions.at(partition).opened !== null,
  );
}

async function appendToAll(topic: StoreTopic<string>, value: string): Promise<void> {
  for (let partition = 0; partition < topic.partitionCount; partition++) {
    await topic.append({ value }, { partition });
  }
}

async function valuesOf(topic: StoreTopic<string>, partition: number): Promise<(string | null)[]> {
  const values: (string | null)[] = [];
  for await (const { value } of topic.records({ partitions: partition })) values.push(value);
  return values;
}

describe('a store of many partitions', () => {
  test('keeps few of them open, those that were used last, and loses nothing', async () => {
    const { topic } = await setup();
    await appendToAll(topic, 'a');
    await settle();
    const open = openOnes(topic);
    expect(open).toHaveLength(OPEN_PARTITIONS_MAX);
    expect(open.at(-1)).toBe(MANY - 1);
    expect(open).not.toContain(0);
    await appendToAll(topic, 'b');
    for (const partition of [0, 20, MANY - 1]) {
      expect(await valuesOf(topic, partition)).toEqual(['a', 'b']);
    }
    expect(openOnes(topic).length).toBeLessThanOrEqual(OPEN_PARTITIONS_MAX);
  });

  test('opens all at once when it must, and closes what is idle soon after', async () => {
    const { bench, topic } = await setup();
    const all = Array.from({ length: MANY }, (_, partition) => partition);
    const offsets = await Promise.all(
      all.map(async (partition) => (await topic.append({ value: 'a' }, { partition })).offset),
    );
    expect(offsets).toEqual(all.map(() => 0));
    bench.clock.advance(1000);
    await settle();
    expect(openOnes(topic).length).toBeLessThanOrEqual(OPEN_PARTITIONS_MAX);
    expect(await topic.read({ partition: 3, offset: 0 })).toMatchObject({ value: 'a' });
  });

  test('leaves those open that somebody follows', async () => {
    const { topic } = await setup();
    const followed = topic.records({ partitions: 1, follow: true });
    const first = followed.next();
    await settle();
    await appendToAll(topic, 'a');
    await appendToAll(topic, 'b');
    expect(openOnes(topic)).toContain(1);
    expect((await first).value).toMatchObject({ value: 'a' });
    await followed.return();
    for (let at = 0; at < 2 * MANY; at++) {
      await topic.append({ value: 'c' }, { partition: 2 + (at % (MANY - 2)) });
    }
    expect(openOnes(topic)).not.toContain(1);
  });

  test('leaves those open that are appended to or read one by one all the time', async () => {
    const { topic } = await setup();
    await topic.append({ value: 'hot' }, { partition: 0 });
    await topic.append({ value: 'read' }, { partition: 1 });
    const hot = [0, 1].map((partition) => topic.partitions.at(partition).opened);
    for (let partition = 2; partition < MANY; partition++) {
      await topic.append({ value: 'a' }, { partition });
      await topic.append({ value: 'hot' }, { partition: 0 });
      await topic.read({ partition: 1, offset: 0 });
    }
    expect([0, 1].map((partition) => topic.partitions.at(partition).opened)).toEqual(hot);
  });

  test('members of groups read all of their partitions', async () => {
    const { topic } = await setup();
    await appendToAll(topic, 'a');
    const group = await topic.consumerGroup('g');
    const seen = new Set<number>();
    for await (const batch of group.batches()) {
      for (const { partition } of batch) seen.add(partition);
      await group.commit(batch);
      if (seen.size === MANY) break;
    }
    expect(openOnes(topic)).toHaveLength(MANY);
    await group.close();
    await appendToAll(topic, 'b');
    expect(openOnes(topic).length).toBeLessThanOrEqual(OPEN_PARTITIONS_MAX);
    const { partitions } = await topic.describeGroup('g');
    expect(partitions.map(({ lag }) => lag)).toEqual(partitions.map(() => 1));
  });

  test('settings that were altered meanwhile count when a partition opens again', async () => {
    const { store, topic } = await setup();
    await appendToAll(topic, 'a');
    await store.alterTopic('t', { recordBytesMax: 1024 });
    await expect(topic.append({ value: 'x'.repeat(2000) }, { partition: 0 })).rejects.toMatchObject(
      { code: 'ERR_VARVE_TOO_LARGE' },
    );
  });

  test('retention is looked at before one is closed: nobody does while it is', async () => {
    const { bench, store, topic } = await setup();
    await store.alterTopic('t', { retentionMs: 1000, segmentBytesMax: 4096 });
    for (let at = 0; at < 10; at++) {
      await topic.append({ value: 'x'.repeat(1000) }, { partition: 0 });
    }
    const partition = topic.partitions.at(0);
    expect(partition.extent?.segmentCount).toBe(4);
    bench.clock.advance(10_000);
    for (let at = 0; at < 2 * MANY; at++) {
      await topic.append({ value: 'a' }, { partition: 1 + (at % (MANY - 1)) });
    }
    expect(partition.opened).toBeNull();
    expect(partition.extent?.segmentCount).toBe(1);
    expect((await topic.read({ partition: 0, offset: 9 }))?.value).toHaveLength(1000);
  });

  test('sync makes durable what was appended, also where it is being closed', async () => {
    const { store, topic } = await setup();
    await store.alterTopic('t', { durability: 'os' });
    await appendToAll(topic, 'a');
    await topic.sync();
    await settle();
    for (const partition of openOnes(topic)) {
      expect(topic.partitions.at(partition).opened?.syncedOffset).toBe(1);
    }
    expect(await valuesOf(topic, 0)).toEqual(['a']);
  });
});

test('one whose sync fails before it is closed stays open, and says so', async () => {
  const bench = new StoreBench();
  const store = await bench.open();
  const breakSyncs = breakableSyncs(bench, '/0/');
  const topic = await store.topic('t', { codec: utf8, partitions: MANY, durability: 'os' });
  await topic.append({ value: 'a' }, { partition: 0 });
  breakSyncs();
  for (let partition = 1; partition < MANY; partition++) {
    await topic.append({ value: 'a' }, { partition });
  }
  const { opened } = topic.partitions.at(0);
  expect(opened?.stats().state).toBe('failed');
  await expect(topic.append({ value: 'b' }, { partition: 0 })).rejects.toMatchObject({
    code: 'ERR_VARVE_FAILED',
  });
  expect(await valuesOf(topic, 0)).toEqual(['a']); // Reads go on.
  await expect(store.close()).rejects.toMatchObject({ code: 'ERR_VARVE_FAILED' });
});

test('one with records that wait for room on the disk stays open, and holds nobody up', async () => {
  const bench = new CommitBench();
  const { store } = await bench.open();
  const topic = await store.topic('many', { codec: utf8, partitions: MANY });
  await topic.partitions.at(0).log();
  bench.fileSystem.addFault({
    operations: ['write'],
    path: /many.*\/0\/.*log$/,
    errno: 'ENOSPC',
    times: Infinity,
  });
  const appends = await topic.forCommit([{ value: 'a' }], { partition: 0 });
  await store.committer.commit({ appends });
  for (let partition = 1; partition < MANY; partition++) {
    await topic.append({ value: 'a' }, { partition });
  }
  await settle();
  expect(topic.partitions.at(0).opened).not.toBeNull();
  expect(openOnes(topic)).toHaveLength(OPEN_PARTITIONS_MAX);
  bench.fileSystem.clearFaults();
  bench.clock.advance(1000);
  await settle();
  expect(await valuesOf(topic, 0)).toEqual(['a']);
});

test('one that is closed while it is being opened takes no place', async () => {
  const { topic, store } = await setup(1);
  const log = topic.partitions.at(0).log();
  await Promise.all([log, topic.partitions.at(0).close()]);
  expect(store.stats().openPartitionCount).toBe(0);
});

/** @returns has syncs of segments fail whose path holds `part` */
function breakableSyncs({ fileSystem }: StoreBench, part: string): () => void {
  let isBroken = false;
  const open = fileSystem.open.bind(fileSystem);
  fileSystem.open = async (path, mode) => {
    const file = await open(path, mode);
    const datasync = file.datasync.bind(file);
    file.datasync = () => {
      const isTheOne = path.includes(part) && path.endsWith('.log');
      return isBroken && isTheOne ? Promise.reject(new Error('the disk is gone')) : datasync();
    };
    return file;
  };
  return () => void (isBroken = true);
}

describe('the bound', () => {
  class Fake implements Closable {
    useCount = 0;
    isIdle = true;
    fileCount = 2;
    readonly name: string;

    constructor(name: string) {
      this.name = name;
    }

    dropFiles(): void {
      this.fileCount = 2;
    }

    closeIdle(): Promise<void> {
      closed.push(this.name);
      partitions.remove(this);
      return Promise.resolve();
    }
  }

  let closed: string[] = [];
  let clock = new ManualClock();
  let partitions = new OpenPartitions({ clock });

  async function fill(names: string, options: { openMax?: number; filesMax?: number } = {}) {
    closed = [];
    clock = new ManualClock();
    partitions = new OpenPartitions({ clock, openMax: 3, ...options });
    const fakes = names.split('').map((name) => new Fake(name));
    for (const fake of fakes) await partitions.admit(fake, () => Promise.resolve());
    return fakes;
  }

  test('waits for none for long whose closing hangs, and closes others instead', async () => {
    const [a] = await fill('abc');
    let end: () => void = () => undefined;
    const closing = new Promise<void>((resolve) => (end = resolve));
    if (a !== undefined) {
      a.closeIdle = async () => {
        closed.push('a hangs');
        await closing;
        partitions.remove(a);
      };
    }
    const admitted: string[] = [];
    const admit = (name: string) =>
      partitions.admit(new Fake(name), async () => void admitted.push(name));
    const first = admit('d');
    await settle();
    expect([closed, admitted]).toEqual([['a hangs'], []]);
    clock.advance(OPENING_PATIENCE_MS);
    await first;
    await admit('e');
    expect(closed).toEqual(['a hangs', 'b', 'c']); // It is one of those that are open.
    end();
    await settle();
    expect(partitions.count).toBe(2);
    expect(clock.pendingTimerCount).toBe(0);
  });

  test('closes the oldest first, and spares those that were used since', async () => {
    const [a] = await fill('abc');
    if (a !== undefined) a.useCount++;
    await partitions.admit(new Fake('d'), () => Promise.resolve());
    expect(closed).toEqual(['b']);
    await partitions.admit(new Fake('e'), () => Promise.resolve());
    expect(closed).toEqual(['b', 'c']);
    expect(partitions.count).toBe(3);
  });

  test('closes even what was used, when everything was', async () => {
    const fakes = await fill('abc');
    for (const fake of fakes) fake.useCount++;
    await partitions.admit(new Fake('d'), () => Promise.resolve());
    expect(closed).toEqual(['a']);
  });

  test('is passed while all are in use, and held again when they are not', async () => {
    const fakes = await fill('abc');
    for (const fake of fakes) fake.isIdle = false;
    await partitions.admit(new Fake('d'), () => Promise.resolve());
    await partitions.admit(new Fake('e'), () => Promise.resolve());
    expect([closed, partitions.count]).toEqual([['d'], 4]);
    for (const fake of fakes) fake.isIdle = true;
    clock.advance(1000);
    await settle();
    expect([closed, partitions.count, clock.pendingTimerCount]).toEqual([['d', 'a'], 3, 0]);
  });

  test('counts files that are kept for readers: those go first', async () => {
    const [a, b] = await fill('abc', { filesMax: 10 });
    for (const fake of [a, b]) if (fake !== undefined) fake.fileCount = 6;
    if (b !== undefined) partitions.released(b);
    await settle();
    expect([closed, partitions.fileCount]).toEqual([[], 10]);
    expect(PARTITION_FILES_MAX).toBeGreaterThan(2 * OPEN_PARTITIONS_MAX);
  });

  test('closes nothing more once the store is being closed', async () => {
    await fill('abc');
    await partitions.close();
    await partitions.admit(new Fake('d'), () => Promise.resolve());
    expect(closed).toEqual([]);
    expect(clock.pendingTimerCount).toBe(0);
  });
});
