/** Acknowledging many records in one call. */
import { expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { textsOf } from '../../support/dead-queue.ts';
import { crashAtEveryCall } from '../../support/queue-crashes.ts';
import { StoreDisk } from '../../support/store-disk.ts';

const COUNT = 6;
const PARTITIONS = 2;

test('is one entry, over all partitions: a crash at any call leaves all of it, or nothing', async () => {
  const disk = await StoreDisk.make();
  const store = await disk.open();
  const queue = await store.queue('q', { codec: utf8, partitions: PARTITIONS });
  for (let n = 0; n < COUNT; n++) await queue.send(`${n}`, { partition: n % PARTITIONS });
  await store.close();
  const found = await crashAtEveryCall({
    disk,
    async prepare(own) {
      const opened = await own.queue('q', { codec: utf8 });
      const deliveries = await opened.acquire({ max: COUNT });
      expect(deliveries).toHaveLength(COUNT);
      return { opened, deliveries };
    },
    run: ({ opened, deliveries }) => opened.ackAll(deliveries),
    async look(own, mishap) {
      const { length } = await textsOf(own, 'q');
      expect([0, COUNT]).toContain(length);
      if (mishap === 'none') expect(length).toBe(0);
      return length === 0 ? 'acknowledged' : 'as before';
    },
  });
  expect([...found.keys()].toSorted()).toEqual(['acknowledged', 'as before']);
});
