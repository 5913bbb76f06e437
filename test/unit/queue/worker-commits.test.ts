/** What becomes of the records of a transactional worker when its commit fails, or is waited for. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { MIB } from '../../../src/core/limits.ts';
import { fixed } from '../../../src/queue/retry-policy.ts';
import type { Transaction } from '../../../src/transaction/transaction.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { turns } from '../../support/log-fixture.ts';
import {
  LEASE_MS,
  sightOf,
  TransactionBench,
  type TransactionSetting,
} from '../../support/transaction-bench.ts';

/** Nothing here takes so many. */
const TURNS_MAX = 100_000;

async function until(isSo: () => boolean): Promise<void> {
  for (let left = TURNS_MAX; !isSo(); left--) {
    if (left === 0) throw new Error('it never comes');
    await turns(1);
  }
}

/** Waits out whatever delay there is. */
async function untilHandled(bench: TransactionBench, isSo: () => boolean): Promise<void> {
  while (!isSo()) {
    bench.clock.advance(100);
    await turns(5);
  }
}

async function setup(values: readonly string[]) {
  const bench = new TransactionBench();
  const held = new HeldSyncs(bench.fileSystem, '/journal/');
  onTestFinished(() => held.release());
  const setting = await bench.open();
  const { inbox } = setting;
  await inbox.sendBatch(values.map((value) => ({ value, key: 'one partition' })));
  return { ...setting, bench, held };
}

/** Adds records until there is no room for another, and so none for an ack. */
function fill({ orders }: Pick<TransactionSetting, 'orders'>, tx: Transaction): void {
  for (let bytes = MIB - 1; bytes > 0;) {
    try {
      tx.append(orders, { value: 'x'.repeat(bytes) }, { partition: 0 });
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_VARVE_TOO_LARGE' });
      bytes = Math.floor(bytes / 2);
    }
  }
}

describe('a commit of a transactional worker that is refused', () => {
  test('by a full disk comes to nothing, and its record is handed out again, which is no failure', async () => {
    const setting = await setup(['a']);
    const { bench, inbox, audit } = setting;
    const full = { operations: ['write'], path: /journal\/.*log$/, errno: 'ENOSPC' } as const;
    const told: unknown[] = [];
    const failures: number[] = [];
    const worker = inbox.work(
      (delivery, { tx }) => {
        // Twice: also when the reserve was given up for it.
        if (delivery.attempt === 1) bench.fileSystem.addFault({ ...full, times: 2 });
        failures.push(delivery.failures);
        tx.append(audit, { value: `attempt ${delivery.attempt}` });
      },
      { transactional: true, onError: (error) => void told.push(error) },
    );
    await untilHandled(bench, () => worker.stats().handled === 1);
    await worker.drain();
    expect(failures).toEqual([0, 0]);
    expect(told).toMatchObject([{ code: 'ERR_VARVE_DISK_FULL' }]);
    expect((await sightOf(setting)).audit).toEqual(['attempt 2']);
    expect(worker.stats()).toMatchObject({ failed: 0, postponed: 1, sourceFailures: 1 });
  });

  test('as there is no room for its acks comes to nothing, and is a failure: it would be so again', async () => {
    const setting = await setup(['a']);
    const { inbox, audit } = setting;
    const told: unknown[] = [];
    const failures: number[] = [];
    const worker = inbox.work(
      (delivery, { tx }) => {
        failures.push(delivery.failures);
        if (delivery.attempt === 1) fill(setting, tx);
        else tx.append(audit, { value: `attempt ${delivery.attempt}` });
      },
      { transactional: true, retry: fixed(0), onError: (error) => void told.push(error) },
    );
    await until(() => worker.stats().handled === 1);
    await worker.drain();
    expect(failures).toEqual([0, 1]);
    expect(told).toMatchObject([{ code: 'ERR_VARVE_TOO_LARGE' }]);
    expect(await sightOf(setting)).toEqual({ orders: [], audit: ['attempt 2'], outbox: [] });
    expect(worker.stats()).toMatchObject({ failed: 1, retried: 1, postponed: 0 });
  });

  test('by a log that has failed ends the worker, and the record stays', async () => {
    const { bench, inbox, audit, orders, store } = await setup(['a']);
    await orders.append({ value: 'opens the log' }, { partition: 0 });
    const failing = { operations: ['datasync'], path: /topics\/orders.*log$/ } as const;
    bench.fileSystem.addFault({ ...failing, errno: 'EIO', times: 1 });
    const lost = orders.append({ value: 'lost' }, { partition: 0 });
    await expect(lost).rejects.toMatchObject({ code: 'ERR_VARVE_FAILED' });
    const told: unknown[] = [];
    const worker = inbox.work(
      (_delivery, { tx }) => {
        tx.append(audit, { value: 'never' });
        tx.append(orders, { value: 'never' }, { partition: 0 });
      },
      { transactional: true, onError: (error) => void told.push(error) },
    );
    await expect(worker.done).rejects.toMatchObject({ code: 'ERR_VARVE_FAILED' });
    expect(told).toMatchObject([{ code: 'ERR_VARVE_FAILED' }]);
    expect(worker.stats()).toMatchObject({ handled: 0, sourceFailures: 1 });
    expect(await inbox.stats()).toMatchObject({ settled: { acked: 0 }, unsettledCount: 1 });
    await store.close().catch(() => undefined);
    const again = await bench.open();
    expect((await sightOf(again)).audit).toEqual([]);
    expect(await again.inbox.stats()).toMatchObject({ unsettledCount: 1 });
  });

  test('as one lease of its batch was lost comes to nothing, and all of the batch is handled again', async () => {
    const setting = await setup(['a', 'b', 'c']);
    const { bench, inbox, audit } = setting;
    const told: unknown[] = [];
    const batches: (readonly number[])[] = [];
    const worker = inbox.work(
      async (deliveries, { tx }) => {
        batches.push(deliveries.map(({ offset }) => offset));
        tx.append(audit, { value: `of ${deliveries.length}` });
        if (batches.length > 1) return;
        for (const delivery of deliveries.slice(1)) delivery.renew(10 * LEASE_MS);
        bench.clock.advance(LEASE_MS);
        await turns(10);
        expect(tx.signal.aborted).toBe(false); // It has acked nothing yet.
      },
      {
        transactional: true,
        renew: 'off',
        batch: { max: 3, waitMs: 0 },
        onError: (error) => void told.push(error),
      },
    );
    await until(() => worker.stats().handled === 3);
    await worker.drain();
    expect(batches[0]).toEqual([0, 1, 2]);
    expect(
      batches
        .slice(1)
        .flat()
        .toSorted((one, two) => one - two),
    ).toEqual([0, 1, 2]);
    expect((await sightOf(setting)).audit).toEqual(
      batches.slice(1).map(({ length }) => `of ${length}`),
    );
    expect(told).toMatchObject([{ code: 'ERR_VARVE_LEASE_LOST' }]);
    expect(worker.stats()).toMatchObject({ lostLeases: 1, postponed: 2, failed: 0 });
  });
});

