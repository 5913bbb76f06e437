/** The exchange without a name, which leads to everything by its name. */
import { describe, expect, expectTypeOf, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { ClosedError, ConflictError, TooLargeError } from '../../../src/core/errors.ts';
import { UnroutableError } from '../../../src/core/routing-errors.ts';
import type { DefaultExchange, Exchange } from '../../../src/index.ts';
import { partitionOfKey } from '../../../src/topic/partitioner.ts';
import { rejectionOf } from '../../support/log-fixture.ts';
import { StoreBench } from '../../support/store-fixture.ts';

async function opened() {
  const store = await new StoreBench().open();
  const exchange = await store.exchange('', { codec: utf8 });
  return { store, exchange };
}

describe('the default exchange', () => {
  test('leads to queues and topics by their names, without a copy in between', async () => {
    const { store, exchange } = await opened();
    const queue = await store.queue('orders', { codec: utf8 });
    await store.topic('events');
    const headers = { h: '1' };
    const sent = await exchange.publish('one', { routingKey: 'orders', headers, createTimeMs: 5 });
    expect(sent).toEqual({
      destinations: ['orders'],
      partition: 0,
      offset: 0,
      durability: 'sync',
      duplicate: false,
    });
    const how = { durability: 'os', mandatory: true } as const;
    const other = await exchange.publish('two', { routingKey: 'events', ...how });
    expect(other).toEqual({
      destinations: ['events'],
      partition: 0,
      offset: 0,
      durability: 'os',
      duplicate: false,
    });
    expect(await exchange.publish(null, { routingKey: 'orders' })).toMatchObject({ offset: 1 });
    const [delivery] = await queue.acquire();
    expect(delivery).toMatchObject({ value: 'one', createTimeMs: 5, cause: null });
    expect([...(delivery?.headers.keys() ?? [])]).toEqual(['h']);
    expect(store.topics().map(({ name }) => name)).toEqual(['events', 'orders']);
    await store.close();
  });

  test('chooses the partition by the key, as everybody who appends there', async () => {
    const { store, exchange } = await opened();
    const topic = await store.topic('events', { partitions: 5 });
    const used = new Set<number | null>();
    for (const key of ['a', 'b', 'c', 'd']) {
      const { partition } = await exchange.publish('x', { routingKey: 'events', key });
      expect(partition).toBe(partitionOfKey(key, 5));
      expect(await topic.append({ value: null, key })).toMatchObject({ partition });
      used.add(partition);
    }
    expect(used.size).toBeGreaterThan(1);
    await store.close();
  });

  test.each(['', 'nobody', 'nobody\n', 'exchange:real', 'Events'])(
    'leads nowhere by what is no name of a queue or a topic: %j',
    async (routingKey) => {
      const { store, exchange } = await opened();
      await store.topic('events');
      await store.exchange('real', { type: 'fanout' });
      expect(await exchange.publish('x', { routingKey })).toEqual({
        destinations: [],
        partition: null,
        offset: null,
        durability: null,
        duplicate: false,
      });
      const refused = await rejectionOf(exchange.publish('x', { routingKey, mandatory: true }));
      expect(refused).toBeInstanceOf(UnroutableError);
      expect(refused).toMatchObject({ details: { exchange: '', routingKey, index: 0 } });
      expect(refused).toMatchObject({ message: expect.stringContaining('nothing is named') });
      expect((await (await store.topic('events')).append({ value: null })).offset).toBe(0);
      await store.close();
    },
  );

  test('leads to what comes later, and not to what is gone', async () => {
    const { store, exchange } = await opened();
    const publish = () => exchange.publish('x', { routingKey: 'q' });
    expect((await publish()).destinations).toEqual([]);
    await (await store.queue('q')).close();
    expect(await publish()).toMatchObject({ destinations: ['q'], offset: 0 });
    expect(await publish()).toMatchObject({ destinations: ['q'], offset: 1 });
    await store.deleteTopic('q');
    expect((await publish()).destinations).toEqual([]);
    await store.topic('q', { partitions: 2 });
    expect(await publish()).toMatchObject({ destinations: ['q'], offset: 0 });
    await store.close();
    expect(await rejectionOf(publish())).toBeInstanceOf(ClosedError);
  });

  test('cannot be bound, unbound, deleted, changed or led to', async () => {
    const { store, exchange } = await opened();
    await store.topic('events');
    const real = await store.exchange('real', { type: 'fanout' });
    const { exchangeCatalog: catalog } = store;
    const refusals = [
      await rejectionOf(exchange.bind('events')),
      await rejectionOf(exchange.unbind('events')),
      await rejectionOf(store.deleteExchange('')),
      await rejectionOf(catalog.bind('', 'events', 'x')),
      await rejectionOf(catalog.unbind('', 'events', 'x')),
      await rejectionOf(catalog.setAlternate('', 'real')),
      await rejectionOf(catalog.setAlternate('real', '')),
      await rejectionOf(real.bind({ exchange: '' })),
      await rejectionOf(store.exchange('other', { type: 'fanout', alternate: '' })),
      await rejectionOf(store.exchange('', { type: 'fanout' })),
      await rejectionOf(store.exchange('', { alternate: 'real' })),
      await rejectionOf(store.exchange('', { internal: true })),
      await rejectionOf(store.exchange('', { autoDelete: true })),
      await rejectionOf(store.exchange('', { source: { durability: 'os' } })),
    ];
    for (const refusal of refusals) expect(refusal).toBeInstanceOf(ConflictError);
    expect(refusals[0]).toMatchObject({
      message: expect.stringContaining("exchange '': stored the default exchange"),
    });
    expect(store.exchanges().map(({ name }) => name)).toEqual(['real']);
    await store.exchange('', { type: 'direct', alternate: null, internal: false, create: false });
    await store.close();
  });

  test('takes what `publish` takes of a record that has one key and no copies', async () => {
    const { store, exchange } = await opened();
    const wrong = async (options: object) => rejectionOf(exchange.publish('x', options));
    for (const options of [
      { cc: ['q'] },
      { bcc: ['q'] },
      { confirm: 'routed' },
      { mandatory: 1 },
    ]) {
      expect(await wrong(options)).toMatchObject({ code: 'ERR_VARVE_INVALID_ARGUMENT' });
    }
    expect(await wrong({ routingKey: 7 })).toBeInstanceOf(TypeError);
    expect(await wrong({ routingKey: 'é'.repeat(128) })).toBeInstanceOf(TooLargeError);
    await store.close();
  });

  test('has a type of its own', async () => {
    const store = await new StoreBench().open();
    expectTypeOf(store.exchange('', { codec: utf8 })).resolves.toEqualTypeOf<
      DefaultExchange<string>
    >();
    const asked: Promise<Exchange<string>> = store.exchange('x', { type: 'fanout', codec: utf8 });
    expect((await asked).name).toBe('x');
    const { offset, destinations } = await (await store.exchange('')).publish(null);
    expectTypeOf(offset).toEqualTypeOf<number | null>();
    expect({ offset, destinations }).toEqual({ offset: null, destinations: [] });
    await store.close();
  });
});
