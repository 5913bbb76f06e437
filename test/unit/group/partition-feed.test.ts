/** What a member reads of one partition, and that it lets go of it. */
import { expect, test } from 'vitest';

import { PartitionFeed, type BatchSource } from '../../../src/group/partition-feed.ts';
import { StoreBench } from '../../support/store-fixture.ts';

test.each(['close', 'seek', 'takeBack', 'takeBack once closed'] as const)(
  '%s ends a read that has brought a batch',
  async (how) => {
    const store = await new StoreBench().open();
    const topic = await store.topic('t');
    await topic.append({ value: new Uint8Array(1) });
    let openCount = 0;
    const source: BatchSource<Uint8Array> = {
      async *batches(options) {
        openCount++;
        try {
          yield* topic.batches(options);
        } finally {
          openCount--;
        }
      },
    };
    let arrive: () => void = () => undefined;
    const arrived = new Promise<void>((resolve) => (arrive = resolve));
    const ownership = { partition: 0, ownerEpoch: 1 };
    const feed = new PartitionFeed({
      topic: source,
      ownership,
      from: 0,
      onArrival: () => arrive(),
    });
    await arrived;
    expect(openCount).toBe(1);
    if (how === 'seek') feed.seek(0);
    if (how !== 'close' && how !== 'seek') expect(feed.take()?.baseOffset).toBe(0);
    if (how === 'takeBack') feed.takeBack();
    feed.close();
    if (how === 'takeBack once closed') feed.takeBack();
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(openCount).toBe(0);
    await store.close();
  },
);
