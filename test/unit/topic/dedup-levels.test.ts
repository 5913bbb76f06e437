/** What a power cut must leave of what somebody was told of ids. */
import { expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import type { Store } from '../../../src/store/store.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import { StoreDisk } from '../../support/store-disk.ts';

function topicOf(store: Store): Promise<StoreTopic<string>> {
  return store.topic('t', { codec: utf8, durability: 'os' });
}

test.each(['interval', 'sync'] as const)(
  'a duplicate that is asked for at %s is of a record that is synced',
  async (durability) => {
    const disk = await StoreDisk.make();
    const topic = await topicOf(await disk.open());
    const record = { value: 'a', dedupId: 'one' };
    await topic.append(record);
    expect(await topic.append(record, { durability })).toMatchObject({
      duplicate: true,
      offset: 0,
    });
    disk.cutPower();
    const store = await disk.open();
    const found = await topicOf(store);
    expect(await found.append(record)).toMatchObject({ duplicate: true, offset: 0 });
    await store.close();
  },
);

test('what stands before the first id of a topic is synced, so that no id comes to stand there', async () => {
  const disk = await StoreDisk.make();
  const topic = await topicOf(await disk.open());
  for (const value of ['a', 'b', 'c']) await topic.append({ value });
  await topic.append({ value: 'd', dedupId: 'lost' });
  disk.cutPower();
  const second = await disk.open();
  const record = { value: 'e', dedupId: 'kept' };
  expect(await (await topicOf(second)).append(record)).toMatchObject({ duplicate: false });
  await second.close();
  const third = await disk.open();
  expect(await (await topicOf(third)).append(record)).toMatchObject({ duplicate: true });
  await third.close();
});
