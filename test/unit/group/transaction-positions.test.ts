/** Positions that transactions commit: with the rest or not at all, and who takes a partition over waits. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { FencedError } from '../../../src/core/ownership-errors.ts';
import type { RecordBatch } from '../../../src/log/record.ts';
import { holdJournal, next, POLL_MS, setup, valuesOf } from '../../support/group-transactions.ts';
import { turns } from '../../support/log-fixture.ts';

describe('a position in a transaction', () => {
  test('is committed with what it appends, and stays when the store is opened again', async () => {
    const { bench, store, output, join } = await setup();
    const member = await join();
    const batch = await next(member);
    await store.transaction((tx) => {
      tx.append(output, { value: `of ${batch.nextOffset}` });
      tx.commitOffset(member, batch, { metadata: 'note' });
      expect(store.transactions().open).toMatchObject([{ appendCount: 1, positionCount: 1 }]);
    });
    expect(member.committed(0)).toMatchObject({ offset: batch.nextOffset, metadata: 'note' });
    expect(await valuesOf(output)).toEqual([`of ${batch.nextOffset}`]);
    const again = await bench.reopen(store);
    const reader = await (await again.topic('input', { codec: utf8 })).consumerGroup('g');
    expect(reader.committed(0)).toMatchObject({ offset: batch.nextOffset, epoch: batch.epoch });
    await again.close();
  });

  test('is the last one of several, of any partitions and groups', async () => {
    const { store, input, join } = await setup(2);
    const member = await join();
    const other = await input.consumerGroup('other');
    await Promise.all([next(member), next(other)]);
    await store.transaction((tx) => {
      tx.commitOffset(member, { partition: 0, offset: 2 });
      tx.commitOffset(other, { partition: 1, offset: 2 });
      tx.commitOffset(member, [
        { partition: 1, offset: 1 },
        { partition: 0, offset: 1 },
      ]);
      tx.commitOffset(member, []);
    });
    const offsets = [member, other].map((one) =>
      [0, 1].map((partition) => one.committed(partition)?.offset ?? null),
    );
    expect(offsets).toEqual([
      [1, 1],
      [null, 2],
    ]);
  });

  test('stays where it was when the transaction comes to nothing', async () => {
    const { store, output, join } = await setup();
    const member = await join();
    const batch = await next(member);
    const failing = store.transaction((tx) => {
      tx.append(output, { value: 'never' });
      tx.commitOffset(member, batch);
      throw new Error('no luck');
    });
    await expect(failing).rejects.toThrow('no luck');
    expect(member.committed(0)).toBeNull();
    expect(await valuesOf(output)).toEqual([]);
    await member.commit(batch);
    expect(member.committed(0)).toMatchObject({ offset: batch.nextOffset });
  });

  test('is refused where the partition was lost, and with it the whole transaction', async () => {
    const { bench, store, output, join } = await setup();
    const member = await join();
    const batch = await next(member);
    const late = store.transaction(async (tx) => {
      tx.append(output, { value: 'never' });
      tx.commitOffset(member, batch);
      bench.clock.advance(POLL_MS);
      await turns(5);
      expect(() => tx.commitOffset(member, batch)).toThrow(FencedError);
    });
    await expect(late).rejects.toMatchObject({
      code: 'ERR_VARVE_FENCED',
      details: { group: 'g', partition: 0 },
    });
    expect(member.committed(0)).toBeNull();
    expect(await valuesOf(output)).toEqual([]);
  });

  test('beyond the end, of no member, of another store or of a closed one is refused', async () => {
    const setting = await setup();
    const { store, output, join } = setting;
    const member = await join();
    await next(member);
    const beyond = store.transaction((tx) => {
      tx.append(output, { value: 'never' });
      tx.commitOffset(member, { partition: 0, offset: 5 });
    });
    await expect(beyond).rejects.toThrow(RangeError);
    expect(await valuesOf(output)).toEqual([]);
    const stranger = await (await setup()).join();
    await next(stranger);
    const leaver = await join();
    await leaver.close();
    await store.transaction((tx) => {
      const position = { partition: 0, offset: 1 };
      expect(() => tx.commitOffset(stranger, position)).toThrow(TypeError);
      expect(() => tx.commitOffset(leaver, position)).toThrow('is closed');
      // @ts-expect-error -- a topic is no member
      expect(() => tx.commitOffset(output, position)).toThrow('a member of a consumer group');
      // @ts-expect-error -- it has to be said what
      expect(() => tx.commitOffset(member, undefined)).toThrow('a batch, a position or several');
      expect(() => tx.commitOffset(member, { partition: 0, offset: -1 })).toThrow(RangeError);
      const metadata = 'x'.repeat(4097);
      expect(() => tx.commitOffset(member, position, { metadata })).toThrow('metadata');
      const many = Array.from({ length: 10_001 }, () => position);
      expect(() => tx.commitOffset(member, many)).toThrow('10000');
    });
    expect(member.committed(0)).toBeNull();
  });
});

describe('while a position is being committed', () => {
  test('the next owner of the partition waits, and begins behind it', async () => {
    const setting = await setup();
    const { bench, held, store, output, join } = setting;
    const member = await join();
    const batch = await next(member);
    const other = await join();
    const { inFront } = await holdJournal(setting);
    const committing = store.transaction((tx) => {
      tx.append(output, { value: 'of the first batch' });
      tx.commitOffset(member, batch);
    });
    await turns(20);
    let taken: RecordBatch<string> | null = null;
    const taking = next(other).then((value) => void (taken = value));
    bench.clock.advance(POLL_MS); // The first member is taken for dead.
    await turns(50);
    expect(other.assignment).toEqual([0]);
    expect(taken).toBeNull();
    held.release();
    await Promise.all([committing, inFront, taking]);
    expect(taken).toMatchObject({ baseOffset: batch.nextOffset });
    expect(await valuesOf(output)).toEqual(['in front', 'of the first batch']);
  });

  test('the next owner waits also where it looks at the partition before its first batch', async () => {
    const setting = await setup();
    const { bench, held, store, join } = setting;
    const member = await join();
    const batch = await next(member);
    bench.clock.advance(POLL_MS / 2);
    const other = await join();
    const { inFront } = await holdJournal(setting);
    const committing = store.transaction((tx) => tx.commitOffset(member, batch));
    await turns(20);
    bench.clock.advance(POLL_MS / 2);
    other.pause([0]);
    other.resume([0]);
    const taking = next(other);
    await turns(50);
    held.release();
    await Promise.all([committing, inFront]);
    expect(await taking).toMatchObject({ baseOffset: batch.nextOffset });
  });

  test('its member closes behind it, and a reset and a deletion come behind that', async () => {
    const setting = await setup();
    const { held, store, input, join } = setting;
    const member = await join();
    const batch = await next(member);
    const { inFront } = await holdJournal(setting);
    const told: string[] = [];
    const tell = (what: string) => () => void told.push(what);
    const committing = store
      .transaction((tx) => tx.commitOffset(member, batch))
      .then(tell('committed'));
    await turns(20);
    const closing = member.close().then(tell('closed'));
    await turns(20);
    expect(member.assignment).toEqual([0]);
    held.release();
    await Promise.all([committing, closing, inFront]);
    expect(told).toEqual(['committed', 'closed']);
    const resets = await input.resetGroup('g', { offset: 0 }, { dryRun: false });
    expect(resets).toEqual([{ partition: 0, from: batch.nextOffset, to: 0 }]);
  });

  test('a reset of a group whose member was taken for dead waits for it', async () => {
    const setting = await setup();
    const { bench, held, store, input, join } = setting;
    const member = await join();
    const batch = await next(member);
    const { inFront } = await holdJournal(setting);
    const committing = store.transaction((tx) => tx.commitOffset(member, batch));
    await turns(20);
    bench.clock.advance(POLL_MS);
    const resetting = input.resetGroup('g', { offset: 3 }, { dryRun: false });
    await turns(20);
    held.release();
    await Promise.all([committing, inFront]);
    expect(await resetting).toEqual([{ partition: 0, from: batch.nextOffset, to: 3 }]);
    expect(member.committed(0)).toMatchObject({ offset: 3 });
  });

  test('deleting the topic waits for it, and nothing of the group is left', async () => {
    const setting = await setup();
    const { bench, held, store, join } = setting;
    const member = await join();
    const batch = await next(member);
    const { inFront } = await holdJournal(setting);
    const committing = store.transaction((tx) => tx.commitOffset(member, batch));
    await turns(20);
    const deleting = store.deleteTopic('input');
    await turns(20);
    held.release();
    await Promise.all([committing, inFront, deleting]);
    const again = await bench.reopen(store);
    expect(again.groups()).toEqual([]);
    expect(again.misfits.count).toBe(0);
    await again.close();
  });

  test('a plain commit before it stays in front', async () => {
    const setting = await setup();
    const { held, store, join } = setting;
    const member = await join();
    await next(member);
    const { inFront } = await holdJournal(setting);
    const at = (offset: number) => ({ partition: 0, offset });
    const done = [member.commit(at(1)), member.commit(at(3))];
    await turns(5);
    done.push(store.transaction((tx) => tx.commitOffset(member, at(2))));
    held.release();
    await Promise.all([...done, inFront]);
    expect(member.committed(0)).toMatchObject({ offset: 2 });
  });

  test('a plain commit of the same member stays behind one that waits for a log', async () => {
    const { heldLogs, store, output, join } = await setup();
    const member = await join();
    await next(member);
    const at = (offset: number) => ({ partition: 0, offset });
    await output.append({ value: 'opens the log' });
    heldLogs.hold();
    const plain = output.append({ value: 'has to be synced in front' });
    await turns(20);
    const done = [
      store.transaction((tx) => {
        tx.append(output, { value: 'behind' });
        tx.commitOffset(member, at(4));
      }),
    ];
    await turns(20);
    done.push(member.commit(at(1)));
    await turns(20);
    expect(member.committed(0)).toBeNull();
    heldLogs.release();
    await Promise.all([...done, plain]);
    expect(member.committed(0)).toMatchObject({ offset: 1 });
  });

  test('a position in a log that is not open is committed, in its turn', async () => {
    const { bench, store } = await setup(2);
    await store.close();
    const again = await bench.open();
    onTestFinished(() => again.close());
    const input = await again.topic('input', { codec: utf8, partitions: 2 });
    const member = await input.consumerGroup('g');
    const batches = member.batches();
    const reading = batches.next();
    await turns(1);
    const plain = member.commit({ partition: 1, offset: 2 });
    const inTransaction = again.transaction((tx) =>
      tx.commitOffset(member, { partition: 1, offset: 1 }),
    );
    await Promise.all([plain, inTransaction, reading]);
    expect(member.committed(1)).toMatchObject({ offset: 1 });
    await batches.return();
  });
});
