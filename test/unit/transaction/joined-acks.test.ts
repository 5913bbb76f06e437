/** The acks of transactions that are committed together are one change of the journal. */
import { join } from 'node:path';
import { expect, test } from 'vitest';

import { bytes } from '../../../src/codec/codec.ts';
import { JOURNAL_DIRECTORY } from '../../../src/format/file-names.ts';
import { commitEntry } from '../../../src/journal/commit-entry.ts';
import { entryOf, EntryRegistry } from '../../../src/journal/entry-type.ts';
import { eachEntry } from '../../../src/journal/journal-scan.ts';
import { openLog } from '../../../src/log/open-log.ts';
import { offsetCountOf } from '../../../src/queue/offset-runs.ts';
import { leasesEnded } from '../../../src/queue/share-entries.ts';
import { ENTRY_TYPES } from '../../../src/store/store-state.ts';
import { TransactionBench } from '../../support/transaction-bench.ts';

/** Of each commit in the journal: its changes, and how many acks each of them has in each part. */
async function acksOf({ fileSystem, clock }: TransactionBench) {
  const path = join('/store', JOURNAL_DIRECTORY);
  const log = await openLog(path, { fileSystem, clock, codec: bytes, readOnly: true });
  const registry = new EntryRegistry(ENTRY_TYPES);
  const commits: (readonly (readonly number[])[])[] = [];
  const onLost = (damage: Error): void => {
    throw damage;
  };
  await eachEntry({ log, registry, from: 0, onLost }, ({ entry }) => {
    const commit = entryOf(commitEntry, entry);
    if (commit === null || commit.appends.length === 0) return;
    const changes = commit.entries.map((encoded) => registry.decode(encoded));
    commits.push(
      changes.map((change) => {
        const { parts } = entryOf(leasesEnded, change) ?? { parts: [] };
        return parts.map(({ acked }) => offsetCountOf(acked));
      }),
    );
  });
  await log.close();
  return commits;
}

test('of several partitions and queues', async () => {
  const bench = new TransactionBench();
  const { store, orders, inbox, outbox } = await bench.open();
  for (let at = 0; at < 6; at++) await inbox.send(`in ${at}`, { partition: at % 2 });
  for (let at = 0; at < 2; at++) await outbox.send(`out ${at}`);
  const deliveries = [
    ...(await inbox.acquire({ max: 6, waitMs: 0 })),
    ...(await outbox.acquire({ max: 2, waitMs: 0 })),
  ];
  expect(deliveries).toHaveLength(8);
  await Promise.all(
    deliveries.map((delivery) =>
      store.transaction((tx) => {
        tx.ack(delivery);
        tx.append(orders, { value: delivery.value ?? '' }, { partition: 0 });
      }),
    ),
  );
  for (const queue of [inbox, outbox]) {
    const { readyCount, leasedCount } = await queue.stats();
    expect([readyCount, leasedCount]).toEqual([0, 0]);
  }
  await store.close();
  expect(await acksOf(bench)).toEqual([[[3, 3, 2]]]);
  const again = await bench.open();
  expect((await again.inbox.stats()).settled.acked).toBe(6);
  expect((await again.outbox.stats()).settled.acked).toBe(2);
});

test('those of one that cannot be committed are not among them', async () => {
  const bench = new TransactionBench();
  const { store, orders, audit, inbox } = await bench.open();
  for (let at = 0; at < 3; at++) await inbox.send(`in ${at}`, { partition: 0 });
  const deliveries = await inbox.acquire({ max: 3, waitMs: 0 });
  const outcomes = await Promise.allSettled(
    deliveries.map((delivery, at) =>
      delivery.transaction((tx) => {
        tx.append(at === 1 ? audit : orders, { value: delivery.value ?? '' });
        if (at === 1) tx.abort();
      }),
    ),
  );
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  const { leasedCount, settled } = await inbox.stats();
  expect([leasedCount, settled.acked]).toEqual([1, 2]);
  await store.close();
  expect(await acksOf(bench)).toEqual([[[2]]]);
});
