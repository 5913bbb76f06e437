/** Topics that are compacted by key and have an age or a size too: old records go, whatever their keys. */
import { expect, onTestFinished, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import type { Store } from '../../../src/store/store.ts';
import type { TopicConfig } from '../../../src/topic/topic-options.ts';
import {
  compactable,
  fill,
  offsetsOf,
  openSmall,
  SEGMENT_BYTES_MAX,
} from '../../support/compacted-topic.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const HOUR_MS = 60 * 60 * 1000;
const COUNT = 200;
/** Less than so many records take, and more than what compaction leaves of them. */
const SIZE_BYTES = 4 * SEGMENT_BYTES_MAX;
const KEYS = 5;
/** What is left of the first records by their keys: the last of each below the active segment. */
const CLEAN = [175, 176, 177, 178, 179];

async function offsetsIn(store: Store): Promise<number[]> {
  return offsetsOf(await store.topic('t', { codec: utf8, create: false }));
}

async function retain(store: Store): Promise<void> {
  const topic = await store.topic('t', { codec: utf8, create: false });
  await topic.partitions.at(0).use((log) => log.retain());
}

/** Compacted, and then with as many records as before under other keys. */
async function setup(config: TopicConfig) {
  const bench = new StoreBench();
  const store = await bench.open();
  onTestFinished(() => store.close());
  const topic = await openSmall(store, 't');
  await fill(topic, COUNT, { keys: KEYS });
  await compactable(store, topic, config);
  await topic.compact();
  expect((await offsetsIn(store)).slice(0, CLEAN.length)).toEqual(CLEAN);
  return { bench, store, topic };
}

/** What is there is the same for the writer, a read-only handle beside it, and the next opening. */
async function expectEverywhere(bench: StoreBench, store: Store, offsets: number[]) {
  expect(await offsetsIn(store)).toEqual(offsets);
  const reader = await bench.open({ readOnly: true });
  expect(await offsetsIn(reader)).toEqual(offsets);
  await reader.close();
  const next = await bench.reopen(store);
  onTestFinished(() => next.close());
  await retain(next);
  expect(await offsetsIn(next)).toEqual(offsets);
}

test('age takes the last record of a key, too, and compaction goes on with what is younger', async () => {
  const { bench, store, topic } = await setup({ retentionMs: HOUR_MS });
  bench.clock.advance(HOUR_MS / 2);
  await fill(topic, COUNT, { keys: 2, from: COUNT });
  await topic.compact();
  await retain(store);
  const before = await offsetsIn(store);
  expect(before.slice(0, 3)).toEqual([197, 198, 199]);
  bench.clock.advance(HOUR_MS / 2 + 1);
  await retain(store);
  const left = before.filter((offset) => offset >= COUNT);
  expect(left).toHaveLength(22);
  await expectEverywhere(bench, store, left);
});

test('size counts what compaction has left, and takes the oldest of it', async () => {
  const { bench, store, topic } = await setup({ retentionBytes: SIZE_BYTES });
  await retain(store);
  // Before, it was more than that.
  expect((await offsetsIn(store)).slice(0, CLEAN.length)).toEqual(CLEAN);
  await fill(topic, COUNT, { keys: COUNT, from: COUNT });
  await retain(store);
  const left = await offsetsIn(store);
  const [first = 0] = left;
  expect(first).toBeGreaterThan(COUNT);
  expect(left).toEqual(Array.from({ length: 2 * COUNT - first }, (_, at) => first + at));
  await topic.compact();
  await expectEverywhere(bench, store, left);
});
