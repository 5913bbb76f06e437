/** Transactions that come to nothing: aborted, too late, closed, without a lease. */
import { describe, expect, test } from 'vitest';

import { present } from '../../../src/core/assert.ts';
import type { TransactionOptions } from '../../../src/transaction/transaction-options.ts';
import type { Transaction } from '../../../src/transaction/transaction.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { turns } from '../../support/log-fixture.ts';
import {
  ALL_OF_TX,
  appendAll,
  LEASE_MS,
  leased,
  NOTHING,
  sightOf,
  TransactionBench,
} from '../../support/transaction-bench.ts';

/** An action that ends when it is told to. */
function held() {
  const kept: Transaction[] = [];
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const action = async (tx: Transaction): Promise<string> => {
    kept.push(tx);
    await ended;
    return 'too late';
  };
  return { action, end, tx: () => present(kept[0], 'it runs') };
}

/** A store that has a transaction of two acks and five records, not ended. */
async function running(options: TransactionOptions = {}) {
  const bench = new TransactionBench();
  const setting = await bench.open();
  const deliveries = await leased(setting.inbox, ['a', 'b']);
  const { action, end, tx } = held();
  const done = setting.store.transaction((own) => {
    own.ack(deliveries);
    appendAll(setting, own);
    return action(own);
  }, options);
  await turns(1);
  return { bench, ...setting, setting, deliveries, end, tx, done };
}

type Running = Awaited<ReturnType<typeof running>>;

/** Nothing of it happened, and what it would have acked can be. */
async function expectNothing({ setting, deliveries }: Running): Promise<void> {
  expect(await sightOf(setting)).toEqual(NOTHING);
  expect(setting.store.transactions()).toEqual({ open: [], unsynced: [] });
  await setting.inbox.ackAll(deliveries);
  expect(await setting.inbox.stats()).toMatchObject({ settled: { acked: 2 }, leasedCount: 0 });
}

const ENDED = 'ERR_VARVE_TRANSACTION_ENDED';

describe('a transaction that takes too long', () => {
  test('is abandoned at its time, and its late calls say so', async () => {
    const run = await running({ timeoutMs: 500, name: 'slow' });
    const { bench, done, tx, end, audit, deliveries } = run;
    const { signal } = tx();
    bench.clock.advance(499);
    await turns(1);
    expect(signal.aborted).toBe(false);
    bench.clock.advance(1);
    const timedOut = { code: ENDED, details: { name: 'slow', state: 'timed-out' } };
    await expect(done).rejects.toMatchObject(timedOut); // Its action goes on.
    expect(signal.reason).toMatchObject(timedOut);
    const late = expect.objectContaining(timedOut) as Error;
    expect(() => tx().append(audit, { value: 'x' })).toThrow(late);
    expect(() => tx().ack(deliveries)).toThrow(late);
    expect(() => tx().abort(new Error('mine'))).toThrow(late);
    end();
    await turns(3);
    await expectNothing(run);
  });

  test('has a minute unless it says otherwise; each has its own time', async () => {
    const bench = new TransactionBench();
    const { store } = await bench.open();
    const ends: string[] = [];
    for (const [name, timeoutMs] of [
      ['default', undefined],
      ['long', 61_000],
      ['short', 1],
    ] as const) {
      store.transaction(held().action, { timeoutMs, name }).catch(() => ends.push(name));
    }
    const steps: string[][] = [];
    for (const ms of [1, 59_998, 1, 999, 1]) {
      bench.clock.advance(ms);
      await turns(1);
      steps.push(ends.splice(0));
    }
    expect(steps).toEqual([['short'], [], ['default'], [], ['long']]);
    expect(store.transactions().open).toEqual([]);
  });

  test('may wait for its turn no longer', async () => {
    const bench = new TransactionBench();
    const { store, orders } = await bench.open();
    const log = orders.partitions.at(0);
    const open = log.log.bind(log);
    let letOpen: () => void = () => undefined;
    log.log = async () => {
      await new Promise<void>((resolve) => {
        letOpen = resolve;
      });
      return open();
    };
    const done = store.transaction((tx) => tx.append(orders, { value: 'x' }, { partition: 0 }), {
      timeoutMs: 10,
    });
    await turns(3);
    expect(store.transactions().open).toMatchObject([{ state: 'waiting', appendCount: 1 }]);
    bench.clock.advance(10);
    await expect(done).rejects.toMatchObject({ code: ENDED });
    letOpen();
    await turns(5);
    log.log = open;
    expect(await orders.read({ partition: 0, offset: 0 }).catch(() => null)).toBeNull();
    expect((await open()).endOffset).toBe(0);
    expect(log.isIdle).toBe(true); // Nobody holds it open.
  });
});

