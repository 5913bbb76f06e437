/** Calls that come twice, too late, or from the wrong place: typed errors, and nothing has changed. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { present } from '../../../src/core/assert.ts';
import type { Delivery } from '../../../src/queue/delivery.ts';
import type { ShareGroup } from '../../../src/queue/share-group.ts';
import type { Store } from '../../../src/store/store.ts';
import { QueueBench } from '../../support/queue-bench.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const LOST = { code: 'ERR_VARVE_LEASE_LOST' };
const INVALID = { code: 'ERR_VARVE_INVALID_ARGUMENT' };
const NOT_FOUND = { code: 'ERR_VARVE_NOT_FOUND' };

/** Each way to settle a record, or to keep it. */
const WAYS: readonly [string, (delivery: Delivery<string>) => Promise<unknown>][] = [
  ['ack', (delivery) => delivery.ack()],
  ['release', (delivery) => delivery.release({ failed: true })],
  ['reject', (delivery) => delivery.reject('no')],
  ['giveBack', (delivery) => delivery.giveBack()],
  ['renew', async (delivery) => delivery.renew()],
  ['transaction', (delivery) => delivery.transaction(() => undefined)],
];

async function acquireOne(group: ShareGroup<string>): Promise<Delivery<string>> {
  const [delivery] = await group.acquire();
  return present(delivery, 'one is ready');
}

/** Has `call` refused, and everything that is journaled and counted stay as it was. */
async function expectNoEffect(
  store: Store,
  call: () => Promise<unknown>,
  error: object,
): Promise<void> {
  const look = async () => {
    const stats = await Promise.all(
      store.shareGroups().map(async ({ topic, name }) => {
        const { stats: figures, leases } = await (
          await store.topic(topic)
        ).describeShareGroup(name);
        return { figures, leases };
      }),
    );
    return { hash: store.stateHash(), topics: store.topics(), stats };
  };
  const before = await look();
  await expect(call()).rejects.toMatchObject(error);
  expect(await look()).toEqual(before);
}

describe('a record that was settled', () => {
  test.each(WAYS)('cannot be settled or kept otherwise: %s', async (name, settle) => {
    for (const [first, end] of WAYS.slice(0, 4)) {
      if (first === name && name === 'ack') continue;
      const store = await new StoreBench().open();
      const queue = await store.queue('q', { codec: utf8 });
      await queue.sendBatch([{ value: 'a' }, { value: 'b' }]);
      const delivery = await acquireOne(queue);
      await end(delivery);
      await expectNoEffect(store, () => settle(delivery), {
        ...LOST,
        details: { reason: 'settled' },
      });
      await store.close();
    }
  });

  test('may be acknowledged again, at the same time and later, and counts once', async () => {
    const store = await new StoreBench().open();
    const queue = await store.queue('q', { codec: utf8 });
    await queue.sendBatch([{ value: 'a' }, { value: 'b' }]);
    const delivery = await acquireOne(queue);
    await Promise.all([delivery.ack(), delivery.ack(), queue.ackAll([delivery, delivery])]);
    const before = store.stateHash();
    await delivery.ack();
    await queue.ackAll([delivery]);
    expect(store.stateHash()).toBe(before);
    expect(await queue.stats()).toMatchObject({ unsettledCount: 1, settled: { acked: 1 } });
    await store.close();
  });
});

