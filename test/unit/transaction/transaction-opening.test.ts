/** Transactions whose logs are not open yet. */
import { onTestFinished, expect, test } from 'vitest';

import type { FileSystem } from '../../../src/io/file-system.ts';
import { HeldCalls } from '../../support/held-calls.ts';
import { turns } from '../../support/log-fixture.ts';
import { TransactionBench } from '../../support/transaction-bench.ts';

/** Files that are opened when that is let go. */
class HeldOpens extends HeldCalls {
  /** Of those whose path matches. */
  constructor(fileSystem: FileSystem, pattern: RegExp) {
    super();
    const open = fileSystem.open.bind(fileSystem);
    fileSystem.open = async (path, mode) => {
      if (this.areHeld && pattern.test(path)) await this.wait(path);
      return open(path, mode);
    };
  }
}

/** A store whose logs were opened by another process; the second partition of `orders` is slow to open. */
async function reopened() {
  const bench = new TransactionBench();
  const { store, orders } = await bench.open();
  for (const partition of [0, 1]) await orders.append({ value: 'before' }, { partition });
  await store.close();
  const opens = new HeldOpens(bench.fileSystem, /topics\/orders.*\/1\//);
  const again = await bench.open();
  onTestFinished(() => opens.release());
  opens.hold();
  return { bench, opens, ...again };
}

async function isOver(work: Promise<unknown>): Promise<boolean> {
  let isSettled = false;
  work.finally(() => (isSettled = true)).catch(() => undefined);
  await turns(30);
  return isSettled;
}

test('a log that cannot be opened fails its transaction, which lets go of all others', async () => {
  const { bench, opens, store, orders } = await reopened();
  bench.fileSystem.addFault({ errno: 'EIO', operations: ['open'], path: /topics\/orders.*\/0\// });
  const done = store.transaction((tx) => {
    for (const partition of [0, 1]) tx.append(orders, { value: 'never' }, { partition });
  });
  expect(await isOver(done)).toBe(false); // What has begun is waited for.
  expect(opens.waiting).not.toEqual([]);
  opens.release();
  await expect(done).rejects.toMatchObject({ code: 'ERR_VARVE_IO' });
  for (const partition of [0, 1]) {
    expect(await orders.read({ partition, offset: 0 })).toMatchObject({ value: 'before' });
    expect(orders.partitions.at(partition).isIdle).toBe(true);
  }
});

test('a store is not closed under a transaction that is opening its logs', async () => {
  const { opens, store, orders } = await reopened();
  const done = store.transaction((tx) => tx.append(orders, { value: 'never' }, { partition: 1 }));
  expect(await isOver(done)).toBe(false);
  const closing = store.close();
  await expect(done).rejects.toMatchObject({ code: 'ERR_VARVE_CLOSED' });
  expect(await isOver(closing)).toBe(false);
  opens.release();
  await closing;
});

test('what it appends and publishes is told where it is, each from its own log', async () => {
  const { opens, store, orders, audit, outbox } = await reopened();
  opens.release();
  const exchange = await store.exchange('events', { type: 'fanout' });
  for (let n = 0; n < 5; n++) await exchange.publish(Buffer.from('before'));
  for (let n = 0; n < 3; n++) await audit.append({ value: 'before' });
  const results = await store.transaction((tx) => [
    tx.append(orders, { value: 'a' }, { partition: 1 }),
    tx.publish(exchange, Buffer.from('b')),
    tx.append(audit, [{ value: 'c' }, { value: 'd' }]),
    tx.send(outbox, 'e'),
    tx.publish(exchange, Buffer.from('f')),
  ]);
  expect(results.map(({ result }) => result)).toMatchObject([
    { placements: [{ partition: 1, baseOffset: 1, recordCount: 1 }] },
    { offset: 5 },
    { placements: [{ partition: 0, baseOffset: 3, recordCount: 2 }] },
    { partition: 0, offset: 0 },
    { offset: 6 },
  ]);
});
