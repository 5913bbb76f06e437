/** Changes of the topology that a store is closed in the middle of: they tell what became of them. */
import { expect, test } from 'vitest';

import { ClosedError } from '../../../src/core/errors.ts';
import type { Exchange } from '../../../src/routing/exchange.ts';
import type { Store } from '../../../src/store/store.ts';
import { StoreBench } from '../../support/store-fixture.ts';

/** How many microtasks after the call the store is closed, from none on. */
const STEPS = 40;

interface Case {
  readonly change: (store: Store, events: Exchange<Uint8Array>) => Promise<unknown>;
  readonly isDone: (store: Store) => boolean;
}

const isBound = (store: Store, pattern: string): boolean =>
  store.exchangeCatalog.bindings('events').some(({ routingKey }) => routingKey === pattern);

const isThere = (store: Store, exchange: string): boolean =>
  store.exchanges().some(({ name }) => name === exchange);

const CASES: readonly [string, Case][] = [
  [
    'bind',
    {
      change: (_store, events) => events.bind('one', { pattern: 'b' }),
      isDone: (store) => isBound(store, 'b'),
    },
  ],
  [
    'bind with the past',
    {
      change: (_store, events) => events.bind('one', { pattern: 'b' }, { from: 'earliest' }),
      isDone: (store) => isBound(store, 'b'),
    },
  ],
  [
    'unbind',
    {
      change: (_store, events) => events.unbind('one', { pattern: 'a' }),
      isDone: (store) => !isBound(store, 'a'),
    },
  ],
  [
    'setAlternate',
    {
      change: (_store, events) => events.setAlternate('others'),
      isDone: (store) => store.exchangeCatalog.describe('events').alternate === 'others',
    },
  ],
  [
    'a new exchange',
    {
      change: (store) => store.exchange('new', { type: 'fanout' }),
      isDone: (store) => isThere(store, 'new'),
    },
  ],
  [
    'deleteExchange',
    {
      change: (store) => store.deleteExchange('others'),
      isDone: (store) => !isThere(store, 'others'),
    },
  ],
  [
    'a new queue',
    {
      change: (store) => store.queue('new', { partitions: 1 }),
      isDone: (store) => store.queues().some(({ topic }) => topic === 'new'),
    },
  ],
];

test.each(CASES)('%s resolves when it is journaled, else it was not', async (_what, wish) => {
  for (let step = 0; step < STEPS; step += 2) {
    const bench = new StoreBench();
    const store = await bench.open();
    await store.queue('one', { partitions: 1 });
    await store.exchange('others', { type: 'fanout' });
    const events = await store.exchange('events', { type: 'direct' });
    await events.bind('one', { pattern: 'a' });
    const changed = wish.change(store, events).then(
      () => true,
      (error: unknown) => isRefused(error),
    );
    for (let passed = 0; passed < step; passed++) await Promise.resolve();
    const next = await bench.reopen(store);
    const isDone = wish.isDone(next);
    expect(isDone, `closed ${step} microtasks later`).toBe(await changed);
    await next.close();
  }
});

function isRefused(error: unknown): boolean {
  expect(error).toBeInstanceOf(ClosedError);
  return false;
}
