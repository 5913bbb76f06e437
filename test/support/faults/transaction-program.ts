/**
 * Two transactions at a time: one of everything that there is, one that shares its logs; and what must be true
 * of every disk that they leave.
 */
import { utf8 } from '../../../src/codec/codec.ts';
import { present } from '../../../src/core/assert.ts';
import type { ConsumerGroup } from '../../../src/group/consumer-group.ts';
import type { DurabilityLevel } from '../../../src/log/log-options.ts';
import type { RecordBatch } from '../../../src/log/record.ts';
import type { Store } from '../../../src/store/store.ts';
import type { TransactionConfirmation } from '../../../src/transaction/transaction-options.ts';
import type { Transaction } from '../../../src/transaction/transaction.ts';
import { textsOf } from '../dead-queue.ts';
import { valuesOf as valuesIn } from '../routing-disk.ts';
import { StoreDisk } from '../store-disk.ts';

/**
 * Of each: what it takes out of which queue, brings where, publishes, and which members' batches it handles.
 * What it keeps goes to `audit` with an id, and another record there as a number of a producer.
 */
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
    ],
    keeps: ['first kept'],
    numbered: [[0, 'first numbered']],
    sends: ['first sent'],
    publishes: [
      ['events', 'first event'],
      ['alarms', 'first alarm'],
    ],
    members: [0, 1],
  },
  {
    acks: [['inbox', 'b']],
    brings: [
      ['audit', 0, 'second'],
      ['orders', 1, 'second in 1'],
    ],
    keeps: ['second kept'],
    numbered: [],
    sends: ['second sent'],
    publishes: [['events', 'second event']],
    members: [],
  },
] as const;

/** Both are fanouts to here. */
const COPIES = 'copies';
const EXCHANGES = ['events', 'alarms'] as const;
const GROUP = 'g';
const SETTLE = 'settle';
const PRODUCER = 'p';

/** What was found of a transaction. */
export type Found = 'whole' | 'absent';

/** A store, closed, with a record for each ack and each batch. */
export async function prepareTransactions(level: DurabilityLevel): Promise<StoreDisk> {
  const disk = await StoreDisk.make();
  const store = await disk.open();
  const { inbox, outbox, orders, exchanges } = await openAll(store, level);
  for (const value of ['a', 'b']) await inbox.send(value);
  await outbox.send('c');
  for (const partition of [0, 1]) await orders.append({ value: 'before' }, { partition });
  for (const exchange of exchanges.values()) await exchange.bind(COPIES);
  await store.close();
  return disk;
}

/** Opens the store for the program: its logs, leases of what it acks, and members with a batch each. */
export async function openForTransactions(store: Store, level: DurabilityLevel) {
  const opened = await openAll(store, level);
  await valuesOf(opened);
  const { inbox, outbox, orders } = opened;
  const all = [...(await inbox.acquire({ max: 2 })), ...(await outbox.acquire())];
  const joined = [await orders.consumerGroup(GROUP), await orders.consumerGroup(GROUP)];
  const members = await Promise.all(joined.map(withBatch));
  const producer = await store.producer(PRODUCER);
  // What is known of ids and numbers is there, so that both are one group.
  await opened.audit.append({ value: 'known', dedupId: 'known' });
  await producer.last(opened.audit);
  return { ...opened, producer, members, deliveries: new Map(all.map((one) => [one.value, one])) };
}

type Running = Awaited<ReturnType<typeof openForTransactions>>;

/** Both at a time, in the order of their numbers. */
export function runTransactions(
  opened: Running,
  confirm: TransactionConfirmation = 'committed',
): readonly Promise<void>[] {
  return TRANSACTIONS.map((_, number) => runTransaction(opened, number, confirm));
}

export async function runTransaction(
  opened: Running,
  number: number,
  confirm: TransactionConfirmation = 'committed',
): Promise<void> {
  await opened.store.transaction((tx) => collect(opened, number, tx), { confirm });
}

function collect(opened: Running, number: number, tx: Transaction): void {
  const { deliveries, orders, audit, outbox, exchanges, producer } = opened;
  const transaction = present(TRANSACTIONS[number], 'there are two');
  for (const [, value] of transaction.acks) tx.ack(present(deliveries.get(value), 'it is leased'));
  for (const [name, partition, value] of transaction.brings) {
    tx.append({ orders, audit }[name], { value }, { partition });
  }
  for (const value of transaction.keeps) tx.append(audit, { value, dedupId: value });
  for (const [sequence, value] of transaction.numbered) {
    tx.append(audit, { value }, { producer, sequence });
  }
  for (const value of transaction.sends) tx.send(outbox, value);
  for (const [name, value] of transaction.publishes) {
    tx.publish(present(exchanges.get(name), name), value, { mandatory: true });
  }
  for (const at of transaction.members) {
    const { member, batch } = present(opened.members[at], 'there are two');
    tx.commitOffset(member, batch);
  }
}

