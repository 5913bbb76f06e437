/** What producers take and answer. Checked by `tsc`, never run. */
import { expectTypeOf } from 'vitest';

import {
  json,
  openStore,
  utf8,
  type Producer,
  type ProducerAppendResult,
  type ProducerBatchResult,
  type ProducerDefaultPublishResult,
  type ProducerListing,
  type ProducerPosition,
  type ProducerPublishResult,
} from '../../src/index.ts';

interface Order {
  readonly id: number;
}

const store = await openStore('./store');
const orders = await store.topic('orders', { codec: json<Order>() });
const email = await store.queue('email', { codec: utf8 });
const events = await store.exchange('events', { codec: json<Order>() });
const direct = await store.exchange('', { codec: utf8 });

const producer = await store.producer('copy', { gaps: 'allow', create: true });
expectTypeOf(producer).toEqualTypeOf<Producer>();
expectTypeOf(store.producers()).toEqualTypeOf<readonly ProducerListing[]>();
// @ts-expect-error -- gaps are refused or allowed
await store.producer('copy', { gaps: true });

const one = await producer.append(orders, { value: { id: 1 } }, { sequence: 3, partition: 0 });
expectTypeOf(one).toEqualTypeOf<ProducerAppendResult>();
expectTypeOf(one.offset).toEqualTypeOf<number | null>();
// @ts-expect-error -- the topic has orders
await producer.append(orders, { value: 'text' });
// @ts-expect-error -- one record has one sequence
await producer.append(orders, { value: { id: 1 } }, { sequence: [3] });
// @ts-expect-error -- a record has a producer or an id
await producer.append(orders, { value: { id: 1 }, dedupId: 'id' });

const many = await producer.appendBatch(orders, [{ value: { id: 1 } }], { sequence: [3] });
expectTypeOf(many).toEqualTypeOf<ProducerBatchResult>();
const sent = await producer.send(email, 'text', { key: 'k', durability: 'os' });
expectTypeOf(sent).toEqualTypeOf<ProducerAppendResult>();
// @ts-expect-error -- the queue has text
await producer.send(email, { id: 1 });

const published = await producer.publish(events, { id: 1 }, { routingKey: 'a', cc: ['b'] });
expectTypeOf(published).toEqualTypeOf<ProducerPublishResult>();
const named = await producer.publish(direct, 'text', { routingKey: 'email', sequence: 0 });
expectTypeOf(named).toEqualTypeOf<ProducerDefaultPublishResult>();
// @ts-expect-error -- the exchange has orders
await producer.publish(events, 'text');
// @ts-expect-error -- the default exchange knows one key
await producer.publish(direct, 'text', { cc: ['b'] });
// @ts-expect-error -- a topic is no exchange
await producer.publish(orders, { id: 1 });

expectTypeOf(await producer.last(orders)).toEqualTypeOf<ProducerPosition>();
await producer.last(email);
await producer.last(events);
// @ts-expect-error -- it has no log of its own
await producer.last(direct);
