/** Positions whose transaction fails when it is being committed: who reads on begins before it. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { MIB } from '../../../src/core/limits.ts';
import type { ConsumerGroup } from '../../../src/group/consumer-group.ts';
import type { ProcessHandler } from '../../../src/group/process-batches.ts';
import type { RecordBatch } from '../../../src/log/record.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { turns } from '../../support/log-fixture.ts';
import { sightOf, TransactionBench } from '../../support/transaction-bench.ts';

const POLL_MS = 1000;
const FULL = { operations: ['write'], path: /journal\/.*log$/, errno: 'ENOSPC' } as const;
/** Also when the reserve was given up for it. */
const TWICE = 2;

/** Two records in `audit`, each a batch, which a group reads. */
async function setup() {
  const bench = new TransactionBench();
  const held = new HeldSyncs(bench.fileSystem, '/journal/');
  onTestFinished(() => held.release());
  const setting = await bench.open();
  const { audit } = setting;
  for (const value of ['first', 'second']) await audit.append({ value });
  const join = () => audit.consumerGroup('g', { pollMsMax: POLL_MS });
  return { ...setting, bench, held, join };
}

type Setup = Awaited<ReturnType<typeof setup>>;

/** Nothing here takes so many. */
const TURNS_MAX = 100_000;

async function until(isSo: () => boolean): Promise<void> {
  for (let left = TURNS_MAX; !isSo(); left--) {
    if (left === 0) throw new Error('it never comes');
    await turns(1);
  }
}

/** What comes of a batch. */
function copyTo({ orders }: Pick<Setup, 'orders'>): ProcessHandler<string> {
  return (batch, { tx }) => {
    for (const { value } of batch) tx.append(orders, { value: `of ${value}` }, { partition: 0 });
  };
}

/** That the member goes on from the batch whose transaction failed, to the end. */
async function expectGoesOn(setting: Setup, member: ConsumerGroup<string>): Promise<void> {
  const done = member.process(copyTo(setting));
  await until(() => member.committed(0)?.offset === 2);
  await member.close();
  await done;
  expect((await sightOf(setting)).orders).toEqual(['of first', 'of second']);
}

describe('process', () => {
  test('is told of a full disk, and stands before the batch again', async () => {
    const setting = await setup();
    const member = await setting.join();
    const failing = member.process((batch, context) => {
      setting.bench.fileSystem.addFault({ ...FULL, times: TWICE });
      return copyTo(setting)(batch, context);
    });
    await expect(failing).rejects.toMatchObject({ code: 'ERR_VARVE_DISK_FULL', retryable: true });
    expect(member.committed(0)).toBeNull();
    expect(setting.store.transactions().open).toEqual([]);
    await expectGoesOn(setting, member);
  });

  test('is told of what is too large together, and stands before the batch again', async () => {
    const setting = await setup();
    const { orders, outbox } = setting;
    const member = await setting.join();
    const failing = member.process((_batch, { tx }) => {
      for (let mebibytes = 0; mebibytes < 8; mebibytes++) {
        tx.append(orders, { value: 'x'.repeat(MIB - 1) }, { partition: 1 });
        tx.send(outbox, 'one more');
      }
    });
    await expect(failing).rejects.toMatchObject({ code: 'ERR_VARVE_TOO_LARGE' });
    expect(member.committed(0)).toBeNull();
    await expectGoesOn(setting, member);
    expect((await sightOf(setting)).outbox).toEqual([]);
  });

  test('is told of a log that has failed, and stands before the batch again', async () => {
    const setting = await setup();
    const { orders, bench } = setting;
    const member = await setting.join();
    await orders.append({ value: 'opens the log' }, { partition: 1 });
    const path = /topics\/orders.*log$/;
    bench.fileSystem.addFault({ operations: ['datasync'], path, errno: 'EIO', times: 1 });
    const lost = orders.append({ value: 'lost' }, { partition: 1 });
    await expect(lost).rejects.toMatchObject({ code: 'ERR_VARVE_FAILED' });
    const failing = member.process((batch, context) => {
      context.tx.append(orders, { value: 'never' }, { partition: 1 });
      return copyTo(setting)(batch, context);
    });
    await expect(failing).rejects.toMatchObject({ code: 'ERR_VARVE_FAILED' });
    expect(member.committed(0)).toBeNull();
    const done = member.process(copyTo(setting)); // To a log that works.
    await until(() => member.committed(0)?.offset === 2);
    await member.close();
    await done;
  });
});

describe('a position whose commit fails', () => {
  test('is waited for by the next owner of the partition, who begins before it', async () => {
    const { bench, held, store, audit, orders, join } = await setup();
    const member = await join();
    const batches = member.batches();
    const { value: batch } = await batches.next();
    await batches.return();
    const other = await join();
    held.hold();
    const inFront = store.transaction((tx) => tx.append(orders, { value: 'in front' }));
    await turns(20);
    const committing = store
      .transaction((tx) => {
        tx.append(audit, { value: 'never' });
        tx.commitOffset(member, batch ?? []);
      })
      .catch((error: unknown) => error);
    await turns(20);
    bench.fileSystem.addFault({ ...FULL, times: TWICE });
    const taken: RecordBatch<string>[] = [];
    const reading = other.batches();
    const taking = reading.next().then(({ value }) => taken.push(...(value ? [value] : [])));
    bench.clock.advance(POLL_MS);
    await turns(50);
    expect(other.assignment).toEqual([0]);
    expect(taken).toEqual([]);
    held.release();
    await Promise.all([inFront, taking]);
    expect(await committing).toMatchObject({ code: 'ERR_VARVE_DISK_FULL' });
    expect(taken).toMatchObject([{ baseOffset: 0 }]);
    expect(other.committed(0)).toBeNull();
    await reading.return();
  });
});
