/** Rounds of a table's feed: where each ends, in which order its batches come, what wakes it. */
import { expect, onTestFinished, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import { TableFeed, type TableFeedOptions } from '../../../src/topic/table-feed.ts';
import { rejectionOf } from '../../support/log-fixture.ts';
import { StoreBench } from '../../support/store-fixture.ts';

async function open(partitions = 2) {
  const bench = new StoreBench();
  const store = await bench.open();
  onTestFinished(() => store.close());
  const topic = await store.topic('t', { codec: utf8, partitions });
  return { clock: bench.clock, store, topic };
}

function feedOf(topic: StoreTopic<string>, changes: Partial<TableFeedOptions> = {}): TableFeed {
  const how = { chosen: null, from: new Map(), skipsTrimmed: true, keepsAlive: false };
  const feed = new TableFeed({ partitions: topic.partitions, ...how, ...changes });
  onTestFinished(() => feed.close());
  return feed;
}

/** The rest of a round: partition and first offset of each batch. */
async function restOf(feed: TableFeed): Promise<string[]> {
  const batches: string[] = [];
  for (let fed = await feed.next(); fed !== null; fed = await feed.next()) {
    batches.push(`${fed.partition}/${fed.batch.header.baseOffset}`);
  }
  return batches;
}

async function roundOf(feed: TableFeed): Promise<string[]> {
  await feed.begin();
  return restOf(feed);
}

test('a round ends where all partitions stood when it began', async () => {
  const { topic, store } = await open();
  await topic.append({ value: 'a' }, { partition: 0 });
  await topic.append({ value: 'b' }, { partition: 1 });
  const feed = feedOf(topic);
  await feed.begin();
  await store.transaction((tx) => {
    for (const partition of [0, 1]) tx.append(topic, { value: 'c' }, { partition });
  });
  expect(await restOf(feed)).toEqual(['0/0', '1/0']);
  expect([...feed.positions().values()]).toEqual([1, 1]);
  expect(await roundOf(feed)).toEqual(['0/1', '1/1']);
  expect(await roundOf(feed)).toEqual([]);
});

test('batches come by append time, those of one time by partition', async () => {
  const { topic, clock } = await open(3);
  for (const partition of [2, 0, 1, 1]) {
    await topic.append({ value: 'x' }, { partition });
    if (partition !== 0) clock.advance(1);
  }
  await topic.append({ value: 'x' }, { partition: 0 });
  expect(await roundOf(feedOf(topic))).toEqual(['2/0', '0/0', '1/0', '1/1', '0/1']);
});

test('begins where it is told, and with the first record where it is not', async () => {
  const { topic } = await open();
  for (const partition of [0, 0, 0, 1, 1]) await topic.append({ value: 'x' }, { partition });
  const feed = feedOf(topic, { from: new Map([[0, 2]]) });
  await feed.begin();
  const fed = await feed.next();
  expect(fed).toMatchObject({ partition: 0, from: 2 });
  expect(await restOf(feed)).toEqual(['1/0', '1/1']);
});

test('waits for a record, a partition, or its end', async () => {
  const { topic, store } = await open();
  const feed = feedOf(topic);
  expect(await roundOf(feed)).toEqual([]);
  const record = feed.more();
  await topic.append({ value: 'x' }, { partition: 1 });
  await record;
  await feed.more(); // There is more than the last round had.
  expect(await roundOf(feed)).toEqual(['1/0']);
  const partition = feed.more();
  await store.addPartitions('t', 3);
  await partition;
  await topic.append({ value: 'x' }, { partition: 2 });
  expect(await roundOf(feed)).toEqual(['2/0']);
  const end = feed.more();
  feed.close();
  await end;
  await feed.more();
});

test('what retention took is passed over, or an error', async () => {
  const { topic } = await open(1);
  const feeds = [feedOf(topic), feedOf(topic, { skipsTrimmed: false })];
  for (const feed of feeds) expect(await roundOf(feed)).toEqual([]);
  for (let at = 0; at < 4; at++) await topic.append({ value: 'x' });
  await topic.deleteBefore({ partition: 0, offset: 3 });
  const [skipping, failing] = feeds;
  expect(skipping && (await roundOf(skipping))).toEqual(['0/3']);
  expect(failing && (await rejectionOf(roundOf(failing)))).toMatchObject({
    code: 'ERR_VARVE_OFFSET_OUT_OF_RANGE',
  });
});

test('what lies behind what retention took is of the next round', async () => {
  const { topic } = await open();
  const feed = feedOf(topic);
  await roundOf(feed);
  for (let at = 0; at < 3; at++) await topic.append({ value: 'x' }, { partition: 1 });
  await feed.begin();
  for (let at = 0; at < 2; at++) await topic.append({ value: 'x' }, { partition: 1 });
  await topic.deleteBefore({ partition: 1, offset: 4 });
  expect(await restOf(feed)).toEqual([]);
  expect(await roundOf(feed)).toEqual(['1/4']);
});

test('a store that is closed ends a wait, and what is asked next says so', async () => {
  const { topic, store } = await open();
  const feed = feedOf(topic);
  await roundOf(feed);
  const more = feed.more();
  await store.close();
  await more;
  expect(await rejectionOf(feed.begin())).toMatchObject({ code: 'ERR_VARVE_CLOSED' });
});

test('one that is closed while it opens a partition lets go of it', async () => {
  const { topic } = await open(1);
  const feed = feedOf(topic);
  const beginning = rejectionOf(feed.begin());
  feed.close();
  await beginning;
  expect((await topic.partitions.at(0).log()).life.reads.size).toBe(0);
  expect(topic.partitions.at(0).isIdle).toBe(true);
});
