/** Transactions in tests: a store with two queues and two topics on a disk that may fail. */
import { onTestFinished } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { present } from '../../src/core/assert.ts';
import { ManualClock } from '../../src/core/clock.ts';
import { SeededRandom } from '../../src/core/random.ts';
import type { Delivery } from '../../src/queue/delivery.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import type { StoreQueue } from '../../src/store/store-queue.ts';
import type { StoreTopic } from '../../src/store/store-topic.ts';
import type { Transaction } from '../../src/transaction/transaction.ts';
import { FaultyFileSystem, type FaultyFileSystemOptions } from './faulty-file-system.ts';

export const LEASE_MS = 1000;

export interface TransactionSetting {
  readonly store: Store;
  readonly orders: StoreTopic<string>;
  readonly audit: StoreTopic<string>;
  readonly inbox: StoreQueue<string>;
  readonly outbox: StoreQueue<string>;
}

export class TransactionBench {
  readonly clock = new ManualClock(Date.UTC(2026, 0, 1));
  readonly random = new SeededRandom(1);
  fileSystem: FaultyFileSystem;

  constructor(options: Omit<FaultyFileSystemOptions, 'random'> = {}) {
    this.fileSystem = new FaultyFileSystem({ ...options, random: new SeededRandom(2) });
  }

  async open(): Promise<TransactionSetting> {
    const { fileSystem, clock, random } = this;
    const store = await openStore('/store', { fileSystem, clock, random, freeBytesMin: 0 });
    onTestFinished(() => store.close().catch(() => undefined));
    return settingOf(store);
  }
}

/** What each test has in its store. */
export async function settingOf(store: Store): Promise<TransactionSetting> {
  return {
    store,
    orders: await store.topic('orders', { codec: utf8, partitions: 2 }),
    audit: await store.topic('audit', { codec: utf8, durability: 'os' }),
    inbox: await store.queue('inbox', { codec: utf8, partitions: 2, leaseMs: LEASE_MS }),
    outbox: await store.queue('outbox', { codec: utf8, leaseMs: LEASE_MS }),
  };
}

/** Two appends to three logs, in four calls. */
export function appendAll(
  { orders, audit, outbox }: Pick<TransactionSetting, 'orders' | 'audit' | 'outbox'>,
  tx: Transaction,
  name = 'tx',
) {
  return [
    tx.append(orders, [{ value: `${name} 1` }, { value: `${name} 2` }], { partition: 0 }),
    tx.append(orders, { value: `${name} 3` }, { partition: 1 }),
    tx.append(audit, { value: `${name} 4` }),
    tx.send(outbox, `${name} 5`),
  ] as const;
}

export const ALL_OF_TX = {
  orders: ['tx 1', 'tx 2', 'tx 3'],
  audit: ['tx 4'],
  outbox: ['tx 5'],
} as const;

export const NOTHING = { orders: [], audit: [], outbox: [] } as const;

/** What is in sight of all that `appendAll` appends to. */
export async function sightOf({
  orders,
  audit,
  outbox,
}: Pick<TransactionSetting, 'orders' | 'audit' | 'outbox'>) {
  return {
    orders: await textsIn(orders),
    audit: await textsIn(audit),
    outbox: await textsIn(outbox.topic),
  };
}

async function textsIn(topic: StoreTopic<string>): Promise<string[]> {
  const texts: string[] = [];
  for (let partitions = 0; partitions < topic.partitionCount; partitions++) {
    for await (const { value } of topic.records({ partitions })) {
      texts.push(present(value, 'a text'));
    }
  }
  return texts;
}

/** Sends values to a queue, and leases them. */
export async function leased(
  queue: StoreQueue<string>,
  values: readonly string[],
): Promise<readonly Delivery<string>[]> {
  for (const value of values) await queue.send(value);
  const deliveries = await queue.acquire({ max: values.length });
  if (deliveries.length !== values.length) throw new Error('others had leased them');
  return deliveries;
}