describe('a transactional worker that is committing', () => {
  test.each(['drain', 'close'] as const)(
    'ends when that is over, and what it commits counts: %s',
    async (how) => {
      const setting = await setup(['a', 'b']);
      const { bench, held, inbox, audit, store } = setting;
      const worker = inbox.work(
        (delivery, { tx }) => {
          held.hold();
          tx.append(audit, { value: `of ${delivery.value}` });
        },
        { transactional: true, concurrency: 2 },
      );
      await until(() => store.transactions().open.length === 2);
      await until(() => store.transactions().open.every(({ state }) => state === 'committing'));
      let isOver = false;
      const ending = worker[how]().then((abandoned) => {
        isOver = true;
        return abandoned;
      });
      for (let n = 0; n < 5; n++) {
        bench.clock.advance(LEASE_MS);
        await turns(10);
      }
      expect(isOver).toBe(false);
      expect(worker.stats()).toMatchObject({ running: 0, settling: 2, handled: 0 });
      held.release();
      expect(await ending).toBe(how === 'drain' ? 0 : undefined);
      expect(worker.stats()).toMatchObject({ settling: 0, handled: 2, abandoned: 0 });
      const { audit: texts } = await sightOf(setting);
      expect(texts.toSorted()).toEqual(['of a', 'of b']);
      expect(await inbox.stats()).toMatchObject({ settled: { acked: 2 }, unsettledCount: 0 });
    },
  );

  test('has its store closed behind it', async () => {
    const setting = await setup(['a']);
    const { bench, held, inbox, audit, store } = setting;
    const worker = inbox.work(
      (_delivery, { tx }) => {
        held.hold();
        tx.append(audit, { value: 'of a' });
      },
      { transactional: true },
    );
    await until(() => store.transactions().open.some(({ state }) => state === 'committing'));
    const closing = store.close();
    await turns(20);
    held.release();
    await Promise.all([closing, worker.done]);
    expect(worker.stats()).toMatchObject({ handled: 1, abandoned: 0 });
    const again = await bench.open();
    expect((await sightOf(again)).audit).toEqual(['of a']);
    expect(await again.inbox.stats()).toMatchObject({ settled: { acked: 1 }, unsettledCount: 0 });
  });
});
