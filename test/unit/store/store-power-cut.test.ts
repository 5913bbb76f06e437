/** What a store has answered is there after a power cut in the same moment: nothing else is. */
import { expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { present } from '../../../src/core/assert.ts';
import type { Store } from '../../../src/store/store.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import { StoreDisk } from '../../support/store-disk.ts';

interface Setup {
  readonly disk: StoreDisk;
  readonly store: Store;
  readonly topic: StoreTopic<string>;
}

/** A topic of two partitions with three records each, all synced. */
async function setup(): Promise<Setup> {
  const disk = await StoreDisk.make();
  const store = await disk.open();
  const topic = await store.topic('t', { codec: utf8, partitions: 2 });
  for (let at = 0; at < 6; at++) await topic.append({ value: `${at}` }, { partition: at % 2 });
  return { disk, store, topic };
}

async function committedIn(store: Store): Promise<(number | null)[]> {
  const topic = await store.topic('t', { codec: utf8 });
  const { partitions } = await topic.describeGroup('g');
  return partitions.map(({ committedOffset }) => committedOffset);
}

/** Cuts the power now, looks at what is there, and closes it: it can be closed. */
async function afterCut<T>(disk: StoreDisk, look: (store: Store) => T | Promise<T>): Promise<T> {
  disk.cutPower();
  const store = await disk.open();
  try {
    return await look(store);
  } finally {
    await store.close();
  }
}

test('a position that was committed is there after a power cut', async () => {
  const { disk, topic } = await setup();
  const group = await topic.consumerGroup('g');
  await group.commit({ partition: 1, offset: 2 }, { metadata: 'two' });
  const found = await afterCut(disk, async (store) => {
    const again = await store.topic('t', { codec: utf8 });
    return (await again.consumerGroup('g')).committed(1);
  });
  expect(found).toMatchObject({ offset: 2, metadata: 'two' });
});

test('of two commits the later one, though they may share an entry', async () => {
  const { disk, topic } = await setup();
  const group = await topic.consumerGroup('g');
  await Promise.all([1, 2, 3].map((offset) => group.commit({ partition: 0, offset })));
  expect(await afterCut(disk, committedIn)).toEqual([3, null]);
});

test('a reset is there after a power cut, and a dry run is not', async () => {
  const { disk, topic } = await setup();
  await topic.resetGroup('g', { offset: 2 }, { dryRun: false });
  await topic.resetGroup('g', 'latest');
  expect(await afterCut(disk, committedIn)).toEqual([2, 2]);
});

test('a group that was deleted stays so', async () => {
  const { disk, topic } = await setup();
  await topic.resetGroup('g', 'latest', { dryRun: false });
  await topic.deleteGroup('g');
  expect(await afterCut(disk, (store) => store.groups())).toEqual([]);
});

test('what was altered, and partitions that were added, are there after a power cut', async () => {
  const { disk, store } = await setup();
  await store.alterTopic('t', { retentionMs: 1000 });
  await store.addPartitions('t', 3);
  const found = await afterCut(disk, async (again) => {
    const topic = await again.topic('t', { codec: utf8 });
    await topic.append({ value: 'in the new one' }, { partition: 2 });
    return present(again.topics()[0] ?? null, 'the topic');
  });
  expect(found).toMatchObject({ partitionCount: 3, options: { retentionMs: 1000 } });
});