describe('a delivery of somewhere else', () => {
  test('is acknowledged by no group but its own, with all that came with it', async () => {
    const store = await new StoreBench().open();
    const topic = await store.topic('t', { codec: utf8 });
    await topic.append({ value: 'a' });
    const one = await topic.shareGroup('one');
    const two = await topic.shareGroup('two');
    const queue = await store.queue('q', { codec: utf8 });
    await queue.send('b');
    const otherStore = await new StoreBench().open();
    const otherQueue = await otherStore.queue('q', { codec: utf8 });
    await otherQueue.send('c');
    const own = await acquireOne(one);
    for (const foreign of [two, queue, otherQueue]) {
      const delivery = await acquireOne(foreign);
      await expectNoEffect(store, () => one.ackAll([own, delivery]), INVALID);
      expect([own.isSettled, delivery.isSettled]).toEqual([false, false]);
      await delivery.ack();
    }
    const forged: unknown = { offset: 0, partition: 0, isSettled: false };
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what JavaScript callers may pass
    const forgeries = [own, forged] as Delivery<string>[];
    await expectNoEffect(store, () => one.ackAll(forgeries), INVALID);
    await own.ack();
    expect(await one.stats()).toMatchObject({ unsettledCount: 0, settled: { acked: 1 } });
    await otherStore.close();
    await store.close();
  });

  test('is acknowledged by any consumer of its group', async () => {
    const store = await new StoreBench().open();
    const queue = await store.queue('q', { codec: utf8 });
    const other = await store.queue('q', { codec: utf8 });
    await queue.send('a');
    await other.ackAll([await acquireOne(queue)]);
    expect(await queue.stats()).toMatchObject({ unsettledCount: 0, settled: { acked: 1 } });
    await store.close();
  });

  test('nor is one of a process that was killed: who has the record now keeps it', async () => {
    const bench = new QueueBench();
    const { queue } = await bench.open();
    await queue.sendBatch([{ value: 'a' }, { value: 'b' }]);
    const stale = await acquireOne(queue);
    const { store, queue: next } = await bench.next();
    const fresh = await acquireOne(next);
    expect(fresh).toMatchObject({ offset: stale.offset, attempt: 2 });
    await expectNoEffect(store, () => next.ackAll([stale]), INVALID);
    await fresh.ack();
    expect(await next.stats()).toMatchObject({ unsettledCount: 1, settled: { acked: 1 } });
  });
});

describe('a delivery whose consumer was closed', () => {
  test.each(WAYS)('is lost, and the record of who has it now: %s', async (_, settle) => {
    const store = await new StoreBench().open();
    const queue = await store.queue('q', { codec: utf8 });
    const other = await store.queue('q', { codec: utf8 });
    await queue.send('a');
    const late = await acquireOne(queue);
    const { signal } = late;
    await queue.close();
    expect(signal.reason).toMatchObject(LOST);
    const next = await acquireOne(other);
    expect(next).toMatchObject({ attempt: 2, failures: 0, expiries: 0 });
    await expectNoEffect(store, () => settle(late), { ...LOST, details: { reason: 'closed' } });
    await next.ack();
    await store.close();
  });

  test.each(WAYS)('with its store is lost, and stays as it was: %s', async (_, settle) => {
    const bench = new StoreBench();
    const closed = await bench.open();
    const queue = await closed.queue('q', { codec: utf8 });
    await queue.send('a');
    const late = await acquireOne(queue);
    await closed.close();
    const store = await bench.open();
    await expectNoEffect(store, () => settle(late), { ...LOST, details: { reason: 'closed' } });
    const again = await store.queue('q', { codec: utf8 });
    expect(await acquireOne(again)).toMatchObject({ attempt: 2, failures: 0 });
    await store.close();
  });
});

describe('a group that is not there', () => {
  test.each<[string, (store: Store) => Promise<unknown>]>([
    ['shareGroup', async (store) => (await store.topic('t')).shareGroup('none', { create: false })],
    ['describe', async (store) => (await store.topic('t')).describeShareGroup('none')],
    ['alter', async (store) => (await store.topic('t')).alterShareGroup('none', { leaseMs: 99 })],
    ['delete', async (store) => (await store.topic('t')).deleteShareGroup('none')],
    ['browse', async (store) => (await store.topic('t')).browseShareGroup('none').next()],
    ['queue of a topic', (store) => store.queue('t', { create: false })],
    ['queue', (store) => store.queue('none', { create: false })],
  ])('is not found, and not made: %s', async (_, call) => {
    const store = await new StoreBench().open();
    await (await store.topic('t', { codec: utf8 })).shareGroup('there');
    await expectNoEffect(store, () => call(store), NOT_FOUND);
    await store.close();
  });
});
