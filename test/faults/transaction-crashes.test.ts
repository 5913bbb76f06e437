/**
 * Every crash point of two transactions at a time, of acks, sends and appends over two queues and two
 * topics: inside and after each file-system call, and what a kill or a power cut may leave there.
 */
import { afterAll, describe, expect, test } from 'vitest';

import { DURABILITY_LEVELS, type DurabilityLevel } from '../../src/log/log-options.ts';
import { utf8 } from '../../src/codec/codec.ts';
import { present } from '../../src/core/assert.ts';
import type { Store } from '../../src/store/store.ts';
import { textsOf } from '../support/dead-queue.ts';
import { crashAtEveryCall } from '../support/queue-crashes.ts';
import { StoreDisk } from '../support/store-disk.ts';

const RANDOM_CUTS = 2;

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

const summaries: string[] = [];

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

/** Takes records of both queues into hands, and opens the logs. */
async function leaseAll(opened: Opened) {
  await valuesOf(opened);
  const { inbox, outbox } = opened;
  const all = [...(await inbox.acquire({ max: 2 })), ...(await outbox.acquire())];
  return new Map(all.map((delivery) => [delivery.value, delivery]));
}

async function run(
  opened: Opened,
  deliveries: Awaited<ReturnType<typeof leaseAll>>,
  onDone: (number: number) => void,
): Promise<void> {
  const { store, orders, audit, inbox, outbox } = opened;
  const topics = { orders, audit, inbox: inbox.topic, outbox: outbox.topic };
  const each = TRANSACTIONS.map(async ({ acks, brings }, number) => {
    await store.transaction((tx) => {
      for (const [, value] of acks) tx.ack(present(deliveries.get(value), 'it is leased'));
      for (const [name, partition, value] of brings) {
        tx.append(topics[name], { value }, { partition });
      }
    });
    onDone(number);
  });
  await Promise.all([...each, audit.append({ value: 'plain' })]);
}

describe('transactions', () => {
  test.each(DURABILITY_LEVELS)(
    'are there as a whole or not at all, topics at %s',
    async (level) => {
      const disk = await StoreDisk.make();
      const store = await disk.open();
      const prepared = await openAll(store, level);
      for (const value of ['a', 'b']) await prepared.inbox.send(value);
      await prepared.outbox.send('c');
      await prepared.orders.append({ value: 'before' }, { partition: 0 });
      await store.close();
      const told = new Set<number>();
      const found = await crashAtEveryCall({
        disk,
        randomCuts: RANDOM_CUTS,
        told: () => [...told].join(),
        async prepare(own) {
          told.clear();
          const opened = await openAll(own, level);
          return { opened, deliveries: await leaseAll(opened) };
        },
        run: ({ opened, deliveries }) => run(opened, deliveries, (number) => void told.add(number)),
        async look(own, mishap) {
          const opened = await openAll(own, level);
          const values = await valuesOf(opened);
          const left = { inbox: await textsOf(own, 'inbox'), outbox: await textsOf(own, 'outbox') };
          const words = TRANSACTIONS.map(({ acks, brings }, number) => {
            const counts = brings.map(
              ([, , value]) => values.filter((one) => one === value).length,
            );
            const isThere = counts[0] === 1;
            expect(counts).toEqual(counts.map(() => (isThere ? 1 : 0)));
            const isLeft = acks.map(([queue, value]) => left[queue].includes(value));
            expect(isLeft).toEqual(acks.map(() => !isThere));
            if (mishap === 'none' || told.has(number)) expect(isThere).toBe(true);
            return isThere ? 'whole' : 'absent';
          });
          expect(own.misfits.count).toBe(0);
          return words.join();
        },
      });
      expect([...found.keys()]).toEqual(expect.arrayContaining(['absent,absent', 'whole,whole']));
      for (const count of found.values()) expect(count).toBeGreaterThan(1);
      summaries.push(`${level}: ${JSON.stringify(Object.fromEntries(found))}`);
    },
  );
});

afterAll(() => console.log(summaries.join('\n')));
