/** What a group of commits costs: one sync of the journal, whatever they touch. */
import { expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { present } from '../../../src/core/assert.ts';
import type { Call } from '../../support/fault-plan.ts';
import { TransactionBench } from '../../support/transaction-bench.ts';

const ROUNDS = 2;
const GROUP = 10;

const numbersFrom = (first: number) => Array.from({ length: GROUP }, (_, at) => first + at);

test('acks, positions, appends, sends, publishes, ids and numbers of ten at a time are one sync', async () => {
  const calls: Call[] = [];
  const bench = new TransactionBench({ trace: (_number, call) => void calls.push(call) });
  const { store, orders, audit, inbox, outbox } = await bench.open();
  const work = await store.topic('work', { codec: utf8 });
  const shared = await work.shareGroup('workers');
  const events = await store.exchange('events', { type: 'fanout', codec: utf8 });
  await store.topic('copies');
  await events.bind('copies');
  // Of one producer a transaction waits for the one before.
  const producers = await Promise.all(numbersFrom(0).map((n) => store.producer(`p${n}`)));
  for (let n = 0; n < ROUNDS * GROUP; n++) {
    await inbox.send(`${n}`);
    await work.append({ value: `${n}` });
  }
  for (const partition of [0, 1]) await orders.append({ value: 'read' }, { partition });
  const member = await orders.consumerGroup('readers');
  const { value: batch } = await member.batches().next();
  const jobs = await inbox.acquire({ max: ROUNDS * GROUP });
  const tasks = await shared.acquire({ max: ROUNDS * GROUP });
  expect([jobs.length, tasks.length]).toEqual([ROUNDS * GROUP, ROUNDS * GROUP]);

  const transact = (n: number) =>
    store.transaction((tx) => {
      tx.ack([present(jobs[n], 'acquired'), present(tasks[n], 'acquired')]);
      for (const partition of [0, 1]) tx.append(orders, { value: `${n}` }, { partition });
      tx.append(audit, { value: `${n}`, dedupId: `${n}` });
      tx.append(
        audit,
        { value: `${n}` },
        {
          producer: present(producers[n % GROUP], 'one for each'),
        },
      );
      tx.send(outbox, `${n}`);
      tx.publish(events, `${n}`);
      if (n % GROUP === 0) tx.commitOffset(member, present(batch ?? null, 'read'));
    });
  for (let round = 0; round < ROUNDS; round++) {
    calls.length = 0;
    await Promise.all(numbersFrom(round * GROUP).map(transact));
    if (round === 0) continue; // It opens logs.
    // Copies come behind, and are synced where they go.
    const syncs = calls.filter(({ operation, path }) => {
      return operation === 'datasync' && !path.includes('/topics/copies');
    });
    expect(syncs.map(({ path }) => path)).toEqual([expect.stringContaining('/journal/')]);
  }
  expect(await outbox.stats()).toMatchObject({ unsettledCount: ROUNDS * GROUP });
  expect(await inbox.stats()).toMatchObject({ unsettledCount: 0 });
});
