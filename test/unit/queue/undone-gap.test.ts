/** A purge is undone, and of what comes back some offsets hold no record any more. */
import { expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import type { Store } from '../../../src/store/store.ts';
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
