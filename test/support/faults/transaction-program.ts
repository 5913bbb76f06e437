/** Two transactions over two queues and two topics, and what must be true of every disk that they leave. */
import { utf8 } from '../../../src/codec/codec.ts';
import { present } from '../../../src/core/assert.ts';
import type { DurabilityLevel } from '../../../src/log/log-options.ts';
import type { Store } from '../../../src/store/store.ts';
import { textsOf } from '../dead-queue.ts';
import { StoreDisk } from '../store-disk.ts';

/** Of each transaction: what it takes out of which queue, and what it brings where. */
const TRANSACTIONS = [
  {
    acks: [
      ['inbox', 'a'],
      ['outbox', 'c'],
    ],
    brings: [
      ['orders', 0, 'first in 0'],
      ['orders', 1, 'first in 1'],
      ['audit', 0, 'first'],
      ['outbox', 0, 'first sent'],
    ],
  },
  {
    acks: [['inbox', 'b']],
    brings: [
      ['audit', 0, 'second'],
      ['inbox', 0, 'second sent'],
      ['orders', 1, 'second in 1'],
    ],
  },
] as const;

/** What was found of a transaction. */
export type Found = 'whole' | 'absent';

/** A store, closed, with a record for each ack. */
export async function prepareTransactions(level: DurabilityLevel): Promise<StoreDisk> {
  const disk = await StoreDisk.make();
  const store = await disk.open();
  const { inbox, outbox, orders } = await openAll(store, level);
  for (const value of ['a', 'b']) await inbox.send(value);
  await outbox.send('c');
  await orders.append({ value: 'before' }, { partition: 0 });
  await store.close();
  return disk;
}

/** Opens the store for the program: its logs, and leases of what it acks. */
export async function openForTransactions(store: Store, level: DurabilityLevel) {
  const opened = await openAll(store, level);
  await valuesOf(opened);
  const { inbox, outbox } = opened;
  const all = [...(await inbox.acquire({ max: 2 })), ...(await outbox.acquire())];
  return { ...opened, deliveries: new Map(all.map((each) => [each.value, each])) };
}

/** Both at a time, in the order of their numbers. */
export function runTransactions(
  opened: Awaited<ReturnType<typeof openForTransactions>>,
): readonly Promise<void>[] {
  return TRANSACTIONS.map((_, number) => runTransaction(opened, number));
}

export async function runTransaction(
  opened: Awaited<ReturnType<typeof openForTransactions>>,
  number: number,
): Promise<void> {
  const { store, deliveries, orders, audit, inbox, outbox } = opened;
  const topics = { orders, audit, inbox: inbox.topic, outbox: outbox.topic };
  const { acks, brings } = present(TRANSACTIONS[number], 'there are two');
  await store.transaction((tx) => {
    for (const [, value] of acks) tx.ack(present(deliveries.get(value), 'it is leased'));
    for (const [name, partition, value] of brings) {
      tx.append(topics[name], { value }, { partition });
    }
  });
}

/** What is there of each. @throws Error when that is a part */
export async function findTransactions(
  store: Store,
  level: DurabilityLevel,
): Promise<readonly Found[]> {
  const values = await valuesOf(await openAll(store, level));
  const left = { inbox: await textsOf(store, 'inbox'), outbox: await textsOf(store, 'outbox') };
  if (store.misfits.count > 0) throw new Error('an entry does not fit');
  return TRANSACTIONS.map(({ acks, brings }, number) => {
    const counts = [
      ...brings.map(([, , value]) => values.filter((one) => one === value).length),
      ...acks.map(([queue, value]) => (left[queue].includes(value) ? 0 : 1)),
    ];
    if (counts.every((count) => count === 1)) return 'whole';
    if (counts.every((count) => count === 0)) return 'absent';
    throw new Error(`transaction ${number} is there in part: ${counts.join()}`);
  });
}

async function openAll(store: Store, durability: DurabilityLevel) {
  const orders = await store.topic('orders', { codec: utf8, partitions: 2, durability });
  const audit = await store.topic('audit', { codec: utf8, durability });
  const inbox = await store.queue('inbox', { codec: utf8 });
  const outbox = await store.queue('outbox', { codec: utf8 });
  return { store, orders, audit, inbox, outbox };
}

type Opened = Awaited<ReturnType<typeof openAll>>;

/** All values of a topic that are in sight. */
async function valuesOf({ orders, audit, inbox, outbox }: Opened) {
  const values: (string | null)[] = [];
  for (const topic of [orders, audit, inbox.topic, outbox.topic]) {
    for (let partitions = 0; partitions < topic.partitionCount; partitions++) {
      for await (const { value } of topic.records({ partitions })) values.push(value);
    }
  }
  return values;
}
