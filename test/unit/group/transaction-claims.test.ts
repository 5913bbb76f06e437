/** A partition's position is one transaction's at a time, and none goes back unawares. */
import { expect, test } from 'vitest';

import { ConflictError } from '../../../src/core/errors.ts';
import type { ConsumerGroup } from '../../../src/group/consumer-group.ts';
import type { RecordBatch } from '../../../src/log/record.ts';
import type { Transaction } from '../../../src/transaction/transaction.ts';
import {
  gate,
  holdJournal,
  next,
  POLL_MS,
  setup,
  valuesOf,
} from '../../support/group-transactions.ts';
import { rejectionOf, turns } from '../../support/log-fixture.ts';

const at = (offset: number, partition = 0) => ({ partition, offset });

/** Of two batches of a partition, one behind the other. */
async function twoBatches(
  member: ConsumerGroup<string>,
): Promise<readonly [RecordBatch<string>, RecordBatch<string>]> {
  const first = await next(member);
  const second = await next(member);
  expect(second.baseOffset).toBe(first.nextOffset);
  return [first, second];
}

test('a second transaction is refused while the first is open, and goes on without it', async () => {
  const { store, output, join } = await setup();
  const member = await join();
  const [first, second] = await twoBatches(member);
  const { passed, open } = gate();
  const slow = store.transaction(
    (tx) => {
      tx.commitOffset(member, first);
      tx.commitOffset(member, first); // Its own.
      return passed;
    },
    { name: 'slow' },
  );
  await store.transaction((tx) => {
    tx.append(output, { value: 'beside' });
    expect(() => tx.commitOffset(member, second)).toThrow(ConflictError);
    expect(() => tx.commitOffset(member, at(0))).toThrow(
      'position of group g in partition 0: stored by transaction slow, which is not over',
    );
  });
  expect(member.committed(0)).toBeNull();
  open();
  await slow;
  expect(member.committed(0)).toMatchObject({ offset: first.nextOffset });
  await store.transaction((tx) => tx.commitOffset(member, second));
  expect(member.committed(0)).toMatchObject({ offset: second.nextOffset });
  expect(await valuesOf(output)).toEqual(['beside']);
});

test('it is refused until the first is on the disk', async () => {
  const setting = await setup();
  const { held, store, join } = setting;
  const member = await join();
  const [first, second] = await twoBatches(member);
  const { inFront } = await holdJournal(setting);
  const committing = store.transaction((tx) => tx.commitOffset(member, first));
  await turns(20);
  const early = rejectionOf(store.transaction((tx) => tx.commitOffset(member, second)));
  expect(await early).toBeInstanceOf(ConflictError);
  held.release();
  await Promise.all([committing, inFront]);
  await store.transaction((tx) => tx.commitOffset(member, second));
  expect(member.committed(0)).toMatchObject({ offset: second.nextOffset });
});

test('one that failed, or was stopped though its function goes on, is in nobody’s way', async () => {
  const { bench, store, join } = await setup();
  const member = await join();
  const batch = await next(member);
  const { passed, open } = gate();
  const take = (tx: Transaction): Promise<void> => {
    tx.commitOffset(member, batch);
    return passed;
  };
  const failing = store.transaction((tx) => {
    tx.commitOffset(member, batch);
    throw new Error('no luck');
  });
  await expect(failing).rejects.toThrow('no luck');
  const late = rejectionOf(store.transaction(take, { timeoutMs: POLL_MS / 4 }));
  bench.clock.advance(POLL_MS / 2);
  expect(await late).toMatchObject({ code: 'ERR_VARVE_TRANSACTION_ENDED' });
  const stop = new AbortController();
  const aborted = rejectionOf(store.transaction(take, { signal: stop.signal }));
  stop.abort(new Error('stopped'));
  expect(await aborted).toMatchObject({ message: 'stopped' });
  const last = store.transaction(take);
  open(); // Those that were stopped end, too, and let go what is not theirs any more.
  await last;
  expect(member.committed(0)).toMatchObject({ offset: batch.nextOffset });
});