describe('a transaction that is aborted', () => {
  test('by what its action throws passes it on untouched', async () => {
    const bench = new TransactionBench();
    const setting = await bench.open();
    const deliveries = await leased(setting.inbox, ['a', 'b']);
    const reason = { what: 'no error at all' };
    const done = setting.store.transaction((tx) => {
      tx.ack(deliveries);
      appendAll(setting, tx);
      // oxlint-disable-next-line typescript/only-throw-error -- actions throw what they like
      throw reason;
    });
    await expect(done).rejects.toBe(reason);
    expect(await sightOf(setting)).toEqual(NOTHING);
    bench.clock.advance(LEASE_MS - 1);
    await setting.inbox.ackAll(deliveries); // Their leases go on.
  });

  test('by itself, also when its action goes on', async () => {
    const run = await running();
    const { tx, done, end } = run;
    const { signal } = tx();
    const reason = new Error('changed my mind');
    expect(() => tx().abort(reason)).toThrow(reason);
    await expect(done).rejects.toBe(reason);
    expect(signal.reason).toBe(reason);
    expect(() => tx().abort()).toThrow('is closed: it was aborted');
    end();
    await turns(3);
    await expectNothing(run);
  });

  test('is aborted for good, however long its action goes on', async () => {
    const { bench, done, tx, end, orders } = await running({ timeoutMs: 1000 });
    expect(() => tx().abort()).toThrow('it was aborted');
    bench.clock.advance(2000);
    expect(() => tx().append(orders, { value: 'c' })).toThrow('it was aborted');
    end();
    await expect(done).rejects.toMatchObject({ details: { state: 'aborted' } });
  });

  test('without a reason says that it was', async () => {
    const { store } = await new TransactionBench().open();
    const done = store.transaction((tx) => tx.abort(), { name: 'transfer' });
    const details = { name: 'transfer', state: 'aborted' };
    await expect(done).rejects.toMatchObject({ code: ENDED, details });
  });

  test("by its caller's signal", async () => {
    const controller = new AbortController();
    const run = await running({ signal: controller.signal });
    const reason = new Error('not wanted any more');
    controller.abort(reason);
    await expect(run.done).rejects.toBe(reason);
    expect(run.tx().signal.reason).toBe(reason);
    run.end();
    await turns(3);
    await expectNothing(run);
  });

  test('by a signal that was aborted before has not begun', async () => {
    const { store } = await new TransactionBench().open();
    const signal = AbortSignal.abort(new Error('before'));
    const done = store.transaction(() => expect.unreachable('nothing runs'), { signal });
    await expect(done).rejects.toThrow('before');
  });

  test('is not once it is being written', async () => {
    const bench = new TransactionBench();
    const syncs = new HeldSyncs(bench.fileSystem, '/journal/0');
    const setting = await bench.open();
    const { store, inbox } = setting;
    await store.transaction((tx) => appendAll(setting, tx, 'opens the logs'));
    const deliveries = await leased(inbox, ['a', 'b']);
    const controller = new AbortController();
    const { signal } = controller;
    const kept: Transaction[] = [];
    syncs.hold();
    const done = store.transaction(
      (tx) => {
        kept.push(tx);
        tx.ack(deliveries);
        appendAll(setting, tx);
      },
      { signal, timeoutMs: 10 },
    );
    for (let n = 0; n < 100 && syncs.waiting.length === 0; n++) await turns(1);
    expect(store.transactions().open).toMatchObject([
      { state: 'committing', appendCount: 5, ackCount: 2, positionCount: 0 },
    ]);
    controller.abort();
    bench.clock.advance(10 * LEASE_MS);
    const again = store.transaction((tx) => tx.ack(deliveries)); // Another one has them.
    await expect(again).rejects.toMatchObject({ details: { reason: 'settled' } });
    const closing = store.close(); // Waits for it.
    await turns(5);
    syncs.release();
    await done;
    await closing;
    expect(kept[0]?.signal.aborted).toBe(false);
    const next = await bench.open();
    expect(await next.inbox.stats()).toMatchObject({ settled: { acked: 2 }, unsettledCount: 0 });
    expect((await sightOf(next)).audit).toEqual(['opens the logs 4', 'tx 4']);
  });
});

