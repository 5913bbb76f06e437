/** What consumers of a share group get wrong, and what happens around them. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { present } from '../../../src/core/assert.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import type { Delivery } from '../../../src/queue/delivery.ts';
import { shareGroups, shareNameOf } from '../../../src/queue/share-state.ts';
import { turns } from '../../support/log-fixture.ts';
import { StoreDisk } from '../../support/store-disk.ts';
import { foldOfEntries } from '../../support/simulation/store/journal-hash.ts';
import { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import { StoreBench } from '../../support/store-fixture.ts';

async function queueOf(count: number, options = {}) {
  const bench = new StoreBench();
  const store = await bench.open();
  const queue = await store.queue('q', { codec: utf8, ...options });
  if (count > 0)
    await queue.sendBatch(Array.from({ length: count }, (_, at) => ({ value: `${at}` })));
  return { bench, store, queue };
}

describe('a share group', () => {
  test('gives back nothing when it is closed before it could acquire', async () => {
    const { store, queue } = await queueOf(3);
    const other = await store.queue('q', { codec: utf8 });
    const acquired = queue.acquire({ max: 2 });
    const closing = queue.close();
    await expect(acquired).rejects.toMatchObject({ code: 'ERR_VARVE_CLOSED' });
    await closing;
    const stats = await other.stats();
    expect(stats).toMatchObject({ readyCount: 3, leasedCount: 0 });
    await store.close();
  });

  test('gives back what an acquire under way brings after it was closed', async () => {
    const { store, queue } = await queueOf(3);
    const other = await store.queue('q', { codec: utf8 });
    const [one] = await queue.acquire();
    await one?.ack();
    const acquired = queue.acquire({ max: 2 });
    const closing = queue.close();
    await expect(acquired).rejects.toMatchObject({ code: 'ERR_VARVE_CLOSED' });
    await closing;
    const stats = await other.stats();
    expect(stats).toMatchObject({ readyCount: 2, leasedCount: 0 });
    await store.close();
  });

  test('its last handle, closed while it acquires, leaves no lease that would count as a crash', async () => {
    const { store, queue } = await queueOf(3);
    const [one] = await queue.acquire();
    await one?.ack();
    const acquired = queue.acquire({ max: 2 });
    const closing = queue.close();
    await expect(acquired).rejects.toMatchObject({ code: 'ERR_VARVE_CLOSED' });
    await closing;
    const again = await store.queue('q', { codec: utf8 });
    const got = await again.acquire({ max: 5 });
    expect(got.map(({ crashes, attempt }) => [crashes, attempt])).toEqual([
      [0, 1],
      [0, 1],
    ]);
    await store.close();
  });

  test('holds a delay to the wall clock, which may go back and forth', async () => {
    const { bench, store, queue } = await queueOf(1);
    const [one] = await queue.acquire();
    await one?.release({ delayMs: 10_000 });
    const t = bench.clock.now();
    bench.clock.jumpTo(t - 3_600_000);
    bench.clock.advance(5000);
    expect(await queue.acquire()).toEqual([]);
    bench.clock.jumpTo(t + 10_001);
    bench.clock.advance(1100);
    expect((await queue.acquire()).length).toBe(1);
    await store.close();
  });

  test('holds a delay to the wall clock, also to one that went back before it began', async () => {
    const { bench, store, queue } = await queueOf(1);
    const [one] = await queue.acquire();
    bench.clock.jumpTo(bench.clock.now() - 3_600_000);
    await one?.release({ delayMs: 1000 });
    bench.clock.advance(900);
    expect(await queue.acquire()).toEqual([]);
    bench.clock.advance(1200);
    expect(await queue.acquire()).toMatchObject([{ attempt: 2 }]);
    await store.close();
  });

  test('counts no record as ready that was deleted before anybody came past it', async () => {
    const { store, queue } = await queueOf(3);
    const [one] = await queue.acquire();
    await one?.release();
    await queue.topic.deleteBefore({ partition: 0, offset: 2 });
    expect(await queue.stats()).toMatchObject({ readyCount: 1, oldestReadyAgeMs: 0 });
    await store.close();
  });

  test('hands a delayed record to who waits for it, also in the next process', async () => {
    const { bench, store, queue } = await queueOf(1);
    const [one] = await queue.acquire();
    await one?.release({ delayMs: 5000 });
    const again = await bench.reopen(store);
    const next = await again.queue('q', { codec: utf8 });
    const waiting = next.acquire({ waitMs: Number.POSITIVE_INFINITY });
    await turns(50);
    bench.clock.advance(5100);
    expect(await waiting).toMatchObject([{ attempt: 2 }]);
    await again.close();
  });

  test('brings nothing back from a purge that was deleted since', async () => {
    const { store, queue } = await queueOf(3);
    expect(await queue.purge()).toBe(3);
    await queue.topic.deleteBefore({ partition: 0, offset: 2 });
    expect(await queue.undoPurge()).toBe(1);
    expect(await queue.acquire({ max: 3 })).toMatchObject([{ offset: 2, attempt: 1 }]);
    await store.close();
  });

  test('buries once what a purge takes while it is condemned, and what comes back of it', async () => {
    const disk = await StoreDisk.make();
    const options = { codec: utf8, failuresMax: 1, deadLetter: 'dead' };
    let store = await disk.open();
    let queue = await store.queue('q', options);
    await queue.send('a');
    for (let crash = 0; crash < 4; crash++) {
      expect(await queue.acquire()).toHaveLength(1);
      disk.kill();
      store = await disk.open();
      queue = await store.queue('q', options);
    }
    await queue.purge();
    await turns(300);
    await queue.undoPurge();
    await turns(300);
    const dead = await store.queue('dead', { codec: utf8 });
    const stats = await queue.stats();
    expect((await dead.acquire({ max: 5 })).length).toBe(1);
    expect(stats).toMatchObject({ readyCount: 0, settled: { crash: 1, purged: 0 } });
    await store.close();
  });
});

test('a record that was tried and is deleted is not ready any more', async () => {
  const store = await new StoreBench().open();
  const queue = await store.queue('q', { codec: utf8, retention: 'keep' });
  await queue.sendBatch(['a', 'b', 'c'].map((value) => ({ value })));
  const [one] = await queue.acquire();
  await one?.release();
  await queue.topic.deleteBefore({ partition: 0, offset: 2 });
  const rest = await queue.acquire({ max: 3 });
  expect(rest.map(({ offset }) => offset)).not.toContain(0);
  await queue.ackAll(rest);
  await queue.acquire({ max: 3 });
  expect(await queue.stats()).toMatchObject({ readyCount: 0, leasedCount: 0 });
  await store.close();
});

test('a topic that is deleted while its first record dies does not wait for itself', async () => {
  const store = await new StoreBench().open();
  const queue = await store.queue('q', { codec: utf8, deadLetter: 'dead' });
  await queue.send('a');
  const [delivery] = await queue.acquire();
  const rejected = delivery?.reject('no');
  const deleted = store.deleteTopic('q');
  await rejected;
  expect(await deleted).toMatchObject({ groups: ['queue'] });
  expect(await (await store.queue('dead', { codec: utf8 })).acquire()).toMatchObject([
    { value: 'a' },
  ]);
  await store.close();
});

test('an ack of which nobody knows whether it is on the disk says so, each time', async () => {
  const fileSystem = new FaultyFileSystem({ random: new SeededRandom(1) });
  const store = await new StoreBench().open({ fileSystem });
  const queue = await store.queue('q', { codec: utf8 });
  await queue.send('a');
  const [delivery] = await queue.acquire();
  fileSystem.addFault({ operations: ['datasync'], path: /journal/, errno: 'EIO' });
  const unknown = { code: 'ERR_VARVE_FAILED', details: { indeterminate: true } };
  await expect(delivery?.ack()).rejects.toMatchObject(unknown);
  await expect(delivery?.ack()).rejects.toMatchObject(unknown);
  await expect(delivery?.release()).rejects.toMatchObject({
    code: 'ERR_VARVE_LEASE_LOST',
    details: { reason: 'settled' },
  });
  await expect(store.close()).rejects.toMatchObject({ code: 'ERR_VARVE_FAILED' });
});

test('a record that cannot be read for a moment is ready again, and whoever wanted it is told', async () => {
  const bench = new StoreBench();
  const fileSystem = new FaultyFileSystem({ random: new SeededRandom(1) });
  let store = await bench.open({ fileSystem });
  let queue = await store.queue('q', { codec: utf8, leasedMax: 2 });
  await queue.sendBatch([{ value: 'a' }, { value: 'b' }]);
  for (const delivery of await queue.acquire({ max: 2 })) await delivery.release({ delayMs: 1000 });
  await store.close();
  store = await bench.open({ fileSystem }); // Nothing is in memory.
  queue = await store.queue('q', { codec: utf8 });
  expect(await queue.acquire()).toEqual([]);
  bench.clock.advance(1100);
  fileSystem.addFault({ operations: ['read'], path: /topics/, errno: 'EMFILE', times: 10 });
  await expect(queue.acquire({ max: 2 })).rejects.toMatchObject({
    code: 'ERR_VARVE_IO',
    retryable: true,
  });
  fileSystem.clearFaults();
  expect(await queue.acquire({ max: 3 })).toMatchObject([{ attempt: 2 }, { attempt: 2 }]);
  await store.close();
});

test('a lease is renewed for a time that leases may have, and else stays as it was', async () => {
  const { store, queue } = await queueOf(1, { leaseMs: 1000 });
  const [delivery] = await queue.acquire();
  for (const leaseMs of [Number.NaN, -1, 0, 9, 10.5, 43_200_001, Number.POSITIVE_INFINITY]) {
    expect(() => delivery?.renew(leaseMs)).toThrow(
      expect.objectContaining({ code: 'ERR_VARVE_INVALID_ARGUMENT' }),
    );
  }
  expect(delivery?.leaseLeftMs).toBe(1000);
  delivery?.renew(43_200_000);
  expect(delivery?.leaseLeftMs).toBe(43_200_000);
  await store.close();
});

test('whatever a holder says of a record, it comes back', async () => {
  const { store, queue } = await queueOf(1, { failuresMax: null });
  const said = [
    Object.assign(new Error('x'), { message: Symbol('no text') }),
    Object.create(null),
    Symbol('why'),
    '\ud800'.repeat(2000),
    null,
  ];
  for (const [failures, error] of said.entries()) {
    const [delivery] = await queue.acquire();
    expect(delivery).toMatchObject({ failures });
    await delivery?.release({ failed: true, error });
  }
  expect(await queue.stats()).toMatchObject({ readyCount: 1, leasedCount: 0 });
  await store.close();
});

test('errors name a queue by its own name, for the group of all of them is `queue`', async () => {
  const { store, queue } = await queueOf(0, { failuresMax: 3 });
  await expect(store.queue('q', { failuresMax: 4 })).rejects.toMatchObject({
    message: 'queue q: stored failuresMax 3, requested failuresMax 4',
  });
  const orders = await store.topic('orders');
  await expect(orders.describeShareGroup('queue')).rejects.toMatchObject({
    message: 'there is no queue orders',
  });
  const billing = await orders.shareGroup('billing', { failuresMax: 3 });
  await expect(orders.shareGroup('billing', { failuresMax: 4 })).rejects.toMatchObject({
    message: 'share group billing: stored failuresMax 3, requested failuresMax 4',
  });
  await queue.close();
  await expect(queue.acquire()).rejects.toMatchObject({ message: 'queue q is closed' });
  await billing.close();
  await expect(billing.acquire()).rejects.toMatchObject({
    message: 'share group billing is closed',
  });
  await store.close();
});

/** Deletes the topic of dead letters just when it is to be made a queue, for a record that dies. */
async function deletedWhileMade(die: (bench: StoreBench, delivery: Delivery<string>) => unknown) {
  const fileSystem = new FaultyFileSystem({ random: new SeededRandom(1) });
  const bench = new StoreBench();
  const store = await bench.open({ fileSystem });
  const dying = { deadLetter: 'dead', expiriesMax: 1, leaseMs: 100 };
  const queue = await store.queue('q', { codec: utf8, ...dying });
  await store.topic('dead'); // No queue yet.
  const topicId = present(store.topics().find(({ name }) => name === 'dead')?.topicId, 'made');
  await queue.send('a');
  const delivery = present((await queue.acquire())[0], 'sent');
  // Where the group begins is asked of the log, which takes a while to open.
  const open = fileSystem.open.bind(fileSystem);
  let letOpen: () => void = () => undefined;
  let isOpening = false;
  const mayOpen = new Promise<void>((resolve) => (letOpen = resolve));
  fileSystem.open = async (path, mode) => {
    if (path.includes('/dead-')) {
      isOpening = true;
      await mayOpen;
    }
    return open(path, mode);
  };
  const died = die(bench, delivery);
  await expect.poll(() => isOpening).toBe(true);
  const deleted = store.deleteTopic('dead');
  await turns(20);
  letOpen();
  await deleted;
  /** Ids of topics with a share group, as the journal has them. */
  const topicIds = async (): Promise<number[]> => {
    await store.close();
    const fold = present(await foldOfEntries(fileSystem), 'it has a journal');
    return fold.ids(shareGroups).map((id) => shareNameOf(id).topicId);
  };
  return { bench, store, queue, topicId, died, topicIds };
}

