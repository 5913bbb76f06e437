/** Ack, append and send in one commit. */
import { describe, expect, test } from 'vitest';

import { json, utf8 } from '../../../src/codec/codec.ts';
import { present } from '../../../src/core/assert.ts';
import { MIB } from '../../../src/core/limits.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import type { Delivery } from '../../../src/queue/delivery.ts';
import type { Transaction as DeliveryTransaction } from '../../../src/transaction/transaction.ts';
import type { Queue } from '../../../src/queue/queue.ts';
import { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import { textsOf } from '../../support/dead-queue.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { turns } from '../../support/log-fixture.ts';
import { crashAtEveryCall } from '../../support/queue-crashes.ts';
import { StoreDisk } from '../../support/store-disk.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const LOST = { code: 'ERR_VARVE_LEASE_LOST' };

/** A queue `in` with one record, leased for a second; a queue `out` and a topic `log`. */
async function leased(fileSystem = new FaultyFileSystem({ random: new SeededRandom(1) })) {
  const bench = new StoreBench();
  const store = await bench.open({ fileSystem });
  const queue = await store.queue('in', { codec: utf8, leaseMs: 1000 });
  const out = await store.queue('out', { codec: json<{ n: number }>(), partitions: 2 });
  const log = await store.topic('log', { codec: utf8, partitions: 2 });
  await queue.send('work');
  const delivery = await acquireOne(queue);
  return { bench, fileSystem, store, queue, out, log, delivery };
}

type Setting = Awaited<ReturnType<typeof leased>>;

async function acquireOne(queue: Queue<string>): Promise<Delivery<string>> {
  const [delivery] = await queue.acquire({ waitMs: 1000 });
  return present(delivery, 'one is ready');
}

/** Values of the topic, by partition. */
async function logged({ log }: Pick<Setting, 'log'>): Promise<readonly (string | null)[]> {
  const values: (string | null)[] = [];
  for (const partitions of [0, 1]) {
    for await (const { value } of log.records({ partitions })) values.push(value);
  }
  return values;
}

async function expectNothing(setting: Setting): Promise<void> {
  expect(await logged(setting)).toEqual([]);
  expect(await setting.out.peek()).toEqual([]);
}

function writeBoth({ log, out }: Pick<Setting, 'log' | 'out'>) {
  return (transaction: DeliveryTransaction): void => {
    transaction.append(log, { value: 'a' }, { partition: 0 });
    transaction.append(log, [{ value: 'b' }, { value: 'c' }], { partition: 0 });
    transaction.append(log, { value: 'd', key: 'some' }, { partition: 1 });
    transaction.send(out, { n: 1 }, { key: 'k', headers: { h: 'x' }, createTimeMs: 7 });
  };
}

describe('a transaction', () => {
  test('acknowledges, appends and sends', async () => {
    const setting = await leased();
    const { delivery, out, queue, store } = setting;
    const result = await delivery.transaction(async (transaction) => {
      writeBoth(setting)(transaction);
      await expectNothing(setting);
      return 42;
    });
    expect(result).toBe(42);
    expect(delivery.isSettled).toBe(true);
    expect(await logged(setting)).toEqual(['a', 'b', 'c', 'd']);
    const [sent] = await out.acquire({ max: 5 });
    expect(sent).toMatchObject({ value: { n: 1 }, key: 'k', createTimeMs: 7 });
    expect([...(sent?.headers.keys() ?? [])]).toEqual(['h']);
    expect(await queue.acquire()).toEqual([]);
    expect(await queue.stats()).toMatchObject({ leasedCount: 0, settled: { acked: 1 } });
    await store.close();
  });

  test('with nothing to append is an ack', async () => {
    const { delivery, queue, store, log } = await leased();
    await delivery.transaction((transaction) => transaction.append(log, []));
    expect(await queue.stats()).toMatchObject({ unsettledCount: 0, settled: { acked: 1 } });
    await store.close();
  });

  test('into its own queue, once', async () => {
    const { delivery, queue, store } = await leased();
    await delivery.transaction((transaction) => transaction.send(queue, 'next step'));
    const next = await acquireOne(queue);
    expect(next).toMatchObject({ value: 'next step', attempt: 1 });
    await next.ack();
    await store.close();
  });

  test('is one commit: a crash at any call leaves all of it, or nothing', async () => {
    const disk = await StoreDisk.make();
    const store = await disk.open();
    const queue = await store.queue('in', { codec: utf8 });
    await store.queue('out', { codec: json<{ n: number }>(), partitions: 2 });
    await store.topic('log', { codec: utf8, partitions: 2 });
    await queue.send('work');
    await store.close();
    const found = await crashAtEveryCall({
      disk,
      async prepare(own) {
        const out = await own.queue('out', { codec: json<{ n: number }>() });
        const log = await own.topic('log', { codec: utf8 });
        const delivery = await acquireOne(await own.queue('in', { codec: utf8 }));
        expect([await logged({ log }), await out.peek()]).toEqual([[], []]);
        return { out, log, delivery };
      },
      run: ({ delivery, ...setting }) => delivery.transaction(writeBoth(setting)),
      async look(own, mishap) {
        const left = await textsOf(own, 'in');
        const sent = await textsOf(own, 'out');
        const values = await logged({ log: await own.topic('log', { codec: utf8 }) });
        const isDone = left.length === 0;
        expect(sent).toEqual(isDone ? ['{"n":1}'] : []);
        expect(values).toEqual(isDone ? ['a', 'b', 'c', 'd'] : []);
        if (mishap === 'none') expect(isDone).toBe(true);
        return isDone ? 'done' : 'not done';
      },
    });
    expect([...found.keys()].toSorted()).toEqual(['done', 'not done']);
    for (const count of found.values()) expect(count).toBeGreaterThan(1);
  });

  test('whose lease ended before it was committed changes nothing', async () => {
    const setting = await leased();
    const { bench, delivery, queue, store } = setting;
    const done = delivery.transaction((transaction) => {
      writeBoth(setting)(transaction);
      bench.clock.advance(1100);
    });
    await expect(done).rejects.toMatchObject({ ...LOST, details: { reason: 'expired' } });
    await expectNothing(setting);
    const again = await acquireOne(queue);
    expect(again).toMatchObject({ attempt: 2, expiries: 1 });
    const late = delivery.transaction(() => expect.unreachable('the lease is over'));
    await expect(late).rejects.toMatchObject(LOST);
    await again.transaction(writeBoth(setting));
    expect(await logged(setting)).toEqual(['a', 'b', 'c', 'd']);
    await store.close();
  });

  test('keeps its lease while it is being committed, however long that takes', async () => {
    const fileSystem = new FaultyFileSystem({ random: new SeededRandom(1) });
    const held = new HeldSyncs(fileSystem, '/journal/0'); // Not its checkpoint.
    const setting = await leased(fileSystem);
    const { bench, delivery, queue, store, log } = setting;
    await log.append({ value: 'opens its log' }, { partition: 0 });
    held.hold();
    const done = delivery.transaction(writeBoth(setting));
    for (let n = 0; n < 100 && held.waiting.length === 0; n++) await turns(1);
    expect(held.waiting).toHaveLength(1);
    bench.clock.advance(60_000);
    for (const settle of [delivery.ack(), delivery.release(), delivery.reject('no')]) {
      await expect(settle).rejects.toMatchObject({ ...LOST, details: { reason: 'settled' } });
    }
    const second = delivery.transaction(() => expect.unreachable('another one is under way'));
    await expect(second).rejects.toMatchObject({ ...LOST, details: { reason: 'settled' } });
    held.release();
    await done;
    expect(delivery.signal.aborted).toBe(false);
    expect(await queue.stats()).toMatchObject({ unsettledCount: 0, settled: { acked: 1 } });
    expect(await logged(setting)).toEqual(['opens its log', 'a', 'b', 'c', 'd']);
    await store.close();
  });

  test('that throws has not happened, and the lease goes on', async () => {
    const setting = await leased();
    const { bench, delivery, queue, store } = setting;
    const reason = new Error('changed my mind');
    const done = delivery.transaction((transaction) => {
      writeBoth(setting)(transaction);
      throw reason;
    });
    await expect(done).rejects.toBe(reason);
    await expectNothing(setting);
    expect(delivery.isSettled).toBe(false);
    bench.clock.advance(900);
    delivery.renew();
    bench.clock.advance(900);
    await delivery.transaction(writeBoth(setting));
    expect(await logged(setting)).toEqual(['a', 'b', 'c', 'd']);
    expect(await queue.stats()).toMatchObject({ settled: { acked: 1 } });
    await store.close();
  });

  test('that is too large has not happened, and the lease goes on', async () => {
    const setting = await leased();
    const { bench, delivery, store, log } = setting;
    const value = 'x'.repeat(MIB - 1000);
    const tooMuch = delivery.transaction((transaction) => {
      for (let n = 0; n < 9; n++) transaction.append(log, { value });
    });
    await expect(tooMuch).rejects.toMatchObject({ code: 'ERR_VARVE_TOO_LARGE' });
    await expectNothing(setting);
    bench.clock.advance(1100);
    expect(delivery.signal.aborted).toBe(true); // It ran on, and ended in its time.
    await store.close();
  });

  test('without room on the disk has not happened, and may be tried again', async () => {
    const setting = await leased();
    const { fileSystem, delivery, store } = setting;
    // Twice: the first time the journal has the reserve.
    const full = { operations: ['write'], path: /journal\/.*log$/, errno: 'ENOSPC' } as const;
    fileSystem.addFault({ ...full, times: 2 });
    const done = delivery.transaction(writeBoth(setting));
    await expect(done).rejects.toMatchObject({ code: 'ERR_VARVE_DISK_FULL' });
    await expectNothing(setting);
    await delivery.transaction(writeBoth(setting));
    expect(await logged(setting)).toEqual(['a', 'b', 'c', 'd']);
    await store.close();
  });

  test('of a record that was settled meanwhile has not happened', async () => {
    const setting = await leased();
    const { delivery, queue, store } = setting;
    const done = delivery.transaction(async (transaction) => {
      writeBoth(setting)(transaction);
      await delivery.release();
    });
    await expect(done).rejects.toMatchObject({ ...LOST, details: { reason: 'settled' } });
    await expectNothing(setting);
    expect(await acquireOne(queue)).toMatchObject({ attempt: 2 });
    await store.close();
  });

  test('of a consumer that was closed meanwhile has not happened', async () => {
    const setting = await leased();
    const { delivery, queue, store } = setting;
    const done = delivery.transaction(async (transaction) => {
      writeBoth(setting)(transaction);
      await queue.close();
    });
    await expect(done).rejects.toMatchObject({ ...LOST, details: { reason: 'closed' } });
    await expectNothing(setting);
    await store.close();
  });
});

describe('what a transaction takes', () => {
  test('is checked and copied when it is added', async () => {
    const setting = await leased();
    const { delivery, store, log } = setting;
    const raw = await store.topic('raw');
    const value = new Uint8Array([1, 2, 3]);
    await delivery.transaction((transaction) => {
      const invalid = expect.objectContaining({ code: 'ERR_VARVE_INVALID_ARGUMENT' });
      const refused = (add: () => void) => {
        let error: unknown = null;
        try {
          add();
        } catch (thrown) {
          error = thrown;
        }
        expect(error).toEqual(invalid);
      };
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what JavaScript callers may pass
      const never = undefined as never;
      refused(() => transaction.append(log, { value: never }));
      refused(() => transaction.append(log, { value: 'x' }, { partition: 2 }));
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as above
      refused(() => transaction.append(log, { value: 'x' }, { durability: 'os' } as object));
      refused(() => transaction.append(never, { value: 'x' }));
      refused(() => transaction.send(never, 'x'));
      refused(() => transaction.append(log, [{ value: 'x' }, { value: never }]));
      expect(() => transaction.append(log, { value: '\u{d800}' })).toThrow('utf8');
      transaction.append(raw, { value });
      value.fill(9);
    });
    expect(await logged(setting)).toEqual([]);
    expect((await raw.read({ partition: 0, offset: 0 }))?.value).toEqual(new Uint8Array([1, 2, 3]));
    await store.close();
  });

  test('is of the same store, and of its own time', async () => {
    const setting = await leased();
    const { delivery, store, log } = setting;
    const other = await leased();
    let kept: DeliveryTransaction | null = null;
    await delivery.transaction((transaction) => {
      kept = transaction;
      expect(() => transaction.append(other.log, { value: 'x' })).toThrow('of the store');
      expect(() => transaction.send(other.out, { n: 1 })).toThrow('of the store');
    });
    const late: DeliveryTransaction = present<DeliveryTransaction>(kept, 'it ran');
    expect(() => late.append(log, { value: 'x' })).toThrow('is closed');
    await expectNothing(other);
    await other.store.close();
    await store.close();
  });

  test('may be for a topic that is deleted by then: nothing happens', async () => {
    const setting = await leased();
    const { delivery, store, out, queue } = setting;
    const done = delivery.transaction(async (transaction) => {
      writeBoth(setting)(transaction);
      await store.deleteTopic('log');
    });
    await expect(done).rejects.toMatchObject({ code: 'ERR_VARVE_CLOSED' });
    expect(await out.peek()).toEqual([]);
    await delivery.ack();
    expect(await queue.stats()).toMatchObject({ settled: { acked: 1 } });
    await store.close();
  });

  test('may be used by the handler of a worker', async () => {
    const { store, queue, delivery } = await leased();
    await delivery.release();
    const results = await store.queue('results', { codec: utf8 });
    const worker = queue.work((one) =>
      one.transaction((transaction) => transaction.send(results, `${one.value} done`)),
    );
    for (let n = 0; n < 1000 && (await results.peek()).length === 0; n++) await turns(1);
    await worker.close();
    expect(await textsOf(store, 'results')).toEqual(['work done']);
    expect(await queue.stats()).toMatchObject({ unsettledCount: 0, settled: { acked: 1 } });
    await store.close();
  });
});
