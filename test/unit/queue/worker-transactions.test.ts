/** `work` with `transactional`: what a handler adds is committed with its acks, or nothing of it. */
import { describe, expect, test } from 'vitest';

import { RetryAfter } from '../../../src/queue/handler-errors.ts';
import { fixed } from '../../../src/queue/retry-policy.ts';
import { turns } from '../../support/log-fixture.ts';
import { sightOf, TransactionBench } from '../../support/transaction-bench.ts';

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await turns(1);
}

describe('a transactional worker', () => {
  test('commits what the handler adds with the acks of all its deliveries', async () => {
    const setting = await new TransactionBench().open();
    const { store, inbox, audit } = setting;
    for (const value of ['a', 'b', 'c']) await inbox.send(value);
    const single = inbox.work(
      (delivery, { tx }) => {
        tx.append(audit, { value: `of ${delivery.value}` });
      },
      { transactional: true },
    );
    await until(() => single.stats().handled === 3);
    await single.drain();
    const sight = await sightOf(setting);
    expect(sight.audit.toSorted((one, two) => one.localeCompare(two))).toEqual([
      'of a',
      'of b',
      'of c',
    ]);
    expect((await inbox.stats()).unsettledCount).toBe(0);
    expect(store.transactions().open).toEqual([]);
  });

  test('handles batches, and leaves alone what the handler settled itself', async () => {
    const setting = await new TransactionBench().open();
    const { inbox, audit } = setting;
    await inbox.sendBatch(['a', 'b', 'c'].map((value) => ({ value, key: 'one' })));
    const worker = inbox.work(
      async (deliveries, { tx }) => {
        tx.append(audit, { value: `${deliveries.length}` });
        await deliveries[1]?.reject('no use');
      },
      { transactional: true, batch: { max: 3, waitMs: 0 } },
    );
    await until(() => worker.stats().handled === 3);
    await worker.drain();
    expect((await sightOf(setting)).audit).toEqual(['3']);
    expect(await inbox.stats()).toMatchObject({ unsettledCount: 0 });
  });

  test('commits nothing when the handler fails, and settles that as ever', async () => {
    const bench = new TransactionBench();
    const setting = await bench.open();
    const { inbox, audit } = setting;
    await inbox.send('a');
    const failures: number[] = [];
    const worker = inbox.work(
      async (delivery, { tx }) => {
        tx.append(audit, { value: `attempt ${delivery.attempt}` });
        failures.push(delivery.failures);
        await turns(1);
        if (delivery.attempt === 1) throw new Error('no luck');
        if (delivery.attempt === 2) throw new RetryAfter(0);
      },
      { transactional: true, retry: fixed(0) },
    );
    await until(() => worker.stats().handled === 1);
    await worker.drain();
    expect(failures).toEqual([0, 1, 1]);
    expect((await sightOf(setting)).audit).toEqual(['attempt 3']);
    expect(worker.stats()).toMatchObject({ failed: 1, postponed: 1 });
  });

  test('commits nothing of a handler that took too long', async () => {
    const bench = new TransactionBench();
    const setting = await bench.open();
    const { inbox, audit } = setting;
    await inbox.send('a');
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let calls = 0;
    const worker = inbox.work(
      async (delivery, { tx }) => {
        calls++;
        tx.append(audit, { value: `attempt ${delivery.attempt}` });
        if (delivery.attempt === 1) await held;
      },
      { transactional: true, handlerTimeoutMs: 100, retry: fixed(0) },
    );
    await until(() => calls === 1);
    bench.clock.advance(100);
    await until(() => worker.stats().handled === 1);
    release();
    await worker.drain();
    await turns(20);
    expect((await sightOf(setting)).audit).toEqual(['attempt 2']);
    expect(worker.stats()).toMatchObject({ timeouts: 1, failed: 1 });
  });

  test('has no transaction any more when nobody waits for its handler', async () => {
    const bench = new TransactionBench();
    const { store, inbox, audit } = await bench.open();
    for (const value of ['slow', 'slower']) await inbox.send(value);
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const late: unknown[] = [];
    const worker = inbox.work(
      async (delivery, { tx }) => {
        if (delivery.attempt > 1) return;
        tx.append(audit, { value: 'never' });
        await held;
        late.push(tx.signal.reason);
        tx.append(audit, { value: 'too late' });
      },
      { transactional: true, concurrency: 2, handlerTimeoutMs: 100, retry: fixed(60_000) },
    );
    await until(() => worker.stats().running === 2);
    expect(store.transactions().open).toHaveLength(2);
    bench.clock.advance(100);
    expect(store.transactions().open).toEqual([]);
    await until(() => worker.stats().failed === 2);
    release();
    await until(() => late.length === 2);
    expect(late).toMatchObject([{ name: 'TimeoutError' }, { name: 'TimeoutError' }]);
    await worker.drain();
    await turns(20);
    expect(await inbox.stats()).toMatchObject({ settled: { acked: 0 }, unsettledCount: 2 });
  });

  test('has no transaction any more when it was closed', async () => {
    const setting = await new TransactionBench().open();
    const { store, inbox, audit } = setting;
    await inbox.send('a');
    const told: unknown[] = [];
    const worker = inbox.work(
      (_, { tx }) =>
        new Promise((_resolve, reject) => {
          tx.append(audit, { value: 'never' });
          tx.signal.addEventListener('abort', () => {
            told.push(tx.signal.reason);
            reject(new Error('gave up'));
          });
        }),
      { transactional: true, onError: (error) => void told.push(error) },
    );
    await until(() => worker.stats().running === 1);
    await worker.close();
    expect(told).toMatchObject([{ code: 'ERR_VARVE_CLOSED' }]);
    expect(store.transactions().open).toEqual([]);
    expect((await sightOf(setting)).audit).toEqual([]);
    expect(await inbox.stats()).toMatchObject({ unsettledCount: 1, leasedCount: 0 });
  });

  test('commits nothing when the lease was lost', async () => {
    const bench = new TransactionBench();
    const setting = await bench.open();
    const { inbox, audit } = setting;
    await inbox.send('a');
    const told: unknown[] = [];
    const worker = inbox.work(
      async (delivery, { tx }) => {
        tx.append(audit, { value: `attempt ${delivery.attempt}` });
        if (delivery.attempt > 1) return;
        bench.clock.advance(60_000);
        await turns(10);
      },
      {
        transactional: true,
        renew: 'off',
        onError: (error) => void told.push(error),
      },
    );
    await until(() => worker.stats().handled === 1);
    await worker.drain();
    expect((await sightOf(setting)).audit).toEqual(['attempt 2']);
    expect(worker.stats()).toMatchObject({ lostLeases: 1, failed: 0 });
    expect(told).toMatchObject([{ code: 'ERR_VARVE_LEASE_LOST' }]);
  });
});
