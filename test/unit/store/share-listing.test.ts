/** Share groups as a store lists, describes, alters and deletes them. */
import { expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { StoreBench } from '../../support/store-fixture.ts';

test('queues and share groups are listed by topic and name', async () => {
  const store = await new StoreBench().open();
  const orders = await store.topic('orders', { codec: utf8 });
  await orders.consumerGroup('readers');
  await (await orders.shareGroup('shipping')).close();
  await orders.shareGroup('billing');
  await store.queue('email', { codec: utf8 });
  await store.queue('email', { codec: utf8 });
  expect(store.shareGroups()).toEqual([
    { topic: 'email', name: 'queue', isQueue: true, consumerCount: 2 },
    { topic: 'orders', name: 'billing', isQueue: false, consumerCount: 1 },
    { topic: 'orders', name: 'shipping', isQueue: false, consumerCount: 0 },
  ]);
  expect(store.queues().map(({ topic }) => topic)).toEqual(['email']);
  await store.deleteTopic('email');
  expect(store.queues()).toEqual([]);
  await store.close();
  expect(() => store.queues()).toThrow(expect.objectContaining({ code: 'ERR_VARVE_CLOSED' }));
});

test('a description tells of leases: by partition and offset, and no more than were asked for', async () => {
  const bench = new StoreBench();
  const store = await bench.open();
  const queue = await store.queue('email', { codec: utf8, partitions: 2, leaseMs: 1000 });
  for (const partition of [0, 1]) {
    await queue.sendBatch([{ value: 'a' }, { value: 'b' }], { partition });
  }
  const [one, two] = [await queue.acquire({ max: 3 }), await queue.acquire()];
  bench.clock.advance(40);
  const email = await store.topic('email');
  const { leases, stats, consumerCount } = await email.describeShareGroup('queue');
  expect(leases.map(({ partition, offset }) => [partition, offset])).toEqual([
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
  ]);
  const tokens = [...one, ...two].map(({ token }) => token);
  expect(new Set(leases.map(({ token }) => token))).toEqual(new Set(tokens));
  expect(leases.map(({ attempt, leaseLeftMs }) => [attempt, leaseLeftMs])).toEqual(
    leases.map(() => [1, 960]),
  );
  expect({ leasedCount: stats.leasedCount, consumerCount }).toEqual({
    leasedCount: 4,
    consumerCount: 1,
  });
  const few = await email.describeShareGroup('queue', { leasesMax: 1 });
  expect(few.leases).toEqual(leases.slice(0, 1));
  await expect(email.describeShareGroup('queue', { leasesMax: -1 })).rejects.toThrow('`leasesMax`');
  await store.close();
});

test('leases of another process have no token and no end', async () => {
  const bench = new StoreBench();
  const store = await bench.open();
  const queue = await store.queue('email', { codec: utf8, partitions: 1 });
  await queue.send('a');
  await queue.acquire();
  await queue.pause(); // Synced, with what was journaled before: a reader sees it.
  const reader = await bench.open({ readOnly: true });
  const email = await reader.topic('email');
  expect(await email.describeShareGroup('queue')).toMatchObject({
    consumerCount: 0,
    stats: { leasedCount: 1 },
    leases: [{ partition: 0, offset: 0, attempt: 1, token: null, leaseLeftMs: null }],
  });
  await reader.close();
  await store.close();
});

test('what a purge can be undone by is told', async () => {
  const store = await new StoreBench().open();
  const queue = await store.queue('email', { codec: utf8, partitions: 1 });
  await queue.sendBatch([{ value: 'a' }, { value: 'b' }]);
  const email = await store.topic('email');
  const undoable = async (): Promise<number> =>
    (await email.describeShareGroup('queue')).undoableCount;
  expect(await undoable()).toBe(0);
  await queue.purge();
  expect(await undoable()).toBe(2);
  await queue.undoPurge();
  expect(await undoable()).toBe(0);
  await store.close();
});

test('a share group is altered while it is used, and deleted when it is not', async () => {
  const bench = new StoreBench();
  const store = await bench.open();
  const orders = await store.topic('orders', { codec: utf8 });
  const billing = await orders.shareGroup('billing', { failuresMax: 2 });
  const altered = await orders.alterShareGroup('billing', { leaseMs: 5000, failuresMax: null });
  expect(altered).toMatchObject({ leaseMs: 5000, failuresMax: null, expiriesMax: 20 });
  expect(billing.settings).toEqual(altered);
  const wrong = orders.alterShareGroup('billing', { leaseMs: 1 });
  await expect(wrong).rejects.toThrow('`leaseMs`');
  await expect(orders.alterShareGroup('none', {})).rejects.toMatchObject({
    code: 'ERR_VARVE_NOT_FOUND',
  });
  await expect(orders.deleteShareGroup('billing')).rejects.toMatchObject({
    code: 'ERR_VARVE_CONFLICT',
    details: { stored: '1 consumers' },
  });
  await billing.close();
  await orders.deleteShareGroup('billing');
  await expect(orders.describeShareGroup('billing')).rejects.toMatchObject({
    code: 'ERR_VARVE_NOT_FOUND',
  });
  const reopened = await bench.reopen(store);
  expect(reopened.shareGroups()).toEqual([]);
  await reopened.close();
});
