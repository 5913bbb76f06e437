/** Nobody sees a part of a transaction, also where the disk is full or fails. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { FailedError } from '../../../src/core/errors.ts';
import { MIB } from '../../../src/core/limits.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { turns } from '../../support/log-fixture.ts';
import {
  ALL_OF_TX,
  appendAll,
  leased,
  NOTHING,
  sightOf,
  TransactionBench,
  type TransactionSetting,
} from '../../support/transaction-bench.ts';

/** Opens the logs. @returns how many records are in sight of all of them, in this very step */
async function opened({ orders, audit, outbox }: TransactionSetting) {
  const partitions = [orders, audit, outbox.topic].flatMap(({ partitions: set, partitionCount }) =>
    Array.from({ length: partitionCount }, (_, number) => set.at(number)),
  );
  const logs = await Promise.all(partitions.map((partition) => partition.log()));
  return () => logs.map(({ visibleOffset }) => visibleOffset).join();
}

/** What may be seen of the records of `appendAll`, by log. */
const BEFORE = '0,0,0,0';
const AFTER = '2,1,1,1';

const EVERY_SYNC = { operations: ['datasync'], path: /\/journal\/0.*log$/, errno: 'EIO' } as const;

describe('while a transaction is committed', () => {
  test('nobody sees a record before all of them', async () => {
    const samples: string[] = [];
    let look = (): string => BEFORE;
    const sample = (): void => {
      if (samples.at(-1) !== look()) samples.push(look());
    };
    const bench = new TransactionBench({ trace: sample });
    const setting = await bench.open();
    const { store, inbox } = setting;
    const deliveries = await leased(inbox, ['a', 'b']);
    const sight = await opened(setting);
    look = () => {
      const running = deliveries.filter((each) => each.partitionLeases.find(each) >= 0).length;
      return `${sight()} ${running}`;
    };
    const done = store.transaction((tx) => {
      tx.ack(deliveries);
      appendAll(setting, tx);
    });
    for (let turn = 0; turn < 50; turn++) {
      for (let n = 0; n < 50; n++) {
        await Promise.resolve();
        sample();
      }
      await turns(1);
    }
    await done;
    sample();
    // In one step; the acks are known when they are journaled, so whoever sees a record finds them.
    expect(samples).toEqual([BEFORE, `${BEFORE} 2`, `${BEFORE} 0`, `${AFTER} 0`]);
  });
});

