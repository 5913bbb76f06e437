/** How many transactions there were, by how they ended; and the event of one that took too long. */
import { expect, test } from 'vitest';

import { turns } from '../../support/log-fixture.ts';
import { leased, TransactionBench } from '../../support/transaction-bench.ts';

const NONE = { openCount: 0, committedCount: 0, abortedCount: 0, timedOutCount: 0, failedCount: 0 };

/** Ends when it is told to. */
function held() {
  let end = (): void => undefined;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  return { action: () => ended, end: () => end() };
}

test('transactions are counted once each, by how they ended', async () => {
  const bench = new TransactionBench();
  const { store, audit, inbox } = await bench.open();
  const { transactions: atFirst } = store.stats();
  expect(atFirst).toEqual(NONE);

  await store.transaction((tx) => tx.append(audit, { value: 'committed' }));
  await store.transaction(() => undefined);
  const { action, end } = held();
  const open = store.transaction(action);
  expect(store.stats().transactions).toEqual({ ...NONE, openCount: 1, committedCount: 2 });

  const caller = new AbortController();
  const abandoned = held();
  const aborted = [
    store.transaction(() => {
      throw new Error('no luck');
    }),
    store.transaction((tx) => tx.abort()),
    store.transaction(abandoned.action, { signal: caller.signal }),
  ];
  caller.abort();
  await Promise.allSettled(aborted);
  abandoned.end();
  await turns(5);
  const soFar = { ...NONE, openCount: 1, committedCount: 2, abortedCount: 3 };
  expect(store.stats().transactions).toEqual(soFar);

  const full = { operations: ['write'], path: /journal\/.*log$/, errno: 'ENOSPC' } as const;
  bench.fileSystem.addFault({ ...full, times: 2 }); // Also when the reserve was given up for it.
  const refused = store.transaction((tx) => tx.append(audit, { value: 'refused' }));
  await expect(refused).rejects.toMatchObject({ code: 'ERR_VARVE_DISK_FULL' });
  const deliveries = await leased(inbox, ['a']);
  const lost = store.transaction(async (tx) => {
    tx.ack(deliveries);
    await deliveries[0]?.release();
  });
  await expect(lost).rejects.toMatchObject({ code: 'ERR_VARVE_LEASE_LOST' });
  expect(store.stats().transactions).toEqual({ ...soFar, failedCount: 2 });

  end();
  await open;
  expect(store.stats().transactions).toMatchObject({ openCount: 0, committedCount: 3 });
});

test('one that takes too long is counted and told of once, whatever its action does then', async () => {
  const bench = new TransactionBench();
  const { store } = await bench.open();
  const told: unknown[] = [];
  store.on('transaction-timed-out', (payload) => told.push(payload));
  const slow = held();
  const nameless = held();
  const done = [
    store.transaction(slow.action, { timeoutMs: 100, name: 'slow' }),
    store.transaction(nameless.action, { timeoutMs: 300 }),
  ];
  const outcomes = Promise.allSettled(done);
  bench.clock.advance(100);
  await turns(5);
  expect(told).toEqual([{ name: 'slow', durationMs: 100 }]);
  expect(store.stats().transactions).toEqual({ ...NONE, openCount: 1, timedOutCount: 1 });
  bench.clock.advance(200);
  slow.end();
  nameless.end();
  await outcomes;
  await turns(5);
  expect(told).toEqual([
    { name: 'slow', durationMs: 100 },
    { name: '', durationMs: 300 },
  ]);
  expect(store.stats().transactions).toEqual({ ...NONE, timedOutCount: 2 });
});