/** What is there of each, that it is copied once, and no id or number again. @throws Error when that is a part */
export async function findTransactions(
  store: Store,
  level: DurabilityLevel,
): Promise<readonly Found[]> {
  const opened = await openAll(store, level);
  const values = await valuesOf(opened);
  const left = { inbox: await textsOf(store, 'inbox'), outbox: await textsOf(store, 'outbox') };
  const positions = await positionsOf(opened);
  if (store.misfits.count > 0) throw new Error('an entry does not fit');
  const countOf = (all: readonly (string | null)[], value: string) =>
    all.filter((one) => one === value).length;
  const found = TRANSACTIONS.map(({ acks, brings, publishes, members, ...others }, number) => {
    const { keeps, numbered, sends } = others;
    const texts = [
      ...brings.map(([, , value]) => value),
      ...keeps,
      ...numbered.map(([, value]) => value),
      ...sends,
      ...publishes.map(([, one]) => one),
    ];
    const counts = [
      ...texts.map((text) => countOf(values, text)),
      ...acks.map(([queue, value]) => (left[queue].includes(value) ? 0 : 1)),
      ...members.map((at) => positions[at] ?? 0),
    ];
    if (counts.every((count) => count === 1)) return 'whole';
    if (counts.every((count) => count === 0)) return 'absent';
    throw new Error(`transaction ${number} is there in part: ${counts.join()}`);
  });
  for (const exchange of opened.exchanges.values()) {
    await exchange.publish(SETTLE, { confirm: 'routed' });
  }
  await sendAgain(opened, found);
  const copies = await valuesIn(store, COPIES);
  for (const [number, { publishes }] of TRANSACTIONS.entries()) {
    const wanted = found[number] === 'whole' ? 1 : 0;
    for (const [, value] of publishes) {
      const count = countOf(copies, value);
      if (count !== wanted)
        throw new Error(`${count} copies of ${value}, which is ${found[number]}`);
    }
  }
  return found;
}

/** Each id and each number is a duplicate where its transaction is whole, and free where it is absent. */
async function sendAgain({ store, audit }: Opened, found: readonly Found[]): Promise<void> {
  const producer = await store.producer(PRODUCER);
  for (const [number, { keeps, numbered }] of TRANSACTIONS.entries()) {
    const answers = [
      ...keeps.map((value) => audit.append({ value: 'again', dedupId: value })),
      ...numbered.map(([sequence]) => producer.append(audit, { value: 'again' }, { sequence })),
    ];
    for (const { duplicate } of await Promise.all(answers)) {
      if (duplicate !== (found[number] === 'whole')) {
        throw new Error(`transaction ${number} is ${found[number]}: duplicate ${duplicate}`);
      }
    }
  }
}

/** By partition: behind how many records the group is. */
async function positionsOf({ store, orders }: Opened): Promise<readonly number[]> {
  if (!store.groups().some(({ name }) => name === GROUP)) return [];
  const { partitions } = await orders.describeGroup(GROUP);
  return partitions.map(({ committedOffset }) => committedOffset ?? 0);
}

/** The batch of its partition, which the member has then. */
async function withBatch(member: ConsumerGroup<string>): Promise<{
  readonly member: ConsumerGroup<string>;
  readonly batch: RecordBatch<string>;
}> {
  const batches = member.batches();
  const { value } = await batches.next();
  return { member, batch: present(value ?? null, 'each partition has a record') };
}

async function openAll(store: Store, durability: DurabilityLevel) {
  const orders = await store.topic('orders', { codec: utf8, partitions: 2, durability });
  const audit = await store.topic('audit', { codec: utf8, durability });
  const inbox = await store.queue('inbox', { codec: utf8 });
  const outbox = await store.queue('outbox', { codec: utf8 });
  await store.topic(COPIES, { codec: utf8, durability });
  const options = { codec: utf8, type: 'fanout', source: { durability } } as const;
  const exchanges = new Map<string, Awaited<ReturnType<typeof store.exchange<string>>>>();
  for (const name of EXCHANGES) exchanges.set(name, await store.exchange(name, options));
  return { store, orders, audit, inbox, outbox, exchanges };
}

type Opened = Awaited<ReturnType<typeof openAll>>;

/** All values that are in sight, but of copies. */
async function valuesOf({ store }: Opened) {
  const values: (string | null)[] = [];
  const sources = EXCHANGES.map((name) => `exchange:${name}`);
  for (const name of ['orders', 'audit', 'inbox', 'outbox', ...sources]) {
    values.push(...(await valuesIn(store, name)));
  }
  return values;
}
