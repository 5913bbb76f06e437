/** What a transaction takes and answers. Checked by `tsc`, never run. */
import { expectTypeOf } from 'vitest';

import {
  json,
  openStore,
  utf8,
  type Committed,
  type ConsumerGroup,
  type DefaultPublishResult,
  type Delivery,
  type DeliveryTransaction,
  type ProducerAppendResult,
  type ProducerBatchResult,
  type PublishResult,
  type RecordBatch,
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
const events = await store.exchange('events', { codec: json<Order>() });
const direct = await store.exchange('', { codec: utf8 });
const producer = await store.producer('p');
declare const member: ConsumerGroup<Order>;
declare const batch: RecordBatch<Order>;
declare const deliveries: readonly Delivery<string>[];
declare const delivery: Delivery<Order>;

const result = await store.transaction(
  (tx) => {
    expectTypeOf(tx).toEqualTypeOf<Transaction>();
    expectTypeOf(tx.append(orders, { value: { id: 1 } })).toEqualTypeOf<
      Committed<TopicAppendBatchResult>
    >();
    expectTypeOf(tx.send(email, 'text')).toEqualTypeOf<Committed<TopicAppendResult>>();
    expectTypeOf(tx.publish(events, { id: 1 })).toEqualTypeOf<Committed<PublishResult>>();
    tx.publish(events, null, { routingKey: 'a', cc: ['b'], bcc: ['c'], mandatory: true });
    expectTypeOf(tx.publish(direct, 'text', { routingKey: 'email' })).toEqualTypeOf<
      Committed<DefaultPublishResult>
    >();
    // @ts-expect-error -- the exchange has orders
    tx.publish(events, 'text');
    // @ts-expect-error -- the default exchange was opened for text
    tx.publish(direct, { id: 1 });
    // @ts-expect-error -- the transaction says when it resolves
    tx.publish(events, { id: 1 }, { confirm: 'routed' });
    // @ts-expect-error -- the default exchange knows one key
    tx.publish(direct, 'text', { cc: ['b'] });
    // @ts-expect-error -- a topic is no exchange
    tx.publish(orders, { id: 1 });
    tx.ack(delivery);
    tx.ack(deliveries);
    // @ts-expect-error -- the topic has orders
    tx.append(orders, { value: 'text' });
    expectTypeOf(tx.append(orders, { value: { id: 1 } }, { producer, sequence: 7 })).toEqualTypeOf<
      Committed<ProducerBatchResult>
    >();
    tx.append(orders, [{ value: { id: 1 } }], { producer, sequence: [7], partition: 0 });
    expectTypeOf(tx.send(email, 'text', { producer, key: 'k' })).toEqualTypeOf<
      Committed<ProducerAppendResult>
    >();
    // @ts-expect-error -- a sequence is a producer's
    tx.append(orders, { value: { id: 1 } }, { sequence: 7 });
    // @ts-expect-error -- a value has one sequence
    tx.send(email, 'text', { producer, sequence: [7] });
    // @ts-expect-error -- a name is no producer
    tx.append(orders, { value: { id: 1 } }, { producer: 'p' });
    // @ts-expect-error -- the topic has orders
    tx.append(orders, { value: 'text' }, { producer });
    // @ts-expect-error -- the queue has text
    tx.send(email, 5);
    // @ts-expect-error -- a transaction has one level
    tx.send(email, 'text', { durability: 'os' });
    tx.commitOffset(member, batch);
    tx.commitOffset(member, { partition: 0, offset: 5 }, { metadata: 'note' });
    tx.commitOffset(member, [{ partition: 0, offset: 5 }]);
    // @ts-expect-error -- a position has an offset
    tx.commitOffset(member, { partition: 0 });
    // @ts-expect-error -- there is no such option
    tx.commitOffset(member, batch, { note: 'text' });
    // @ts-expect-error -- a queue has no positions
    tx.commitOffset(email, batch);
    // @ts-expect-error -- a topic is no delivery
    tx.ack(orders);
    return tx.signal.aborted ? tx.abort() : 42;
  },
  { name: 'transfer', timeoutMs: 1000, confirm: 'routed', signal: AbortSignal.timeout(500) },
);
expectTypeOf(result).toEqualTypeOf<number>();
expectTypeOf(store.transactions()).toEqualTypeOf<TransactionListing>();
expectTypeOf<DeliveryTransaction>().toEqualTypeOf<Transaction>();
const returned = await delivery.transaction((tx) => {
  expectTypeOf(tx).toEqualTypeOf<Transaction>();
  return 'text';
});
expectTypeOf(returned).toEqualTypeOf<string>();
