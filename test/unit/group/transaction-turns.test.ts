/** Positions of transactions beside plain commits of the same member: each in its turn, whatever came before. */
import { expect, onTestFinished, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { holdJournal, next, POLL_MS, setup } from '../../support/group-transactions.ts';
import { rejectionOf, turns } from '../../support/log-fixture.ts';
import { StoreDisk } from '../../support/store-disk.ts';

const at = (offset: number, partition = 0) => ({ partition, offset });

test('a transaction stays behind a plain commit that waits for the log of another partition', async () => {
  const { bench, store } = await setup(2);
  await store.close();
  const again = await bench.open();
  onTestFinished(() => again.close());
  const input = await again.topic('input', { codec: utf8, partitions: 2 });
  await input.read({ partition: 0, offset: 0 });
  const member = await input.consumerGroup('g');
  const batches = member.batches();
  const reading = batches.next();
  for (let left = 10; member.assignment.length === 0 && left > 0; left--) await Promise.resolve();
  const opened = [0, 1].map((partition) => input.partitions.at(partition).opened !== null);
  expect([member.assignment, opened]).toEqual([
    [0, 1],
    [true, false],
  ]);
  const plain = member.commit([at(2, 1), at(2, 0)]);
  await again.transaction((tx) => tx.commitOffset(member, at(1, 0)));
  expect(member.committed(0)).toMatchObject({ offset: 1 });
  await Promise.all([plain, reading]);
  expect([0, 1].map((partition) => member.committed(partition)?.offset)).toEqual([1, 2]);
  await batches.return();
});

test('a plain commit that waits for a transaction is refused when its member has lost the partition', async () => {
  const setting = await setup();
  const { bench, held, store, join } = setting;
  const member = await join();
  const batch = await next(member);
  const other = await join();
  const { inFront } = await holdJournal(setting);
  const committing = store.transaction((tx) => tx.commitOffset(member, at(1)));
  await turns(20);
  const late = rejectionOf(member.commit(batch));
  await turns(5);
  bench.clock.advance(POLL_MS); // It is taken for dead.
  const taking = next(other);
  await turns(20);
  held.release();
  await Promise.all([committing, inFront]);
  expect(await late).toMatchObject({ code: 'ERR_VARVE_FENCED' });
  expect(await taking).toMatchObject({ baseOffset: 1 });
  expect(other.committed(0)).toMatchObject({ offset: 1 });
});

test('the next owner’s position by number comes behind what the last owner is committing', async () => {
  const { bench, heldLogs, store, output, join } = await setup();
  const member = await join();
  await next(member);
  bench.clock.advance(POLL_MS / 2);
  const other = await join();
  await output.append({ value: 'opens the log' });
  heldLogs.hold();
  const plain = output.append({ value: 'has to be synced in front' });
  await turns(20);
  const first = store.transaction((tx) => {
    tx.append(output, { value: 'behind' });
    tx.commitOffset(member, at(1));
  });
  await turns(20);
  bench.clock.advance(POLL_MS / 2); // The first member is taken for dead.
  expect(other.assignment).toEqual([0]);
  const second = store.transaction((tx) => tx.commitOffset(other, at(3)));
  await turns(50);
  expect(other.committed(0)).toBeNull();
  heldLogs.release();
  await Promise.all([first, second, plain]);
  expect(other.committed(0)).toMatchObject({ offset: 3 });
});

test('nobody waits for a transaction that came to nothing behind its last look', async () => {
  const disk = await StoreDisk.make();
  const store = await disk.open();
  const input = await store.topic('input', { codec: utf8 });
  await input.append({ value: 'first' });
  const member = await input.consumerGroup('g', { pollMsMax: POLL_MS });
  const batch = await next(member);
  const full = { operations: ['write'], path: /journal\/.*log$/, errno: 'ENOSPC' } as const;
  disk.fileSystem.addFault({ ...full, times: 2 }); // Also when the reserve was given up for it.
  const refused = store.transaction((tx) => tx.commitOffset(member, batch));
  await expect(refused).rejects.toMatchObject({ code: 'ERR_VARVE_DISK_FULL' });
  expect(member.committed(0)).toBeNull();
  let isDone = false;
  const plain = member.commit(batch).then(() => (isDone = true));
  await turns(50);
  expect(isDone).toBe(true);
  await plain;
  expect(member.committed(0)).toMatchObject({ offset: batch.nextOffset });
  await store.close();
});

test('who takes a partition over begins behind a plain commit that is on its way', async () => {
  const setting = await setup();
  const { bench, held, join } = setting;
  const member = await join();
  await next(member);
  const second = await next(member);
  bench.clock.advance(POLL_MS / 2);
  const other = await join();
  const { inFront } = await holdJournal(setting);
  const plain = member.commit(second);
  bench.clock.advance(POLL_MS / 2); // It is taken for dead.
  const begun: number[] = [];
  const done = other.process((batch) => {
    begun.push(batch.baseOffset);
    if (batch.nextOffset === 4) void other.close();
  });
  await turns(50);
  expect(other.assignment).toEqual([0]);
  expect(begun).toEqual([]);
  held.release();
  await Promise.all([plain, inFront, done]);
  expect(begun).toEqual([2, 3]);
});
