/** What is appended with an id is what was given, whatever its caller does meanwhile. */
import { expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import type { Topic } from '../../../src/topic/topic.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { turns } from '../../support/log-fixture.ts';
import { StoreBench } from '../../support/store-fixture.ts';

async function openTopic(bench = new StoreBench()) {
  const store = await bench.open();
  const topic = await store.topic('t', { codec: utf8 });
  await topic.append({ value: 'first', dedupId: 'first' });
  return { store, topic };
}

/** Value, key and id of each. */
async function storedIn(topic: Topic<string>): Promise<unknown[]> {
  const stored: unknown[] = [];
  for await (const { value, key, headers } of topic.records()) {
    const id = Buffer.from(headers.get('varve-dedup-id') ?? []).toString();
    stored.push([value, key, id]);
  }
  return stored;
}

test.each(['dedupId', 'headers'] as const)('a getter of %s may append', async (name) => {
  const { store, topic } = await openTopic();
  const answers: Promise<unknown>[] = [];
  const record = { value: 'outer', key: 'outer key', dedupId: 'outer id', headers: undefined };
  const given = record[name];
  Object.defineProperty(record, name, {
    enumerable: true,
    get() {
      const inner = `inner ${answers.length}`;
      if (answers.length < 5) {
        const append = topic.append({ value: inner, key: 'inner key', dedupId: inner });
        answers.push(append);
      }
      return given;
    },
  });
  const outer = topic.append(record);
  await Promise.all([outer, ...answers]);
  const stored = await storedIn(topic);
  expect(stored).toContainEqual(['outer', 'outer key', 'outer id']);
  expect(stored).toContainEqual(['inner 0', 'inner key', 'inner 0']);
  expect(stored).toHaveLength(2 + answers.length);
  await store.close();
});

test('a list of records may be used again when the call has returned', async () => {
  const bench = new StoreBench();
  const syncs = new HeldSyncs(bench.fileSystem, 'topics');
  const { store, topic } = await openTopic(bench);
  const ofTwins = ['twin', 'twin'].map((id) => ({ value: id, dedupId: id }));
  const twins = topic.appendBatch(ofTwins);
  ofTwins.length = 0;
  expect((await twins).duplicates).toEqual([{ index: 1, partition: 0, offset: 1 }]);
  syncs.hold();
  const onItsWay = topic.append({ value: 'a', dedupId: 'a' });
  const batch = ['x', 'a'].map((id) => ({ value: id, dedupId: id }));
  const waiting = topic.appendBatch(batch);
  batch.length = 0;
  await turns(20);
  syncs.release();
  await onItsWay;
  expect((await waiting).duplicates).toEqual([{ index: 1, partition: 0, offset: 2 }]);
  expect((await storedIn(topic)).map((each) => (each as unknown[])[2])).toEqual([
    'first',
    'twin',
    'a',
    'x',
  ]);
  await store.close();
});

test('a codec is asked once for a record, also where that is a duplicate', async () => {
  const store = await new StoreBench().open();
  const encoded: string[] = [];
  const encode = (value: string) => {
    encoded.push(value);
    return utf8.encode(value);
  };
  const topic = await store.topic('t', { codec: { ...utf8, encode } });
  await topic.append({ value: 'a', dedupId: 'one' });
  await topic.append({ value: 'b', dedupId: 'one' });
  await topic.append({ value: 'c', dedupId: 'two' });
  expect(encoded).toEqual(['a', 'b', 'c']);
  await store.close();
});