test('a transaction of a delivery has no time but that of its lease', async () => {
  const bench = new TransactionBench();
  const setting = await bench.open();
  const [delivery] = await leased(setting.inbox, ['a']);
  const { action, end } = held();
  const done = present(delivery, 'leased').transaction((tx) => {
    appendAll(setting, tx);
    return action(tx);
  });
  for (let n = 0; n < 200; n++) {
    bench.clock.advance(LEASE_MS / 2);
    delivery?.renew();
  }
  end();
  await done;
  expect(await sightOf(setting)).toEqual(ALL_OF_TX);
});

describe('a transaction of a store that is closed', () => {
  test('is told so, and close does not wait for its action', async () => {
    const bench = new TransactionBench();
    const setting = await bench.open();
    const { store, audit } = setting;
    const { action, end, tx } = held();
    const done = store.transaction((own) => {
      appendAll(setting, own);
      return action(own);
    });
    const told = done.catch((error: unknown) => error);
    const { signal } = tx();
    await store.close();
    expect(bench.clock.pendingTimerCount).toBe(0);
    const closed = { code: 'ERR_VARVE_CLOSED', details: { resource: 'store' } };
    expect(await told).toMatchObject(closed);
    expect(signal.aborted).toBe(true);
    expect(() => tx().append(audit, { value: 'x' })).toThrow('store /store is closed');
    await expect(store.transaction(() => undefined)).rejects.toThrow('store /store is closed');
    end();
    await turns(3);
    expect(await sightOf(await bench.open())).toEqual(NOTHING);
  });
});

describe('a transaction whose lease is lost', () => {
  test('is told by its signal at once, and comes to nothing', async () => {
    const run = await running();
    const { bench, done, tx, end, inbox, setting } = run;
    const { signal } = tx();
    bench.clock.advance(LEASE_MS + 100);
    expect(signal.reason).toMatchObject({ details: { reason: 'expired' } });
    end();
    await expect(done).rejects.toMatchObject({ code: 'ERR_VARVE_LEASE_LOST' });
    expect(await sightOf(setting)).toEqual(NOTHING);
    await turns(5);
    expect(await inbox.acquire({ max: 5 })).toHaveLength(2);
  });

  test('of one record lets go of all others', async () => {
    const { store, inbox, outbox } = await new TransactionBench().open();
    const mine = await leased(inbox, ['a', 'b']);
    const [lost] = await leased(outbox, ['c']);
    const done = store.transaction(async (tx) => {
      tx.ack([...mine, present(lost, 'leased')]);
      await lost?.release();
    });
    await expect(done).rejects.toMatchObject({ details: { reason: 'settled' } });
    expect(mine.map(({ isSettled }) => isSettled)).toEqual([false, false]);
    await store.transaction((tx) => tx.ack(mine));
    expect(await inbox.stats()).toMatchObject({ settled: { acked: 2 } });
  });

  test('with the consumer hears of that, also what is acked behind the signal', async () => {
    const { store, inbox, outbox } = await new TransactionBench().open();
    const [first] = await leased(inbox, ['a']);
    const [second] = await leased(outbox, ['b']);
    const done = store.transaction(async (tx) => {
      tx.ack(present(first, 'leased'));
      const { signal } = tx;
      tx.ack(present(second, 'leased'));
      expect(signal.aborted).toBe(false);
      await outbox.close();
      signal.throwIfAborted();
    });
    await expect(done).rejects.toMatchObject({
      code: 'ERR_VARVE_LEASE_LOST',
      details: { reason: 'closed', topic: 'outbox' },
    });
  });
});

test('open transactions are listed with what they have so far', async () => {
  const run = await running({ name: 'transfer' });
  const { store, bench, done, end } = run;
  expect(store.transactions()).toMatchObject({
    open: [
      {
        id: 1,
        name: 'transfer',
        state: 'collecting',
        startedMs: bench.clock.now(),
        appendCount: 5,
        ackCount: 2,
        positionCount: 0,
      },
    ],
    unsynced: [],
  });
  expect(store.transactions().open[0]?.sizeBytes).toBeGreaterThan(50);
  end();
  await done;
  const listing = store.transactions();
  expect(listing.open).toEqual([]);
  const [{ journalOffset } = { journalOffset: -1 }] = listing.unsynced;
  const places = [
    ['orders', 0, 2],
    ['orders', 1, 1],
    ['audit', 0, 1],
    ['outbox', 0, 1],
  ].map(([topic, partition, nextOffset]) => {
    return { journalOffset, topic, partition, nextOffset, isPending: false };
  });
  expect(listing.unsynced).toEqual(places);
  await run.orders.sync();
  expect(store.transactions().unsynced.map(({ topic }) => topic)).toEqual(['audit', 'outbox']);
  await store.deleteTopic('audit');
  expect(store.transactions().unsynced.map(({ topic }) => topic)).toEqual([null, 'outbox']);
});
