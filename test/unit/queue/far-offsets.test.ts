/** A record that stays unsettled while more follow than a lease table has room between two offsets. */
import { expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { change } from '../../../src/journal/journal.ts';
import { recordsAcquired } from '../../../src/queue/share-entries.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const FAR = 2 ** 33;

test('holds back those that are too far ahead of it, until it is settled', async () => {
  const bench = new StoreBench();
  let store = await bench.open();
  let queue = await store.queue('q', { codec: utf8 });
  await queue.send('slow');
  for (const delivery of await queue.acquire()) await delivery.release();
  const topic = await store.topic('q', { codec: utf8 });
  await topic.shareGroup('other');
  const { topicId } = topic.partitions;
  const part = { topicId, group: 'other', partition: 0, offsets: [], absent: [1, FAR] };
  await store.committer.commit({ changes: [change(recordsAcquired, { parts: [part] })] });
  store = await bench.reopen(store); // Which gives none of these offsets away.
  queue = await store.queue('q', { codec: utf8 });
  await queue.send('far');
  const [slow, ...none] = await queue.acquire({ max: 5 });
  expect([slow?.value, none]).toEqual(['slow', []]);
  expect(await queue.stats()).toMatchObject({ readyCount: 1, leasedCount: 1 });
  const waiting = queue.acquire({ max: 5, waitMs: 1000 });
  await slow?.ack();
  expect(await waiting).toMatchObject([{ value: 'far', offset: FAR + 1 }]);
  await store.close();
});
