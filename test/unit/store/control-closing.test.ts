/** What is asked of the owner of a store while it closes that: it is done, or nothing of it is. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { CLOSING } from '../../../src/store/control-protocol.ts';
import type { ControlVerb } from '../../../src/store/control-verb.ts';
import { createTopic, listTopics } from '../../../src/store/control-verbs.ts';
import { OwnerError } from '../../../src/store/owner-error.ts';
import { createQueue } from '../../../src/store/queue-setting-verbs.ts';
import { acquireRecords, settleRecords } from '../../../src/store/queue-verbs.ts';
import { appendRecords, encode } from '../../../src/store/record-verbs.ts';
import {
  addBinding,
  createExchange,
  publishRecords,
  removeBinding,
  setAlternate,
} from '../../../src/store/routing-verbs.ts';
import type { Store } from '../../../src/store/store.ts';
import { ControlBench } from '../../support/control-bench.ts';

/** How many microtasks after the request the store is closed, from none on. */
const STEPS = 40;
const record = { key: null, value: encode('x') };
const binding = { exchange: 'events', destination: { queue: 'one' }, pattern: 'b' };

interface Case {
  readonly ask: (bench: ControlBench, identity: string) => Promise<unknown>;
  /** How much of what was asked for is there. */
  readonly doneCount: (store: Store) => Promise<number> | number;
  /** When all of it is. */
  readonly wanted: number;
}

/** With queues `one` and `two`, and exchanges `events` (bound to `one` by `a`) and `others`. */
async function furnish(bench: ControlBench): Promise<Store> {
  const store = await bench.open();
  await store.queue('one', { partitions: 1 });
  await store.queue('two', { partitions: 1 });
  await store.exchange('others', { type: 'fanout' });
  const events = await store.exchange('events', { type: 'direct' });
  await events.bind('one', { pattern: 'a' });
  return store;
}

function asking<A, R>(verb: ControlVerb<A, R>, args: A): Case['ask'] {
  return (bench, identity) => bench.ask(verb, args, identity);
}

async function sizeOf(store: Store, names: readonly string[]): Promise<number> {
  let count = 0;
  for (const name of names) {
    const topic = await store.topic(name, { codec: utf8, create: false });
    count += await topic.partitions.at(0).use(async ({ endOffset }) => endOffset);
  }
  return count;
}

const publishing = { durability: undefined, isMandatory: true };

const CASES: readonly [string, Case][] = [
  [
    'records of a topic',
    {
      ask: asking(appendRecords, {
        topic: 'one',
        partition: null,
        expectedOffset: null,
        durability: 'sync',
        records: [record, record],
      }),
      doneCount: (store) => sizeOf(store, ['one']),
      wanted: 2,
    },
  ],
  [
    'records of the default exchange, for two queues',
    {
      ask: asking(publishRecords, {
        ...publishing,
        exchange: '',
        confirm: 'logged',
        records: [
          { ...record, routingKey: 'one' },
          { ...record, routingKey: 'two' },
        ],
      }),
      doneCount: (store) => sizeOf(store, ['one', 'two']),
      wanted: 2,
    },
  ],
  [
    'records of an exchange, until they are copied',
    {
      ask: asking(publishRecords, {
        ...publishing,
        exchange: 'events',
        confirm: 'routed',
        records: [{ ...record, routingKey: 'a' }],
      }),
      doneCount: (store) => sizeOf(store, ['one']),
      wanted: 1,
    },
  ],
  [
    'a topic',
    {
      ask: asking(createTopic, { topic: 'new', partitions: 1, options: {} }),
      doneCount: (store) => store.topics().filter(({ name }) => name === 'new').length,
      wanted: 1,
    },
  ],
  [
    'a queue',
    {
      ask: asking(createQueue, {
        topic: 'new',
        partitions: 1,
        durability: 'sync',
        settings: {},
        dedup: {},
      }),
      doneCount: (store) => store.queues().filter(({ topic }) => topic === 'new').length,
      wanted: 1,
    },
  ],
  [
    'an exchange',
    {
      ask: asking(createExchange, {
        exchange: 'new',
        type: 'topic',
        alternate: null,
        internal: false,
        autoDelete: false,
        source: {},
      }),
      doneCount: (store) => store.exchanges().filter(({ name }) => name === 'new').length,
      wanted: 1,
    },
  ],
  [
    'a binding with its past',
    {
      ask: asking(addBinding, { binding, from: 'earliest' }),
      doneCount: (store) => store.exchangeCatalog.bindings('events').length - 1,
      wanted: 1,
    },
  ],
  [
    'the end of a binding',
    {
      ask: asking(removeBinding, { binding: { ...binding, pattern: 'a' } }),
      doneCount: (store) => 1 - store.exchangeCatalog.bindings('events').length,
      wanted: 1,
    },
  ],
  [
    'an alternate',
    {
      ask: asking(setAlternate, { exchange: 'events', alternate: 'others' }),
      doneCount: (store) => store.exchanges().filter(({ alternate }) => alternate !== null).length,
      wanted: 1,
    },
  ],
];

describe('closed at whatever moment, the store has', () => {
  test.each(CASES)('%s or nothing of it, and says which', async (_what, wish) => {
    for (let step = 0; step < STEPS; step += 2) {
      const bench = new ControlBench();
      const store = await furnish(bench);
      const asked = wish.ask(bench, await bench.identity()).then(
        () => wish.wanted,
        (error: unknown) => refusedCount(error),
      );
      for (let passed = 0; passed < step; passed++) await Promise.resolve();
      await store.close();
      const next = await bench.open();
      expect(await wish.doneCount(next), `closed ${step} microtasks later`).toBe(await asked);
      await next.close();
    }
  });

  test.each(CASES)('nothing of %s when it closed before', async (_what, wish) => {
    const bench = new ControlBench();
    const store = await furnish(bench);
    const identity = await bench.identity();
    const closing = store.close();
    await expect(wish.ask(bench, identity)).rejects.toMatchObject({
      code: 'ERR_VARVE_CLOSED',
      details: { kind: CLOSING },
    });
    await closing;
    const next = await bench.open();
    expect(await wish.doneCount(next)).toBe(0);
    await next.close();
  });
});

/** None: whatever else is refused is not to be asked for again. */
function refusedCount(error: unknown): number {
  expect(error).toBeInstanceOf(OwnerError);
  expect(error).toMatchObject({ details: { kind: CLOSING } });
  return 0;
}

test('leases of who asks come back when it closes, and settling them says that nothing was done', async () => {
  const bench = new ControlBench();
  const store = await bench.open();
  const queue = await store.queue('email', { codec: utf8, partitions: 1 });
  await queue.send('one');
  const identity = await bench.identity();
  const consumer = 'worker';
  const [delivery] = await bench.ask(
    acquireRecords,
    { topic: 'email', group: 'queue', consumer, max: 1, leaseMs: null, waitMs: 0 },
    identity,
  );
  const settlement = { token: delivery?.token ?? '', how: 'ack' as const, delayMs: 0, error: '' };
  const closing = store.close();
  const settling = bench.ask(settleRecords, { consumer, settlements: [settlement] }, identity);
  await expect(settling).rejects.toMatchObject({ details: { kind: CLOSING } });
  await expect(bench.ask(listTopics, {}, identity)).rejects.toMatchObject({
    details: { kind: CLOSING },
  });
  await closing;
  const next = await bench.open();
  const again = await next.queue('email', { codec: utf8 });
  expect(await again.stats()).toMatchObject({ readyCount: 1, settled: { acked: 0 } });
  await next.close();
});