describe('a topic of dead letters that is deleted while it is made a queue', () => {
  test('leaves no group behind, and is made anew for the record', async () => {
    const { store, topicId, died, topicIds } = await deletedWhileMade((_, delivery) =>
      delivery.reject('no'),
    );
    await died;
    expect(store.queues().map(({ topic }) => topic)).toEqual(['dead', 'q']);
    expect(await topicIds()).not.toContain(topicId);
  });

  test('is made anew for a record whose lease ran out', async () => {
    const { bench, store, queue, topicId, topicIds } = await deletedWhileMade(({ clock }) => {
      clock.advance(150);
    });
    for (let second = 0; second < 3; second++) {
      await turns(20);
      bench.clock.advance(1000);
    }
    await turns(20);
    expect(await queue.stats()).toMatchObject({ leasedCount: 0, settled: { 'lease-expired': 1 } });
    expect(store.queues().map(({ topic }) => topic)).toEqual(['dead', 'q']);
    expect(store.health().status).toBe('ok');
    expect(await topicIds()).not.toContain(topicId);
  });
});

test('a partition that the group could not begin in, on a full disk, is begun in later', async () => {
  const fileSystem = new FaultyFileSystem({ random: new SeededRandom(1) });
  const store = await new StoreBench().open({ fileSystem });
  const queue = await store.queue('q', { codec: utf8 });
  expect(await queue.acquire()).toEqual([]);
  const failures: unknown[] = [];
  store.on('lease-failed', ({ error }) => failures.push(error));
  await store.addPartitions('q', 2);
  // Twice: the first time the journal has the reserve.
  const noRoom = { operations: ['write'], path: /journal.*log$/, errno: 'ENOSPC' } as const;
  fileSystem.addFault({ ...noRoom, times: 2 });
  await turns(100);
  expect(failures).toMatchObject([{ code: 'ERR_VARVE_DISK_FULL' }]);
  await queue.topic.append({ value: 'a' }, { partition: 1 });
  await queue.topic.append({ value: 'b' }, { partition: 1 });
  expect(await queue.cancel({ partition: 1, offset: 0 })).toBe(true);
  expect(await queue.acquire()).toMatchObject([{ partition: 1, value: 'b' }]);
  await store.close();
});
