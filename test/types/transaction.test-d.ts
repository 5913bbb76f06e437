/** What a transaction takes and answers. Checked by `tsc`, never run. */
import { expectTypeOf } from 'vitest';

import {
  json,
  openStore,
  utf8,
  type Committed,
  type Delivery,
  type DeliveryTransaction,
  type TopicAppendBatchResult,
  type TopicAppendResult,
  type Transaction,
  type TransactionListing,
} from '../../src/index.ts';

interface Order {
  readonly id: number;
}

const store = await openStore('./store');
const orders = await store.topic('orders', { codec: json<Order>() });
const email = await store.queue('email', { codec: utf8 });
declare const deliveries: readonly Delivery<string>[];
declare const delivery: Delivery<Order>;

const result = await store.transaction(
  (tx) => {
    expectTypeOf(tx).toEqualTypeOf<Transaction>();
    expectTypeOf(tx.append(orders, { value: { id: 1 } })).toEqualTypeOf<
      Committed<TopicAppendBatchResult>
    >();
    expectTypeOf(tx.send(email, 'text')).toEqualTypeOf<Committed<TopicAppendResult>>();
    tx.ack(delivery);
    tx.ack(deliveries);
    // @ts-expect-error -- the topic has orders
    tx.append(orders, { value: 'text' });
    // @ts-expect-error -- the queue has text
    tx.send(email, 5);
    // @ts-expect-error -- a transaction has one level
    tx.send(email, 'text', { durability: 'os' });
    // @ts-expect-error -- a topic is no delivery
    tx.ack(orders);
    return tx.signal.aborted ? tx.abort() : 42;
  },
  { name: 'transfer', timeoutMs: 1000, signal: AbortSignal.timeout(500) },
);
expectTypeOf(result).toEqualTypeOf<number>();
expectTypeOf(store.transactions()).toEqualTypeOf<TransactionListing>();
expectTypeOf<DeliveryTransaction>().toEqualTypeOf<Transaction>();
const returned = await delivery.transaction((tx) => {
  expectTypeOf(tx).toEqualTypeOf<Transaction>();
  return 'text';
});
expectTypeOf(returned).toEqualTypeOf<string>();
