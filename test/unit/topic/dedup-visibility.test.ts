/** An id counts from the moment in which its record is visible, which may be later than its answer. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import type { Topic } from '../../../src/topic/topic.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { HeldWrites } from '../../support/held-writes.ts';
import { turns } from '../../support/log-fixture.ts';
import { StoreBench } from '../../support/store-fixture.ts';

/** More than is written on the calling thread. */
const LONG = 'v'.repeat(100_000);

async function valuesIn(topic: Topic<string>): Promise<unknown[]> {
  const values: unknown[] = [];
  for await (const { value } of topic.records()) values.push(value);
  return values;
}

function append(topic: Topic<string>, kind: 'single' | 'batch', value: string): Promise<unknown> {
  const record = { value, dedupId: 'a' };
  return kind === 'single' ? topic.append(record) : topic.appendBatch([record]);
}

describe.each(['single', 'batch'] as const)('a record that is appended as a %s', (kind) => {
  test.each(['os', 'sync'] as const)(
    'behind a transaction that is being written is known, at level %s',
    async (durability) => {
      const bench = new StoreBench();
      const writes = new HeldWrites(bench.fileSystem, 'topics');
      const store = await bench.open();
      const topic = await store.topic('t', { codec: utf8, durability });
      const other = await store.topic('u', { codec: utf8, durability });
      for (const each of [topic, other]) await each.append({ value: 'first', dedupId: 'first' });
      writes.hold();
      const transaction = store.transaction((tx) => {
        tx.append(topic, { value: 'of the transaction' });
        tx.append(other, { value: LONG });
      });
      await turns(200);
      const first = append(topic, kind, 'v');
      await turns(200);
      const retried = topic.append({ value: 'v', dedupId: 'a' });
      await turns(200);
      writes.release();
      await Promise.all([transaction, first]);
      expect(await retried).toMatchObject({ duplicate: true, offset: 2 });
      expect(await valuesIn(topic)).toEqual(['first', 'of the transaction', 'v']);
      await store.close();
    },
  );

  test('while its topic is altered to show what is synced, no more, is known', async () => {
    const bench = new StoreBench();
    const syncs = new HeldSyncs(bench.fileSystem, 'topics');
    const writes = new HeldWrites(bench.fileSystem, 'topics');
    const store = await bench.open();
    const topic = await store.topic('t', { codec: utf8, durability: 'os' });
    await topic.append({ value: 'first', dedupId: 'first' });
    await topic.sync();
    writes.hold();
    const first = append(topic, kind, LONG);
    await turns(20);
    await store.alterTopic('t', { durability: 'sync' });
    syncs.hold();
    writes.release();
    await first;
    const retried = topic.append({ value: LONG, dedupId: 'a' });
    await turns(20);
    syncs.release();
    bench.clock.advance(60_000);
    expect(await retried).toMatchObject({ duplicate: true, offset: 1 });
    await store.close();
  });

  test('while its topic is altered to show what is written is seen, and known', async () => {
    const bench = new StoreBench();
    const syncs = new HeldSyncs(bench.fileSystem, 'topics');
    const store = await bench.open();
    const topic = await store.topic('t', { codec: utf8, durability: 'sync' });
    await topic.append({ value: 'first', dedupId: 'first' });
    syncs.hold();
    const first = append(topic, kind, 'v');
    await turns(20);
    await store.alterTopic('t', { durability: 'os' });
    syncs.release();
    await first;
    expect(await valuesIn(topic)).toEqual(['first', 'v']);
    const retried = await topic.append({ value: 'v', dedupId: 'a' });
    expect(retried).toMatchObject({ duplicate: true, offset: 1 });
    await store.close();
  });
});

test('what was answered at sync is seen, though its topic shows what is written from now on', async () => {
  const bench = new StoreBench();
  const syncs = new HeldSyncs(bench.fileSystem, 'topics');
  const store = await bench.open();
  const topic = await store.topic('t', { codec: utf8, durability: 'sync' });
  await topic.append({ value: 'first' });
  syncs.hold();
  const answer = topic.append({ value: 'second' });
  await turns(20);
  await store.alterTopic('t', { durability: 'os' });
  syncs.release();
  await answer;
  expect(await valuesIn(topic)).toEqual(['first', 'second']);
  await store.close();
});
