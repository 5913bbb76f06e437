/** What handlers are given, and what is refused. Checked by `tsc`, never run. */
import { expectTypeOf } from 'vitest';

import {
  exponential,
  type Delivery,
  type Queue,
  type RetryPolicy,
  type Transaction,
  type Worker,
} from '../../src/index.ts';

declare const queue: Queue<{ readonly id: number }>;

queue.work((delivery, { signal, attempt, renew }) => {
  expectTypeOf(delivery).toEqualTypeOf<Delivery<{ readonly id: number }>>();
  expectTypeOf(signal).toEqualTypeOf<AbortSignal>();
  expectTypeOf(attempt).toEqualTypeOf<number>();
  expectTypeOf(renew).toEqualTypeOf<(leaseMs?: number) => void>();
});

const worker = queue.work(
  async (deliveries) => {
    expectTypeOf(deliveries).toEqualTypeOf<readonly Delivery<{ readonly id: number }>[]>();
  },
  {
    batch: { max: 10, waitMs: 100 },
    onError: (_error, delivery) => {
      expectTypeOf(delivery).toEqualTypeOf<Delivery<{ readonly id: number }> | null>();
    },
  },
);

queue.work(
  (delivery, { tx }) => {
    expectTypeOf(tx).toEqualTypeOf<Transaction>();
    expectTypeOf(delivery).toEqualTypeOf<Delivery<{ readonly id: number }>>();
  },
  { transactional: true },
);
queue.work(
  (deliveries, { tx }) => {
    expectTypeOf(tx).toEqualTypeOf<Transaction>();
    expectTypeOf(deliveries).toEqualTypeOf<readonly Delivery<{ readonly id: number }>[]>();
  },
  { transactional: true, batch: { max: 10, waitMs: 0 } },
);
// @ts-expect-error -- a handler has a transaction with `transactional` alone
queue.work((_delivery, { tx }) => tx.abort());

expectTypeOf(worker).toEqualTypeOf<Worker<Delivery<{ readonly id: number }>>>();
expectTypeOf(worker.drain({ timeoutMs: 5 })).toEqualTypeOf<Promise<number>>();
expectTypeOf(exponential()).toEqualTypeOf<RetryPolicy>();

declare const one: (delivery: Delivery<{ readonly id: number }>) => void;
declare const many: (deliveries: readonly Delivery<{ readonly id: number }>[]) => void;
// @ts-expect-error -- a handler of batches needs `batch`
queue.work(many);
// @ts-expect-error -- a handler of single deliveries gets none with `batch`
queue.work(one, { batch: { max: 1, waitMs: 0 } });
