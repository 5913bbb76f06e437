/** What an exchange takes and answers. Checked by `tsc`, never run. */
import { expectTypeOf } from 'vitest';

import {
  json,
  openStore,
  type Exchange,
  type PublishResult,
  type RecordCause,
} from '../../src/index.ts';

interface Order {
  readonly id: number;
}

const store = await openStore('./store');
const orders = await store.exchange('orders', { type: 'topic', codec: json<Order>() });

expectTypeOf(orders).toEqualTypeOf<Exchange<Order>>();
expectTypeOf(await store.exchange('plain')).toEqualTypeOf<Exchange<Uint8Array>>();
expectTypeOf(await orders.publish({ id: 1 }, { routingKey: 'a' })).toEqualTypeOf<PublishResult>();
// @ts-expect-error -- the exchange has orders
await orders.publish('one');
// @ts-expect-error -- how a record goes is said of each record of a batch
await orders.publishBatch([{ value: { id: 1 } }], { routingKey: 'a' });
// @ts-expect-error -- there is no such type
await store.exchange('other', { type: 'tropic' });

await orders.bind('email', { pattern: 'a.#' }, { from: 'earliest' });
await orders.bind({ exchange: 'other' }, { headers: { 'x-match': 'any', vip: null } });
// @ts-expect-error -- header values are text or bytes
await orders.bind('email', { headers: { vip: true } });

const [delivery] = await (await store.queue('email')).acquire();
expectTypeOf(delivery?.cause).toEqualTypeOf<RecordCause | null | undefined>();
