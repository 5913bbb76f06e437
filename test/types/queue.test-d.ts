/** What a queue is made of. Checked by `tsc`, never run. */
import { expectTypeOf } from 'vitest';

import {
  openStore,
  utf8,
  type Delivery,
  type Queue,
  type ShareGroup,
  type Topic,
} from '../../src/index.ts';

const store = await openStore('./store');
const queue = await store.queue('email', { codec: utf8 });

expectTypeOf(queue).toEqualTypeOf<Queue<string>>();
expectTypeOf(queue).toExtend<ShareGroup<string>>();
expectTypeOf(queue.topic).toEqualTypeOf<Topic<string>>();

declare const delivery: Delivery<string>;
await delivery.transaction((transaction) => {
  transaction.send(queue, 'next');
  transaction.append(queue.topic, { value: 'next' });
  // @ts-expect-error -- the queue has text
  transaction.send(queue, 5);
});
