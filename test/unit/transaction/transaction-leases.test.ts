/** Leases of what a transaction acks, beside whatever else happens to them. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { present } from '../../../src/core/assert.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { turns } from '../../support/log-fixture.ts';
import { LEASE_MS, leased, TransactionBench } from '../../support/transaction-bench.ts';

/** A store whose journal is synced when that is let go. */
async function held() {
  const bench = new TransactionBench();
  const syncs = new HeldSyncs(bench.fileSystem, '/journal/0');
  const setting = await bench.open();
  onTestFinished(() => syncs.release()); // Before the store is closed.
  return { bench, syncs, ...setting };
}

/** As if it took for ever. */
async function letLeasesEnd({ clock }: TransactionBench): Promise<void> {
  for (let n = 0; n < 5; n++) {
    clock.advance(LEASE_MS);
    await turns(5);
  }
}

describe('a lease that a transaction acks', () => {
  test('twice in one call is acked once', async () => {
    const { store, inbox } = await new TransactionBench().open();
    const [first, second] = await leased(inbox, ['a', 'b']);
    const both = [first, second, first].flatMap((each) => each ?? []);
    await store.transaction((tx) => {
      tx.ack(both);
      expect(store.transactions().open).toMatchObject([{ ackCount: 2 }]);
      tx.ack(both);
      expect(store.transactions().open).toMatchObject([{ ackCount: 2 }]);
    });
    expect(await inbox.stats()).toMatchObject({ settled: { acked: 2 }, leasedCount: 0 });
  });

  test('is held in each of several queues and groups while it is being committed', async () => {
    const { bench, syncs, store, inbox, outbox, orders } = await held();
    const group = await orders.shareGroup('readers', { leaseMs: LEASE_MS });
    await orders.append({ value: 'to be read' });
    const all = [
      ...(await leased(inbox, ['a', 'b'])),
      ...(await leased(outbox, ['c'])),
      ...(await group.acquire()),
    ];
    syncs.hold();
    const inFront = store.transaction((tx) => tx.send(inbox, 'in front'));
    await turns(5);
    const done = store.transaction((tx) => tx.ack(all));
    await turns(5);
    await letLeasesEnd(bench);
    expect(all.map(({ signal }) => signal.aborted)).toEqual([false, false, false, false]);
    syncs.release();
    await Promise.all([inFront, done]);
    const taken = [await inbox.acquire({ max: 5 }), await outbox.acquire(), await group.acquire()];
    expect(taken.map((deliveries) => deliveries.map(({ value }) => value))).toEqual([
      ['in front'],
      [],
      [],
    ]);
  });

  test('and somebody else is settling is left to him when the transaction is abandoned', async () => {
    const { bench, syncs, store, inbox } = await held();
    const [delivery] = await leased(inbox, ['a']);
    const mine = present(delivery, 'leased');
    const acking: Promise<void>[] = [];
    const abandoned = store.transaction(async (tx) => {
      tx.ack(mine);
      syncs.hold();
      acking.push(mine.ack());
      await turns(5);
      throw new Error('no luck');
    });
    await expect(abandoned).rejects.toThrow('no luck');
    expect(mine.isSettled).toBe(true);
    await letLeasesEnd(bench);
    expect(mine.signal.aborted).toBe(false);
    syncs.release();
    await Promise.all(acking);
    expect(await inbox.stats()).toMatchObject({ settled: { acked: 1 }, unsettledCount: 0 });
  });

  test('goes on when the transaction is refused for another one, or abandoned: it is acked, or runs out', async () => {
    const bench = new TransactionBench();
    const { store, inbox } = await bench.open();
    const all = await leased(inbox, ['a', 'b', 'c', 'd']);
    const [acked, taken, left, released] = all;
    const refused = store.transaction(async (tx) => {
      tx.ack(all);
      await taken?.ack();
    });
    await expect(refused).rejects.toMatchObject({ code: 'ERR_VARVE_LEASE_LOST' });
    const abandoned = store.transaction((tx) => {
      tx.ack([acked, left, released].flatMap((each) => each ?? []));
      throw new Error('no luck');
    });
    await expect(abandoned).rejects.toThrow('no luck');
    expect(await inbox.stats()).toMatchObject({ settled: { acked: 1 }, leasedCount: 3 });
    await acked?.ack();
    await released?.release();
    expect(await inbox.acquire()).toMatchObject([{ offset: released?.offset }]);
    await letLeasesEnd(bench);
    expect(left?.signal.aborted).toBe(true);
    const again = await inbox.acquire({ max: 4 });
    expect(new Set(again.map(({ value }) => value))).toEqual(new Set(['c', 'd']));
    expect(await inbox.stats()).toMatchObject({ settled: { acked: 2 }, leasedCount: 2 });
  });

  test('makes room for whoever waits for it', async () => {
    const { store, inbox } = await new TransactionBench().open();
    for (const value of ['a', 'b']) await inbox.send(value);
    const one = await store.queue('inbox', { codec: utf8, prefetch: 1 });
    const deliveries = await one.acquire();
    const waiting = one.acquire({ waitMs: Number.POSITIVE_INFINITY });
    await turns(5);
    await store.transaction((tx) => tx.ack(deliveries));
    expect((await waiting).map(({ value }) => value)).toHaveLength(1);
  });

  test('behind its signal ends the signal, in the middle of the action', async () => {
    for (const ackedFirst of [0, 1]) {
      const { store, inbox, outbox } = await new TransactionBench().open();
      const first = await leased(inbox, ['a']);
      const [second] = await leased(outbox, ['b']);
      const lost = store.transaction(async (tx) => {
        tx.ack(first.slice(0, ackedFirst));
        const { signal } = tx;
        tx.ack(present(second, 'leased'));
        expect(signal.aborted).toBe(false);
        await outbox.close();
        expect(signal.reason).toMatchObject({ details: { reason: 'closed', topic: 'outbox' } });
      });
      await expect(lost).rejects.toMatchObject({ code: 'ERR_VARVE_LEASE_LOST' });
    }
  });

  test('says nothing to the signal of a transaction that is over', async () => {
    const { bench, store, inbox } = await held();
    const deliveries = await leased(inbox, ['a']);
    let signal: AbortSignal | null = null;
    const failing = store.transaction((tx) => {
      tx.ack(deliveries);
      ({ signal } = tx);
      throw new Error('no luck');
    });
    await expect(failing).rejects.toThrow('no luck');
    await letLeasesEnd(bench);
    expect(deliveries.map((each) => each.signal.aborted)).toEqual([true]);
    expect(signal).toMatchObject({ aborted: false });
  });

  test('counts with the names that the journal has with it', async () => {
    const { store, orders } = await new TransactionBench().open();
    const group = await orders.shareGroup('g'.repeat(200));
    for (const value of ['a', 'b']) await orders.append({ value }, { partition: 0 });
    const deliveries = await group.acquire({ max: 2 });
    const sizeOf = () => store.transactions().open[0]?.sizeBytes ?? 0;
    await store.transaction((tx) => {
      tx.ack(deliveries.slice(0, 1));
      const first = sizeOf();
      expect(first).toBeGreaterThan(200);
      tx.ack(deliveries.slice(1));
      expect(sizeOf()).toBeGreaterThan(first);
      expect(sizeOf()).toBeLessThan(first + 50); // The name stands there once.
    });
  });
});
