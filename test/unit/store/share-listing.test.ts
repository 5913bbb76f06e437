/** Share groups as a store lists, describes, alters and deletes them. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import type { Store } from '../../../src/store/store.ts';
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

describe('options of the topic, altered with the settings of its group', () => {
  async function jobs() {
    const bench = new StoreBench();
    const store = await bench.open();
    const queue = await store.queue('jobs', { partitions: 1 });
    return { bench, store, topic: queue.topic };
  }

  /** What was changed, if anything was. */
  async function found(store: Store) {
    const topic = await store.topic('jobs');
    const { leaseMs } = (await topic.describeShareGroup('queue')).settings;
    return { leaseMs, dedupWindowMs: store.describeTopic('jobs').options.dedupWindowMs };
  }

  test('are one entry of the journal, and both count at once', async () => {
    const { bench, store, topic } = await jobs();
    const { endOffset: before } = store.stats().journal;
    const altered: unknown[] = [];
    store.on('topic-altered', ({ name }) => altered.push(name));
    const settings = await topic.alterShareGroup(
      'queue',
      { leaseMs: 5000 },
      { dedupWindowMs: 'settled' },
    );
    expect(settings.leaseMs).toBe(5000);
    expect(store.stats().journal.endOffset).toBe(before + 1);
    expect(altered).toEqual(['jobs']);
    const wanted = { leaseMs: 5000, dedupWindowMs: 'settled' };
    expect(await found(store)).toEqual(wanted);
    const reopened = await bench.reopen(store);
    expect(await found(reopened)).toEqual(wanted);
    await reopened.close();
  });

  test.each([
    ['a wrong setting', { leaseMs: 1 }, { dedupWindowMs: 1000 }, '`leaseMs`'],
    ['a wrong option', { leaseMs: 5000 }, { dedupWindowMs: 0 }, '`dedupWindowMs`'],
  ] as const)('%s: none of them is changed', async (_what, config, ofTopic, message) => {
    const { store, topic } = await jobs();
    const before = await found(store);
    await expect(topic.alterShareGroup('queue', config, ofTopic)).rejects.toThrow(message);
    expect(await found(store)).toEqual(before);
    await store.close();
  });

  test('of a topic that is deleted in front of them: neither it nor its successor is changed', async () => {
    const { store, topic } = await jobs();
    const before = await found(store);
    const deleting = store.deleteTopic('jobs');
    const creating = deleting.then(() => store.queue('jobs', { partitions: 1 }));
    const altering = topic.alterShareGroup('queue', { leaseMs: 5000 }, { dedupWindowMs: 1000 });
    await expect(altering).rejects.toMatchObject({ code: 'ERR_VARVE_NOT_FOUND' });
    await creating;
    expect(await found(store)).toEqual(before);
    await store.close();
  });
});
