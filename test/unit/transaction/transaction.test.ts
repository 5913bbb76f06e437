/** What transactions take, what they answer, and that all of one is there or nothing. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { MIB } from '../../../src/core/limits.ts';
import { TransactionEndedError } from '../../../src/core/transaction-errors.ts';
import type { Call } from '../../support/fault-plan.ts';
import { openStore } from '../../../src/store/open-store.ts';
import type { Transaction } from '../../../src/transaction/transaction.ts';
import {
  ALL_OF_TX,
  appendAll,
  leased,
  NOTHING,
  sightOf,
  TransactionBench,
} from '../../support/transaction-bench.ts';

describe('a transaction over several topics and queues', () => {
  test('appends all of it, and says where', async () => {
    const setting = await new TransactionBench().open();
    const { store, orders } = setting;
    await orders.append({ value: 'before' }, { partition: 0 });
    const results = await store.transaction(async (tx) => {
      const collected = appendAll(setting, tx);
      expect(collected.map(({ result }) => result)).toEqual([null, null, null, null]);
      expect(await sightOf(setting)).toEqual({ ...NOTHING, orders: ['before'] });
      return collected;
    });
    const placed = (partition: number, baseOffset: number, recordCount: number) => ({
      placements: [{ partition, baseOffset, recordCount }],
      recordCount,
      duplicates: [],
      durability: 'sync',
    });
    expect(results.map(({ result }) => result)).toEqual([
      placed(0, 1, 2),
      placed(1, 0, 1),
      placed(0, 0, 1),
      { partition: 0, offset: 0, durability: 'sync', duplicate: false },
    ]);
    expect(await sightOf(setting)).toEqual({
      ...ALL_OF_TX,
      orders: ['before', 'tx 1', 'tx 2', 'tx 3'],
    });
  });

  test('places the records of several calls for one log behind each other', async () => {
    const { store, orders } = await new TransactionBench().open();
    const [first, both, none] = await store.transaction((tx) => [
      tx.append(orders, { value: 'a' }, { partition: 1 }),
      tx.append(orders, [
        { key: '1', value: 'b' },
        { key: '3', value: 'c' },
        { key: '7', value: 'd' },
      ]),
      tx.append(orders, []),
    ]);
    expect(first?.result?.placements).toEqual([{ partition: 1, baseOffset: 0, recordCount: 1 }]);
    for (const { partition, baseOffset, recordCount } of both?.result?.placements ?? []) {
      for (let offset = baseOffset; offset < baseOffset + recordCount; offset++) {
        expect(await orders.read({ partition, offset })).toMatchObject({
          key: expect.stringMatching(/[137]/) as string,
        });
      }
    }
    expect(both?.result).toMatchObject({ recordCount: 3 });
    expect(none?.result).toEqual({
      placements: [],
      recordCount: 0,
      duplicates: [],
      durability: 'sync',
    });
  });

  test('is synced, whatever the levels of its topics are, by one sync of the journal', async () => {
    const calls: Call[] = [];
    const bench = new TransactionBench({ trace: (_number, call) => void calls.push(call) });
    const setting = await bench.open();
    await setting.store.transaction((tx) => appendAll(setting, tx, 'opens the logs'));
    calls.length = 0;
    await setting.store.transaction((tx) => appendAll(setting, tx));
    const syncs = calls.filter(({ operation }) => operation === 'datasync');
    expect(syncs.map(({ path }) => path)).toEqual([expect.stringContaining('/journal/')]);
    bench.fileSystem = bench.fileSystem.crashImage({ data: 'none', names: 'none' });
    const { audit } = await bench.open();
    expect((await audit.read({ partition: 0, offset: 1 }))?.value).toBe('tx 4');
  });

  test('with nothing in it writes nothing', async () => {
    const bench = new TransactionBench();
    const { store } = await bench.open();
    const before = bench.fileSystem.callCount;
    expect(await store.transaction(() => 'nothing')).toBe('nothing');
    expect(bench.fileSystem.callCount).toBe(before);
  });

  test('goes together with others of the same turn', async () => {
    const setting = await new TransactionBench().open();
    const { store, audit } = setting;
    const names = ['a', 'b', 'c', 'd'];
    const results = await Promise.all(
      names.map((value) => store.transaction((tx) => tx.append(audit, { value }))),
    );
    const offsets = results.map(({ result }) => result?.placements[0]?.baseOffset);
    expect(offsets).toEqual([0, 1, 2, 3]);
    expect((await sightOf(setting)).audit).toEqual(names);
  });
});

describe('acks of a transaction', () => {
  test('are of any number of records, queues and groups, with what is sent', async () => {
    const setting = await new TransactionBench().open();
    const { store, inbox, outbox, orders } = setting;
    const group = await orders.shareGroup('readers');
    await orders.append({ value: 'to be read' });
    const inboxed = await leased(inbox, ['a', 'b', 'c', 'd']);
    const [outboxed] = await leased(outbox, ['e']);
    const [read] = await group.acquire();
    await store.transaction((tx) => {
      tx.ack(inboxed);
      tx.ack([outboxed, read].flatMap((each) => each ?? []));
      tx.ack(inboxed.slice(1, 2)); // Again: of no account.
      tx.send(inbox, 'next');
    });
    expect(inboxed.every(({ isSettled }) => isSettled)).toBe(true);
    expect(await inbox.stats()).toMatchObject({ settled: { acked: 4 }, leasedCount: 0 });
    expect(await outbox.stats()).toMatchObject({ settled: { acked: 1 }, unsettledCount: 0 });
    expect(await group.stats()).toMatchObject({ settled: { acked: 1 }, unsettledCount: 0 });
    const [next] = await inbox.acquire();
    expect(next?.value).toBe('next');
  });

  test('alone are a transaction', async () => {
    const bench = new TransactionBench();
    const { store, inbox } = await bench.open();
    const deliveries = await leased(inbox, ['a', 'b']);
    await store.transaction((tx) => tx.ack(deliveries));
    bench.fileSystem = bench.fileSystem.crashImage({ data: 'none', names: 'none' });
    const again = await bench.open();
    expect(await again.inbox.stats()).toMatchObject({ settled: { acked: 2 }, unsettledCount: 0 });
  });

  test('have the next acquire and the end of the consumer see that they are done', async () => {
    const { store, inbox } = await new TransactionBench().open();
    await inbox.send('a');
    await inbox.send('b');
    const one = await store.queue('inbox', { codec: utf8, prefetch: 1 });
    const deliveries = await one.acquire();
    await store.transaction((tx) => tx.ack(deliveries));
    expect(await one.acquire()).toHaveLength(1); // There is room again at once.
    await one.close();
    expect(await inbox.stats()).toMatchObject({ settled: { acked: 1 }, leasedCount: 0 });
  });

  test('are all or none of a call', async () => {
    const { store, inbox } = await new TransactionBench().open();
    const [first, second] = await leased(inbox, ['a', 'b']);
    await second?.ack();
    await store.transaction((tx) => {
      const both = [first, second].flatMap((each) => each ?? []);
      expect(() => tx.ack(both)).toThrow(/is over: settled/);
    });
    expect(first?.isSettled).toBe(false);
    await first?.ack();
  });

  test('refuse what is no delivery, or of another store', async () => {
    const { store, inbox } = await new TransactionBench().open();
    const other = await new TransactionBench().open();
    const [own] = await leased(inbox, ['a']);
    const foreign = await leased(other.inbox, ['a']);
    await store.transaction((tx) => {
      expect(() => tx.ack(foreign)).toThrow('of the store of the transaction');
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what JavaScript callers may pass
      expect(() => tx.ack({} as never)).toThrow('a delivery, or several');
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as above
      expect(() => tx.ack([own, null] as never)).toThrow('deliveries alone');
      tx.ack([]);
    });
    expect(own?.isSettled).toBe(false);
  });
});

describe('the size of a transaction', () => {
  test('is counted as it is collected: what goes beyond it is refused, the rest stands', async () => {
    const setting = await new TransactionBench().open();
    const { store, audit } = setting;
    const large = { value: 'x'.repeat(MIB - 1000) };
    await store.transaction((tx) => {
      for (let n = 0; n < 8; n++) tx.append(audit, large);
      const error = expect.objectContaining({
        code: 'ERR_VARVE_TOO_LARGE',
        details: expect.objectContaining({ what: 'transaction', bytesMax: 8 * MIB }) as object,
      }) as Error;
      expect(() => tx.append(audit, large)).toThrow(error);
      tx.append(audit, { value: 'small' });
    });
    expect((await sightOf(setting)).audit).toHaveLength(9);
  });

  test('has at most 10,000 acks', async () => {
    const { store, inbox } = await new TransactionBench().open();
    await inbox.sendBatch(Array.from({ length: 10_001 }, (_, n) => ({ value: String(n) })));
    const name = 'x'.repeat(255); // Counted once, however many calls there are.
    const group = await inbox.topic.shareGroup(name, { leasedMax: 20_000 });
    const deliveries = await group.acquire({ max: 10_001 });
    expect(deliveries).toHaveLength(10_001);
    await store.transaction((tx) => {
      expect(() => tx.ack(deliveries)).toThrow('10001 acks and positions is above the limit');
      for (const delivery of deliveries.slice(1)) tx.ack(delivery);
      expect(() => tx.ack(deliveries)).toThrow('10001 acks and positions is above the limit');
    });
    expect(await group.stats()).toMatchObject({ settled: { acked: 10_000 }, leasedCount: 1 });
  });
});

describe('a transaction that is over', () => {
  test('takes no more, and says why', async () => {
    const { store, audit, inbox } = await new TransactionBench().open();
    const deliveries = await leased(inbox, ['a']);
    const kept: Transaction[] = [];
    await store.transaction((tx) => void kept.push(tx), { name: 'transfer' });
    await expect(
      store.transaction((tx) => {
        kept.push(tx);
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    for (const [at, state] of (['committed', 'aborted'] as const).entries()) {
      const tx = kept[at];
      const name = at === 0 ? 'transfer' : '';
      const ended = new TransactionEndedError({ name, state });
      expect(() => tx?.append(audit, { value: 'x' })).toThrow(ended);
      expect(() => tx?.ack(deliveries)).toThrow(ended);
      expect(() => tx?.abort()).toThrow(ended);
      expect(tx?.signal.aborted).toBe(false);
    }
  });

  test('takes no more while it is being committed', async () => {
    const setting = await new TransactionBench().open();
    const { store, audit } = setting;
    let late: unknown = null;
    await store.transaction((tx) => {
      tx.append(audit, { value: 'x' });
      queueMicrotask(() =>
        queueMicrotask(() => {
          try {
            tx.append(audit, { value: 'late' });
          } catch (error) {
            late = error;
          }
        }),
      );
    });
    expect(late).toMatchObject({ details: { state: 'committing' } });
    expect((await sightOf(setting)).audit).toEqual(['x']);
  });
});

test('a store that is only read commits nothing, and lists what its logs have to sync', async () => {
  const bench = new TransactionBench();
  const writing = await bench.open();
  await writing.store.transaction((tx) => appendAll(writing, tx));
  const { clock, random } = bench;
  const fileSystem = bench.fileSystem.killImage();
  const store = await openStore('/store', { fileSystem, clock, random, readOnly: true });
  const audit = await store.topic('audit', { codec: utf8 });
  const done = store.transaction((tx) => tx.append(audit, { value: 'x' }));
  await expect(done).rejects.toMatchObject({ code: 'ERR_VARVE_READ_ONLY' });
  expect(await store.transaction(() => 'nothing')).toBe('nothing');
  const { open, unsynced } = store.transactions();
  expect(open).toEqual([]);
  expect(unsynced.map(({ topic }) => topic)).toEqual(['orders', 'orders', 'audit', 'outbox']);
  await store.close();
});

describe('what store.transaction takes', () => {
  test.each([
    [{ timeoutMs: 0 }, RangeError],
    [{ timeoutMs: 86_400_001 }, RangeError],
    [{ timeoutMs: '5' }, TypeError],
    [{ name: '' }, RangeError],
    [{ name: 'x'.repeat(256) }, RangeError],
    [{ name: 5 }, TypeError],
    [{ signal: {} }, TypeError],
    [{ timeout: 5 }, TypeError],
    [null, TypeError],
  ])('refuses %o', async (options, ErrorClass) => {
    const { store } = await new TransactionBench().open();
    const call = store.transaction(
      () => expect.unreachable('nothing runs'),
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what JavaScript callers may pass
      options as object,
    );
    await expect(call).rejects.toThrow(ErrorClass);
    await expect(call).rejects.toMatchObject({ code: 'ERR_VARVE_INVALID_ARGUMENT' });
  });

  test('refuses what is no function', async () => {
    const { store } = await new TransactionBench().open();
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what JavaScript callers may pass
    await expect(store.transaction('x' as never)).rejects.toThrow('`action` to be a function');
  });

  test('refuses a topic of an exchange: only it appends there', async () => {
    const { store } = await new TransactionBench().open();
    await store.exchange('events', { type: 'fanout' });
    const source = await store.topic('exchange:events', { codec: utf8 });
    await store.transaction((tx) => {
      expect(() => tx.append(source, { value: 'x' })).toThrow('an append that is no publish');
    });
  });
});
