/** What producers send in transactions: each number is stored once, with the rest or not at all. */
import { describe, expect, test } from 'vitest';

import { HeldSyncs } from '../../support/held-syncs.ts';
import { rejectionOf, turns } from '../../support/log-fixture.ts';
import { leased, sightOf, TransactionBench } from '../../support/transaction-bench.ts';

const values = (...given: readonly string[]) => given.map((value) => ({ value }));

describe('a producer in a transaction', () => {
  test('stores a number once, with the rest of it', async () => {
    const setting = await new TransactionBench().open();
    const { store, orders, audit, outbox } = setting;
    const producer = await store.producer('p');
    const send = () =>
      store.transaction((tx) => [
        tx.append(orders, values('a', 'b'), { producer, sequence: 0, partition: 1 }),
        tx.send(outbox, 'job', { producer, sequence: 0 }),
        tx.append(audit, { value: 'done' }),
      ]);
    const first = await send();
    expect(first.map(({ result }) => result)).toEqual([
      {
        placements: [{ partition: 1, baseOffset: 0, recordCount: 2 }],
        recordCount: 2,
        duplicateCount: 0,
        duplicates: [],
        lastSequence: 1,
        durability: 'sync',
      },
      { duplicate: false, sequence: 0, partition: 0, offset: 0, durability: 'sync' },
      {
        placements: [{ partition: 0, baseOffset: 0, recordCount: 1 }],
        recordCount: 1,
        duplicates: [],
        durability: 'sync',
      },
    ]);
    const again = await send();
    expect(again.map(({ result }) => result)).toMatchObject([
      {
        placements: [],
        recordCount: 0,
        duplicateCount: 2,
        duplicates: [
          { index: 0, partition: 1, offset: 0 },
          { index: 1, partition: 1, offset: 1 },
        ],
        lastSequence: 1,
      },
      { duplicate: true, sequence: 0, partition: 0, offset: 0, durability: 'sync' },
      { placements: [{ baseOffset: 1 }] },
    ]);
    expect(await sightOf(setting)).toEqual({
      orders: ['a', 'b'],
      outbox: ['job'],
      audit: ['done', 'done'],
    });
  });

  test('appends of a call what is missing, and places what comes behind it', async () => {
    const { store, orders, audit } = await new TransactionBench().open();
    const producer = await store.producer('p');
    await producer.appendBatch(audit, values('0', '1'));
    const [first, missing, last] = await store.transaction((tx) => [
      tx.append(audit, { value: 'x' }),
      tx.append(audit, values('1', '2', '3'), { producer, sequence: 1 }),
      tx.append(audit, { value: 'y' }),
      tx.append(orders, [], { producer }),
    ]);
    expect(first?.result?.placements).toMatchObject([{ baseOffset: 2, recordCount: 1 }]);
    expect(missing?.result).toMatchObject({
      placements: [{ baseOffset: 3, recordCount: 2 }],
      duplicateCount: 1,
      duplicates: [{ index: 0, partition: 0, offset: 1 }],
      lastSequence: 3,
    });
    expect(last?.result?.placements).toMatchObject([{ baseOffset: 5, recordCount: 1 }]);
    expect(await producer.last(audit)).toMatchObject({ sequence: 3, resumeFrom: 4, offset: 4 });
  });

  test('counts on by itself, in the order of the calls, inside a transaction and outside', async () => {
    const { store, audit } = await new TransactionBench().open();
    const producer = await store.producer('p');
    const before = producer.append(audit, { value: '0' });
    const both = store.transaction((tx) => [
      tx.append(audit, values('1', '2'), { producer }),
      tx.append(audit, { value: '3' }, { producer }),
    ]);
    await turns(3);
    const behind = producer.append(audit, { value: '4' });
    expect((await both).map(({ result }) => result?.lastSequence)).toEqual([2, 3]);
    expect(await before).toMatchObject({ sequence: 0, offset: 0 });
    expect(await behind).toMatchObject({ sequence: 4, offset: 4 });
    expect((await audit.read({ partition: 0, offset: 3 }))?.value).toBe('3');
  });

  test('comes behind calls that were made before it, also those that wait', async () => {
    const bench = new TransactionBench();
    const held = new HeldSyncs(bench.fileSystem, '/topics/');
    const { store, orders } = await bench.open();
    const producer = await store.producer('p');
    await producer.last(orders);
    held.hold();
    const to = { partition: 0 };
    const before = [
      producer.append(orders, { value: '0' }, to),
      producer.append(orders, { value: '0' }, { ...to, sequence: 0 }),
      producer.append(orders, { value: '1' }, to),
    ];
    const committed = store.transaction((tx) => {
      return tx.append(orders, { value: '2' }, { ...to, producer });
    });
    await turns(10);
    held.release();
    const sequences = (await Promise.all(before)).map(({ sequence }) => sequence);
    expect([...sequences, (await committed).result?.lastSequence]).toEqual([0, 0, 1, 2]);
  });

  test('stands before what is sent behind it, however long it waits for others', async () => {
    const bench = new TransactionBench();
    const held = new HeldSyncs(bench.fileSystem, '/journal/');
    const { store, orders, audit } = await bench.open();
    const producer = await store.producer('p');
    await producer.append(audit, { value: '0' });
    held.hold();
    const other = store.transaction((tx) => tx.append(orders, { value: 'x' }));
    await turns(5); // The Committer is at that one.
    const committed = store.transaction((tx) => tx.append(audit, { value: '1' }, { producer }));
    await turns(5);
    const behind = producer.append(audit, { value: '2' });
    await turns(5);
    held.release();
    await other;
    expect((await committed).result?.placements).toMatchObject([{ baseOffset: 1 }]);
    expect(await behind).toMatchObject({ sequence: 2, offset: 2 });
  });

  test('sees what an earlier call of the same transaction sends', async () => {
    const setting = await new TransactionBench().open();
    const { store, audit } = setting;
    const producer = await store.producer('p');
    const [first, second] = await store.transaction((tx) => [
      tx.append(audit, values('0', '1'), { producer, sequence: 0 }),
      tx.append(audit, values('1', '2'), { producer, sequence: 1 }),
    ]);
    expect(first?.result).toMatchObject({ recordCount: 2, duplicateCount: 0 });
    expect(second?.result).toMatchObject({
      recordCount: 1,
      duplicateCount: 1,
      duplicates: [{ index: 0, partition: 0, offset: 1 }],
    });
    expect((await sightOf(setting)).audit).toEqual(['0', '1', '2']);
  });

  test('refuses a gap, and nothing of the transaction has happened', async () => {
    const setting = await new TransactionBench().open();
    const { store, audit, orders, inbox } = setting;
    const producer = await store.producer('p');
    const [delivery] = await leased(inbox, ['work']);
    const late = store.transaction((tx) => {
      tx.append(orders, { value: 'x' }, { partition: 0 });
      if (delivery !== undefined) tx.ack(delivery);
      tx.append(audit, { value: '1' }, { producer, sequence: 1 });
    });
    expect(await rejectionOf(late)).toMatchObject({
      code: 'ERR_VARVE_SEQUENCE_GAP',
      details: { producer: 'p', topic: 'audit', expected: 0, found: 1 },
    });
    expect(await sightOf(setting)).toEqual({ orders: [], audit: [], outbox: [] });
    await delivery?.ack(); // Its lease goes on.
    expect(await producer.append(audit, { value: '0' })).toMatchObject({ sequence: 0, offset: 0 });
  });

  test('is refused when somebody else produces under its name', async () => {
    const setting = await new TransactionBench().open();
    const { store, audit } = setting;
    const older = await store.producer('p');
    let newer = older;
    const fenced = store.transaction(async (tx) => {
      tx.append(audit, { value: 'a' }, { producer: older, sequence: 0 });
      newer = await store.producer('p');
    });
    expect(await rejectionOf(fenced)).toMatchObject({ code: 'ERR_VARVE_FENCED' });
    const late = store.transaction((tx) => tx.append(audit, { value: 'a' }, { producer: older }));
    expect(await rejectionOf(late)).toMatchObject({ code: 'ERR_VARVE_FENCED' });
    expect((await sightOf(setting)).audit).toEqual([]);
    await store.transaction((tx) => tx.append(audit, { value: 'a' }, { producer: newer }));
    expect((await sightOf(setting)).audit).toEqual(['a']);
  });

  test('that is being committed is waited for by who comes next under its name', async () => {
    const bench = new TransactionBench();
    const held = new HeldSyncs(bench.fileSystem, '/journal/');
    const { store, audit } = await bench.open();
    const older = await store.producer('p');
    await older.append(audit, { value: '0' });
    held.hold();
    const committed = store.transaction((tx) =>
      tx.append(audit, { value: '1' }, { producer: older }),
    );
    await turns(5);
    const opened = store.producer('p');
    await turns(5);
    held.release();
    expect((await committed).result).toMatchObject({ lastSequence: 1 });
    expect(await (await opened).last(audit)).toMatchObject({ sequence: 1, resumeFrom: 2 });
  });

  test('has its numbers free again when the transaction is refused', async () => {
    const setting = await new TransactionBench().open();
    const { store, audit, inbox } = setting;
    const producer = await store.producer('p');
    await producer.append(audit, { value: '0' });
    const abandoned = store.transaction((tx) => {
      tx.append(audit, { value: 'no' }, { producer, sequence: 1 });
      tx.abort(new Error('changed my mind'));
    });
    await expect(abandoned).rejects.toThrow('changed my mind');
    const [delivery] = await leased(inbox, ['work']);
    const lost = store.transaction((tx) => {
      tx.append(audit, { value: 'no' }, { producer, sequence: 1 });
      if (delivery !== undefined) tx.ack(delivery);
      return delivery?.release();
    });
    expect(await rejectionOf(lost)).toMatchObject({ code: 'ERR_VARVE_LEASE_LOST' });
    expect(await producer.last(audit)).toMatchObject({ sequence: 0, resumeFrom: 1 });
    const sent = await store.transaction((tx) => {
      return tx.append(audit, { value: '1' }, { producer, sequence: 1 });
    });
    expect(sent.result).toMatchObject({ duplicateCount: 0, lastSequence: 1 });
    expect((await sightOf(setting)).audit).toEqual(['0', '1']);
  });

  test('leaves open what a journal left open that failed, and knows it after the next opening', async () => {
    const bench = new TransactionBench();
    const { store, audit } = await bench.open();
    const producer = await store.producer('p');
    await producer.append(audit, { value: '0' });
    bench.fileSystem.addFault({ operations: ['datasync'], path: /journal/, errno: 'EIO' });
    const failed = store.transaction((tx) => tx.append(audit, { value: '1' }, { producer }));
    const open = { code: 'ERR_VARVE_FAILED', details: { indeterminate: true } };
    expect(await rejectionOf(failed)).toMatchObject(open);
    const retried = producer.append(audit, { value: '1' }, { sequence: 1 });
    expect(await rejectionOf(retried)).toMatchObject({ code: 'ERR_VARVE_FAILED' });
    await store.close().catch(() => undefined);
    bench.fileSystem = bench.fileSystem.crashImage({ data: 'all', names: 'all' });
    const again = await bench.open();
    const successor = await again.store.producer('p');
    const { resumeFrom } = await successor.last(again.audit);
    const sent = await successor.append(again.audit, { value: '1' }, { sequence: 1 });
    expect(sent.duplicate).toBe(resumeFrom === 2);
    expect((await sightOf(again)).audit).toEqual(['0', '1']);
  });

  test('has a duplicate synced before it tells of it', async () => {
    const bench = new TransactionBench();
    const { store, audit } = await bench.open();
    const producer = await store.producer('p');
    await producer.append(audit, { value: '0' }); // At `os`.
    const told = await store.transaction((tx) => {
      return tx.append(audit, { value: '0' }, { producer, sequence: 0 });
    });
    expect(told.result).toMatchObject({ duplicateCount: 1, durability: 'sync' });
    bench.fileSystem = bench.fileSystem.crashImage({ data: 'none', names: 'none' });
    expect((await sightOf(await bench.open())).audit).toEqual(['0']);
  });

  test('stores what was overtaken while it was collected, also where gaps are allowed', async () => {
    const setting = await new TransactionBench().open();
    const { store, audit } = setting;
    const producer = await store.producer('p', { gaps: 'allow' });
    await producer.append(audit, { value: '3' }, { sequence: 3 });
    const [taken] = await store.transaction(async (tx) => {
      const all = [tx.append(audit, values('9', '10'), { producer, sequence: 9 })];
      await producer.append(audit, { value: '12' }, { sequence: 12, durability: 'sync' });
      await producer.append(audit, { value: '15' }, { sequence: 15, durability: 'sync' });
      return all;
    });
    expect(taken?.result).toMatchObject({ recordCount: 2, duplicateCount: 0 });
    expect((await sightOf(setting)).audit).toEqual(['3', '12', '15', '9', '10']);
    expect(await producer.last(audit)).toMatchObject({ sequence: 15, resumeFrom: 16 });
  });

  test('may send again what was refused, also behind higher numbers', async () => {
    const setting = await new TransactionBench().open();
    const { store, audit } = setting;
    const producer = await store.producer('p', { gaps: 'allow' });
    await producer.append(audit, { value: '3' }, { sequence: 3 });
    const abandoned = store.transaction((tx) => {
      tx.append(audit, { value: '9' }, { producer, sequence: 9 });
      tx.abort(new Error('not yet'));
    });
    await expect(abandoned).rejects.toThrow('not yet');
    await producer.append(audit, { value: '12' }, { sequence: 12, durability: 'sync' });
    expect(await producer.last(audit)).toMatchObject({ sequence: 12, resumeFrom: 9 });
    const again = await producer.append(audit, { value: '9' }, { sequence: 9 });
    expect(again).toMatchObject({ duplicate: false });
    expect(await producer.last(audit)).toMatchObject({ resumeFrom: 13 });
  });

  test('takes lists of numbers where gaps are allowed, and survives a power cut', async () => {
    const bench = new TransactionBench();
    const { store, orders } = await bench.open();
    const producer = await store.producer('copy', { gaps: 'allow' });
    await store.transaction((tx) => {
      tx.append(orders, values('3', '7', '8'), { producer, sequence: [3, 7, 8] });
    });
    bench.fileSystem = bench.fileSystem.crashImage({ data: 'none', names: 'none' });
    const again = await bench.open();
    const successor = await again.store.producer('copy', { gaps: 'allow' });
    expect(await successor.last(again.orders)).toMatchObject({ sequence: 8 });
    const told = await again.store.transaction((tx) =>
      tx.append(again.orders, values('3', '7', '8', '9'), {
        producer: successor,
        sequence: [3, 7, 8, 9],
      }),
    );
    expect(told.result).toMatchObject({ recordCount: 1, duplicateCount: 3, lastSequence: 9 });
  });

  test('checks what it is given', async () => {
    const { store, audit } = await new TransactionBench().open();
    const other = await new TransactionBench().open();
    const stranger = await other.store.producer('p');
    const producer = await store.producer('p');
    await store.transaction((tx) => {
      const append = (options: object) => () => tx.append(audit, { value: 'x' }, options);
      expect(append({ sequence: 0 })).toThrow(TypeError);
      expect(append({ producer: {} })).toThrow(TypeError);
      expect(append({ producer: null })).toThrow(TypeError);
      expect(append({ producer: stranger })).toThrow(/store of the transaction/);
      expect(append({ producer, sequence: -1 })).toThrow(RangeError);
      expect(append({ producer, sequence: [0, 1] })).toThrow(TypeError);
      expect(append({ producer, partition: 1 })).toThrow(RangeError);
      const record = { value: 'x', dedupId: 'id' };
      expect(() => tx.append(audit, record, { producer })).toThrow(/dedupId/);
    });
    await expect(producer.append(other.audit, { value: 'x' })).rejects.toThrow(TypeError);
    expect(await producer.last(audit)).toMatchObject({ sequence: null });
  });
});