describe('a transaction on a failing disk', () => {
  test('is indeterminate when the journal could not be synced: the next opening tells', async () => {
    for (const data of ['none', 'all'] as const) {
      const bench = new TransactionBench();
      const setting = await bench.open();
      const { store, inbox, orders } = setting;
      await opened(setting);
      const deliveries = await leased(inbox, ['a', 'b']);
      bench.fileSystem.addFault({ ...EVERY_SYNC, lost: data === 'none' ? 'all' : 'random' });
      const error: unknown = await store
        .transaction((tx) => {
          tx.ack(deliveries);
          appendAll(setting, tx);
        })
        .catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(FailedError);
      expect(error).toMatchObject({ details: { indeterminate: true } });
      expect(await sightOf(setting)).toEqual(NOTHING);
      const refused = orders.append({ value: 'c' }, { partition: 0 });
      await expect(refused).rejects.toThrow(FailedError); // Nobody gets its offsets.
      await store.close().catch(() => undefined);
      bench.fileSystem = bench.fileSystem.crashImage({ data, names: 'all' });
      const again = await bench.open();
      const { settled } = await again.inbox.stats();
      expect([0, 2]).toContain(settled.acked);
      expect(await sightOf(again)).toEqual(settled.acked === 2 ? ALL_OF_TX : NOTHING);
    }
  });

  test('comes to nothing when the journal has no room, and may be tried again', async () => {
    const bench = new TransactionBench();
    const setting = await bench.open();
    const { store, inbox } = setting;
    const deliveries = await leased(inbox, ['a', 'b']);
    const run = () =>
      store.transaction((tx) => {
        tx.ack(deliveries);
        return appendAll(setting, tx);
      });
    const full = { operations: ['write'], path: /journal\/.*log$/, errno: 'ENOSPC' } as const;
    bench.fileSystem.addFault({ ...full, times: 2 }); // Also when the reserve was given up for it.
    await expect(run()).rejects.toMatchObject({ code: 'ERR_VARVE_DISK_FULL', retryable: true });
    expect(await sightOf(setting)).toEqual(NOTHING);
    expect(deliveries.some(({ isSettled }) => isSettled)).toBe(false);
    await run();
    expect(await sightOf(setting)).toEqual(ALL_OF_TX);
    expect(await inbox.stats()).toMatchObject({ settled: { acked: 2 }, leasedCount: 0 });
  });

  test('has succeeded when a log finds no room behind the journal, and is in sight all at once', async () => {
    const bench = new TransactionBench();
    const setting = await bench.open();
    const { store, inbox } = setting;
    const sight = await opened(setting);
    const deliveries = await leased(inbox, ['a', 'b']);
    const full = { operations: ['write'], path: /topics\/audit.*log$/, errno: 'ENOSPC' } as const;
    bench.fileSystem.addFault({ ...full, times: 3 });
    const [appended] = await store.transaction((tx) => {
      tx.ack(deliveries);
      return appendAll(setting, tx);
    });
    expect(appended.result).toMatchObject({ recordCount: 2 });
    expect(sight()).toBe(BEFORE);
    const { unsynced } = store.transactions();
    expect(unsynced.map(({ isPending }) => isPending)).toEqual([true, true, true, true]);
    expect(await inbox.stats()).toMatchObject({ settled: { acked: 2 }, leasedCount: 0 });
    const seen = new Set<string>();
    for (let n = 0; n < 100 && sight() !== AFTER; n++) {
      bench.clock.advance(1000);
      await turns(3);
      seen.add(sight());
    }
    expect([...seen].toSorted()).toEqual([BEFORE, AFTER].filter((each) => seen.has(each)));
    expect(await sightOf(setting)).toEqual(ALL_OF_TX);
    expect(store.transactions().unsynced.some(({ isPending }) => isPending)).toBe(false);
  });

  test('is refused before it is durable where a topic has no room', async () => {
    const bench = new TransactionBench();
    const setting = await bench.open();
    const { store, orders } = setting;
    await opened(setting);
    const { freeBytes, totalBytes } = await bench.fileSystem.space('/store');
    bench.fileSystem.capacityBytes = totalBytes - freeBytes + MIB;
    bench.clock.advance(60_000); // What was asked before is old.
    const large = { value: 'x'.repeat(MIB - 1000) };
    const tooMuch = store.transaction((tx) => {
      for (let n = 0; n < 4; n++) tx.append(orders, large);
      appendAll(setting, tx);
    });
    await expect(tooMuch).rejects.toMatchObject({ code: 'ERR_VARVE_DISK_FULL' });
    expect(await sightOf(setting)).toEqual(NOTHING);
  });

  test('has succeeded when a log fails behind the journal: the next opening brings it there', async () => {
    const bench = new TransactionBench();
    const setting = await bench.open();
    const { store } = setting;
    await opened(setting);
    const fails = { operations: ['write'], path: /topics\/audit.*log$/, errno: 'EIO' } as const;
    bench.fileSystem.addFault({ ...fails, times: Number.POSITIVE_INFINITY });
    await store.transaction((tx) => appendAll(setting, tx));
    await store.close().catch(() => undefined);
    bench.fileSystem.clearFaults();
    expect(await sightOf(await bench.open())).toEqual(ALL_OF_TX);
  });
});

describe('a topic that is deleted meanwhile', () => {
  test('before its transaction is secured: nothing happens', async () => {
    const setting = await new TransactionBench().open();
    const { store, inbox } = setting;
    const deliveries = await leased(inbox, ['a', 'b']);
    const done = store.transaction(async (tx) => {
      tx.ack(deliveries);
      appendAll(setting, tx);
      await store.deleteTopic('audit');
    });
    await expect(done).rejects.toMatchObject({
      code: 'ERR_VARVE_CLOSED',
      details: { resource: 'topic', name: 'audit' },
    });
    expect(await setting.outbox.peek()).toEqual([]);
    await inbox.ackAll(deliveries);
  });

  test('behind that gets nothing, the rest stands, and the call resolves', async () => {
    const bench = new TransactionBench();
    const syncs = new HeldSyncs(bench.fileSystem, '/journal/0');
    const setting = await bench.open();
    const { store, orders, inbox, outbox } = setting;
    await opened(setting);
    const acked = [...(await leased(inbox, ['a', 'b'])), ...(await leased(outbox, ['c']))];
    onTestFinished(() => syncs.release());
    syncs.hold();
    const deleting = [store.deleteTopic('audit'), store.deleteTopic('inbox')];
    const done = store.transaction((tx) => {
      tx.ack(acked);
      return appendAll(setting, tx);
    });
    await turns(5);
    syncs.release();
    const [appended] = await done;
    expect(appended.result?.placements).toEqual([{ partition: 0, baseOffset: 0, recordCount: 2 }]);
    await Promise.all(deleting);
    expect(await orders.read({ partition: 1, offset: 0 })).toMatchObject({ value: 'tx 3' });
    expect(await outbox.stats()).toMatchObject({ settled: { acked: 1 }, unsettledCount: 1 });
    expect(store.topics().map(({ name }) => name)).toEqual(['orders', 'outbox']);
    await store.close();
    const fileSystem = bench.fileSystem.crashImage({ data: 'none', names: 'none' });
    bench.fileSystem = fileSystem;
    const again = await bench.open();
    expect((await sightOf(again)).orders).toEqual(ALL_OF_TX.orders);
  });
});
