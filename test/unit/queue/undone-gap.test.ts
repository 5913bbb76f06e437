/** A purge is undone, and of what comes back some offsets hold no record any more. */
import { expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import type { Store } from '../../../src/store/store.ts';
import { turns } from '../../support/log-fixture.ts';
import { StoreDisk } from '../../support/store-disk.ts';

/** Behind what is `kept` two are lost in a power cut; unread is that, and what lies behind `d`. */
async function withGap(kept: readonly string[], after: readonly string[]): Promise<Store> {
  const disk = await StoreDisk.make();
  let store = await disk.open();
  let topic = await store.topic('t', { codec: utf8, durability: 'os' });
  for (const value of kept) await topic.append({ value }, { durability: 'sync' });
  for (const value of ['lost', 'lost too']) await topic.append({ value });
  let group = await topic.shareGroup('g');
  await group.purge();
  await group.pause(); // Synced, so the journal knows that they were there.
  await group.resume();
  disk.cutPower();
  store = await disk.open();
  topic = await store.topic('t', { codec: utf8 });
  for (const value of ['d', ...after]) await topic.append({ value });
  group = await topic.shareGroup('g');
  await group.ackAll(await group.acquire());
  await group.undoPurge();
  return store;
}

test.each([
  { kept: [], after: ['e'] },
  { kept: ['a'], after: ['e'] },
  { kept: ['a', 'b'], after: ['e'] },
  { kept: [], after: [] },
  { kept: ['a'], after: [] },
])('they are passed over, behind $kept and before $after', async ({ kept, after }) => {
  const store = await withGap(kept, after);
  const topic = await store.topic('t', { codec: utf8 });
  const group = await topic.shareGroup('g');
  const deliveries = await group.acquire({ max: 10 });
  expect(deliveries.map(({ value }) => value)).toEqual([...kept, ...after]);
  await group.ackAll(deliveries);
  expect(await group.stats()).toMatchObject({ unsettledCount: 0 });
  expect(await group.acquire({ max: 1 })).toEqual([]);
  const { endOffset } = store.stats().journal;
  expect(await group.acquire({ max: 1 })).toEqual([]); // They were journaled once.
  expect(store.stats().journal.endOffset).toBe(endOffset);
  await store.close();
});

test.each([{ kept: [] }, { kept: ['a'] }])(
  'nothing waits for what was lost at the end of a log, behind $kept',
  async ({ kept }) => {
    const disk = await StoreDisk.make();
    const before = await disk.open();
    const queue = await before.queue('q', { codec: utf8, partitions: 2, durability: 'os' });
    const toFirst = { partition: 0 };
    for (const value of kept) await queue.send(value, { ...toFirst, durability: 'sync' });
    await queue.send('lost', toFirst);
    await queue.send('b', { partition: 1, durability: 'sync' });
    await queue.purge();
    await queue.pause(); // Synced, so the journal knows that they were there.
    await queue.resume();
    disk.cutPower();
    const store = await disk.open();
    const again = await store.queue('q', { codec: utf8 });
    await again.undoPurge();
    const found = await Promise.race([again.acquire({ max: 10 }), turns(20)]);
    const values = found?.map(({ value }) => value) ?? 'none came';
    expect(new Set(values)).toEqual(new Set([...kept, 'b']));
    expect(await again.acquire()).toEqual([]);
    expect(await again.stats()).toMatchObject({ unsettledCount: values.length, readyCount: 0 });
    await again.send('c', toFirst);
    expect(await again.acquire()).toMatchObject([{ value: 'c' }]);
    await store.close();
  },
);
