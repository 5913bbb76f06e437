/** Which logs have to ask about exchanges before their start moves. */
import { expect, test } from 'vitest';

import { present } from '../../../src/core/assert.ts';
import type { Store } from '../../../src/store/store.ts';
import { numbered, RoutingDisk } from '../../support/routing-disk.ts';

async function guardOf(store: Store, name: string) {
  const { topicId } = store.describeTopic(name);
  const { partitions } = await store.topic(name, { create: false });
  const { logId } = present(partitions.at(0).opened, `the log of ${name}`);
  return store.projector.guardOf(topicId, logId);
}

test('a log that no exchange knows is answered at once, and others when their marks are durable', async () => {
  const disk = await RoutingDisk.make();
  const { store } = disk;
  const alone = await disk.run(store.topic('alone'));
  await disk.run(alone.append({ value: Uint8Array.of(1) }));
  const events = await disk.exchange('events', { type: 'topic' });
  await disk.bound(events, 'one');
  await disk.publishEach(events, numbered(3));
  await disk.settle(events);
  expect((await guardOf(store, 'alone')).allow(1, 'retention')).toBe(1);
  for (const name of ['one', 'exchange:events']) {
    const answer = (await guardOf(store, name)).allow(1, 'retention');
    expect(answer).toBeInstanceOf(Promise);
    expect(await disk.run(Promise.resolve(answer))).toBe(1);
  }
  await disk.close();
});

test('single records of a destination may go where its marks are durable, those of a source never', async () => {
  const disk = await RoutingDisk.make();
  const events = await disk.exchange('events', { type: 'topic' });
  await disk.bound(events, 'one');
  await disk.publishEach(events, numbered(3));
  await disk.settle(events);
  const allowedIn = async (name: string) =>
    disk.run(Promise.resolve((await guardOf(disk.store, name)).allow(2, 'compaction')));
  expect(await allowedIn('one')).toBe(2);
  expect(await allowedIn('exchange:events')).toBe(0);
  await disk.close();
});
