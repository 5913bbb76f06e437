/** The journal says once that a topic has ids, or producers: what hangs on that waits until it is synced. */
import { expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import type { Store } from '../../../src/store/store.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import { StoreDisk } from '../../support/store-disk.ts';

function topicOf(store: Store): Promise<StoreTopic<string>> {
  return store.topic('t', { codec: utf8 });
}

/** How to send one record that is stored once. */
const WAYS = {
  id: (_store: Store, topic: StoreTopic<string>) => () =>
    topic.append({ value: 'a', dedupId: 'one' }),
  sequence: async (store: Store, topic: StoreTopic<string>) => {
    const producer = await store.producer('p');
    return () => producer.append(topic, { value: 'a' }, { sequence: 0 });
  },
};

test.each(['id', 'sequence'] as const)(
  'a first %s that the journal could not sync',
  async (way) => {
    const disk = await StoreDisk.make();
    const store = await disk.open();
    const topic = await topicOf(store);
    const send = await WAYS[way](store, topic);
    disk.fileSystem.addFault({ errno: 'EIO', operations: ['datasync'], path: /journal\/.*log$/ });
    await expect(send()).rejects.toMatchObject({ code: 'ERR_VARVE_FAILED' });
    const [second] = await Promise.allSettled([send()]);
    disk.cutPower();
    const reopened = await disk.open();
    const found = await topicOf(reopened);
    const again = await WAYS[way](reopened, found);
    expect(await again()).toMatchObject({ duplicate: second.status === 'fulfilled', offset: 0 });
    expect(await again()).toMatchObject({ duplicate: true, offset: 0 });
    await reopened.close();
  },
);