test('other partitions and groups are free, and of several positions all are added or none', async () => {
  const { store, input, join } = await setup(2);
  const member = await join();
  const other = await input.consumerGroup('other');
  await Promise.all([next(member), next(other)]);
  const { passed, open } = gate();
  const slow = store.transaction((tx) => {
    tx.commitOffset(member, at(1, 0));
    return passed;
  });
  await store.transaction(async (tx) => {
    tx.commitOffset(other, at(1, 0));
    expect(() => tx.commitOffset(member, [at(1, 1), at(2, 0)])).toThrow(ConflictError);
    await store.transaction((inner) => inner.commitOffset(member, at(2, 1)));
  });
  open();
  await slow;
  expect([0, 1].map((partition) => member.committed(partition)?.offset)).toEqual([1, 2]);
  expect(other.committed(0)).toMatchObject({ offset: 1 });
});

test('who lost a partition and got it again commits in it beside what it began before', async () => {
  const { bench, store, join } = await setup();
  const member = await join();
  const batch = await next(member);
  const { passed, open } = gate();
  const before = rejectionOf(
    store.transaction((tx) => {
      tx.commitOffset(member, batch);
      return passed;
    }),
  );
  bench.clock.advance(POLL_MS); // It is taken for dead.
  const again = await next(member);
  expect(again.baseOffset).toBe(batch.baseOffset);
  await store.transaction((tx) => tx.commitOffset(member, again));
  open();
  expect(await before).toMatchObject({ code: 'ERR_VARVE_FENCED' });
  expect(member.committed(0)).toMatchObject({ offset: again.nextOffset });
});

test('a batch that the group has passed is refused with all of its transaction; a number goes back', async () => {
  const { store, output, join } = await setup();
  const member = await join();
  const [first, second] = await twoBatches(member);
  await store.transaction((tx) => tx.commitOffset(member, second));
  const late = rejectionOf(
    store.transaction((tx) => {
      tx.append(output, { value: 'never' });
      tx.commitOffset(member, first);
    }),
  );
  expect(await late).toMatchObject({
    code: 'ERR_VARVE_CONFLICT',
    details: { name: 'of group g in partition 0', stored: '2, since the batch was read' },
  });
  expect(member.committed(0)).toMatchObject({ offset: second.nextOffset });
  expect(await valuesOf(output)).toEqual([]);
  await store.transaction((tx) => tx.commitOffset(member, at(first.nextOffset)));
  expect(member.committed(0)).toMatchObject({ offset: first.nextOffset });
});

test('of the batches of one transaction the furthest counts, and behind them a number', async () => {
  const { store, join } = await setup();
  const member = await join();
  const [first, second] = await twoBatches(member);
  await store.transaction((tx) => {
    tx.commitOffset(member, second, { metadata: 'second' });
    tx.commitOffset(member, first, { metadata: 'first' });
  });
  expect(member.committed(0)).toMatchObject({ offset: second.nextOffset, metadata: 'second' });
  await store.transaction((tx) => {
    tx.commitOffset(member, second);
    tx.commitOffset(member, at(first.nextOffset));
  });
  expect(member.committed(0)).toMatchObject({ offset: first.nextOffset });
});

test('a plain commit of what is behind, while the transaction collects, passes its batch', async () => {
  const { store, join } = await setup();
  const member = await join();
  const [first, second] = await twoBatches(member);
  const late = rejectionOf(
    store.transaction(async (tx) => {
      tx.commitOffset(member, first);
      await member.commit(second);
    }),
  );
  expect(await late).toBeInstanceOf(ConflictError);
  expect(member.committed(0)).toMatchObject({ offset: second.nextOffset });
});

test('a batch that was read again behind a seek goes back', async () => {
  const { store, join } = await setup();
  const member = await join();
  const [, second] = await twoBatches(member);
  await member.commit(second);
  member.seek(0, 'earliest');
  const again = await next(member);
  expect(again.baseOffset).toBe(0);
  await store.transaction((tx) => tx.commitOffset(member, again));
  expect(member.committed(0)).toMatchObject({ offset: again.nextOffset });
});
