/** Figures of a group whose log has let go of records that it has not settled. */
import { expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { StoreBench } from '../../support/store-fixture.ts';

test('count what is left, before the group comes past what is gone', async () => {
  const bench = new StoreBench();
  let store = await bench.open();
  let topic = await store.topic('t', { codec: utf8 });
  const group = await topic.shareGroup('g', { failuresMax: 2, deadLetter: null });
  for (const value of ['dead', 'again', 'later', 'leased', 'unread', 'again', 'dead', 'unread']) {
    await topic.append({ value });
    bench.clock.advance(1000);
  }
  const deliveries = await group.acquire({ max: 7 });
  const [, , , leased] = deliveries;
  for (const delivery of deliveries) {
    if (delivery.value === 'dead') await delivery.reject('no');
    if (delivery.value === 'again') await delivery.release();
    if (delivery.value === 'later') await delivery.release({ delayMs: 600_000 });
    if (delivery.value === 'unread') await delivery.giveBack();
  }
  expect(await group.stats()).toMatchObject({
    readyCount: 4,
    leasedCount: 1,
    delayedCount: 1,
    deadCount: 2,
    unsettledCount: 6,
    oldestReadyAgeMs: 7000,
  });
  await topic.deleteBefore({ partition: 0, offset: 5 });
  const left = {
    readyCount: 2,
    leasedCount: 1,
    delayedCount: 0,
    deadCount: 1,
    unsettledCount: 3,
    oldestReadyAgeMs: 3000,
  };
  expect(await group.stats()).toMatchObject(left);
  expect(await group.peek(10)).toHaveLength(2);
  await leased?.ack(); // Its holder still has it.
  const settled = { ...left, leasedCount: 0, unsettledCount: 2 };
  expect(await group.stats()).toMatchObject(settled);
  store = await bench.reopen(store);
  topic = await store.topic('t', { codec: utf8 });
  const { stats } = await topic.describeShareGroup('g'); // Nobody uses it.
  expect(stats).toMatchObject(settled);
  const again = await topic.shareGroup('g');
  expect(await again.acquire({ max: 10 })).toHaveLength(2);
  expect(await again.stats()).toMatchObject({ unsettledCount: 2, leasedCount: 2, deadCount: 1 });
  await store.close();
});
