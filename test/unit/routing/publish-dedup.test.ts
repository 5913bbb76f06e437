/** Publishes that may be in the source already: a duplicate goes nowhere again. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import type { Store } from '../../../src/store/store.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { rejectionOf, turns } from '../../support/log-fixture.ts';
import { StoreBench } from '../../support/store-fixture.ts';

interface Setting {
  readonly bench: StoreBench;
  readonly store: Store;
}

/** An exchange that leads to the queue `q` by the keys that begin with `a.`. */
async function opened({ bench, store }: Setting, dedupBy: 'id' | 'content' = 'id') {
  const queue = await store.queue('q', { codec: utf8 });
  const options = { type: 'topic', codec: utf8, source: { dedupBy } } as const;
  const exchange = await store.exchange('e', options);
  await exchange.bind('q', { pattern: 'a.#' });
  const copies = async (): Promise<(string | null)[]> => {
    const values: (string | null)[] = [];
    for await (const { value } of queue.topic.records()) values.push(value);
    return values;
  };
  return { bench, store, queue, exchange, copies };
}

async function setting(): Promise<Setting> {
  const bench = new StoreBench();
  return { bench, store: await bench.open() };
}

const KEYED = (dedupId: string) => ({ routingKey: 'a.b', dedupId });

describe('a publish with a dedupId', () => {
  test('is published once, and its copy tells the id', async () => {
    const { store, exchange, queue, copies } = await opened(await setting());
    const first = await exchange.publish('a', { ...KEYED('one'), cc: ['x'], headers: { h: 'v' } });
    expect(first).toEqual({ offset: 0, durability: 'sync', destinations: ['q'], duplicate: false });
    const second = await exchange.publish('b', { ...KEYED('one'), confirm: 'routed' });
    expect(second).toEqual({ offset: 0, durability: 'sync', destinations: [], duplicate: true });
    expect(await exchange.publish('c', { routingKey: 'a.b' })).toMatchObject({ offset: 1 });
    await exchange.publish('d', { ...KEYED('two'), confirm: 'routed' });
    expect(await copies()).toEqual(['a', 'c', 'd']);
    const copy = await queue.topic.read({ partition: 0, offset: 0 });
    expect(
      [...(copy?.headers ?? [])].map(([name, value]) => [name, Buffer.from(value).toString()]),
    ).toEqual([
      ['varve-routing-key', 'a.b'],
      ['varve-cc', '["x"]'],
      ['varve-dedup-id', 'one'],
      ['h', 'v'],
    ]);
    await store.close();
  });

  test('is known again after the store was opened again', async () => {
    const before = await setting();
    const { store, exchange } = await opened(before);
    await exchange.publish('a', { ...KEYED('one'), confirm: 'routed' });
    const again = await before.bench.reopen(store);
    const found = await opened({ bench: before.bench, store: again });
    expect(await found.exchange.publish('b', KEYED('one'))).toMatchObject({ duplicate: true });
    expect(await found.copies()).toEqual(['a']);
    await again.close();
  });

  test('of several at once: those that are new go where the bindings lead when they are appended', async () => {
    const before = await setting();
    const held = new HeldSyncs(before.bench.fileSystem, 'exchange');
    const { store, exchange, copies } = await opened(before);
    const late = await store.queue('late', { codec: utf8 });
    await exchange.publish('warm', KEYED('warm'));
    held.hold();
    const first = exchange.publish('a', KEYED('one'));
    const behind = exchange.publishBatch([
      { value: 'b', ...KEYED('one') },
      { value: 'c', ...KEYED('two') },
      { value: 'd', ...KEYED('two') },
      { value: 'e', routingKey: 'a.c' },
    ]);
    await turns(20);
    await exchange.bind('late', { pattern: '#' });
    held.release();
    expect(await first).toMatchObject({ offset: 1, destinations: ['q'], duplicate: false });
    expect(await behind).toEqual({
      baseOffset: 2,
      recordCount: 2,
      durability: 'sync',
      destinations: [[], ['late', 'q'], [], ['late', 'q']],
      duplicates: [
        { index: 0, offset: 1 },
        { index: 2, offset: 2 },
      ],
    });
    await exchange.publish('end', { routingKey: 'a', confirm: 'routed' });
    expect(await copies()).toEqual(['warm', 'a', 'c', 'e', 'end']);
    const [delivery] = await late.acquire();
    expect(delivery?.value).toBe('c'); // Not what was on its way when it was bound.
    await store.close();
  });

  test('that is a duplicate waits for the copies of the first, if it wants them', async () => {
    const before = await setting();
    const held = new HeldSyncs(before.bench.fileSystem, '/topics/q');
    const { store, exchange, copies } = await opened(before);
    await exchange.publish('warm', { ...KEYED('warm'), confirm: 'routed' });
    held.hold();
    await exchange.publish('a', KEYED('one'));
    const answers: string[] = [];
    const routed = exchange.publish('b', { ...KEYED('one'), confirm: 'routed' });
    void routed.then(() => answers.push('routed'));
    const committed = store.transaction((tx) => tx.publish(exchange, 'c', KEYED('one')), {
      confirm: 'routed',
    });
    void committed.then(() => answers.push('committed'));
    expect(await exchange.publish('d', KEYED('one'))).toMatchObject({ duplicate: true });
    await turns(50);
    expect(answers).toEqual([]);
    expect(await copies()).toEqual(['warm']);
    held.release();
    expect(await routed).toMatchObject({ offset: 1, duplicate: true });
    expect((await committed).result).toMatchObject({ offset: 1, duplicate: true });
    expect(await copies()).toEqual(['warm', 'a']);
    await store.close();
  });

  test('that nothing takes is refused where it must not be lost, and its id is free', async () => {
    const { store, exchange, copies } = await opened(await setting());
    const publish = (value: string, dedupId: string, routingKey: string) =>
      exchange.publish(value, { dedupId, routingKey, mandatory: true });
    await publish('a', 'one', 'a.b');
    const unroutable = { code: 'ERR_VARVE_UNROUTABLE', details: { routingKey: 'x' } };
    expect(await rejectionOf(publish('b', 'two', 'x'))).toMatchObject(unroutable);
    const inTransaction = store.transaction((tx) =>
      tx.publish(exchange, 'c', { dedupId: 'two', routingKey: 'x', mandatory: true }),
    );
    expect(await rejectionOf(inTransaction)).toMatchObject(unroutable);
    // The one before it was taken by somebody, whatever this one asks for.
    expect(await publish('d', 'one', 'x')).toMatchObject({ offset: 0, duplicate: true });
    expect(await publish('e', 'two', 'a.b')).toMatchObject({ offset: 1, duplicate: false });
    await exchange.publish('end', { routingKey: 'a', confirm: 'routed' });
    expect(await copies()).toEqual(['a', 'e', 'end']);
    await store.close();
  });
});

describe('a publish of a transaction', () => {
  test('that is a duplicate is left out, and the rest is committed', async () => {
    const { store, exchange, copies } = await opened(await setting());
    await exchange.publish('a', KEYED('one'));
    const results = await store.transaction(
      (tx) => [
        tx.publish(exchange, 'b', KEYED('one')),
        tx.publish(exchange, 'c', KEYED('two')),
        tx.publish(exchange, 'd', { routingKey: 'a.c' }),
        tx.publish(exchange, 'e', KEYED('two')),
      ],
      { confirm: 'routed' },
    );
    expect(results.map(({ result }) => result)).toEqual([
      { offset: 0, durability: 'sync', destinations: [], duplicate: true },
      { offset: 1, durability: 'sync', destinations: ['q'], duplicate: false },
      { offset: 2, durability: 'sync', destinations: ['q'], duplicate: false },
      { offset: 1, durability: 'sync', destinations: [], duplicate: true },
    ]);
    expect(await copies()).toEqual(['a', 'c', 'd']);
    expect(await exchange.publish('f', KEYED('two'))).toMatchObject({ offset: 1, duplicate: true });
    await store.close();
  });
});

describe('the source of an exchange', () => {
  test('may compare content: of every publish, whoever sends it', async () => {
    const { store, exchange, copies } = await opened(await setting(), 'content');
    const publish = (value: string, routingKey = 'a.b') => exchange.publish(value, { routingKey });
    expect(await publish('a')).toMatchObject({ offset: 0, duplicate: false });
    expect(await publish('a', 'a.other')).toMatchObject({ offset: 0, duplicate: true });
    const batch = await exchange.publishBatch(['a', 'b', 'b'].map((value) => ({ value })));
    expect(batch).toMatchObject({ baseOffset: 1, recordCount: 1, destinations: [[], [], []] });
    const none = await exchange.publishBatch([{ value: 'b' }]);
    expect(none).toMatchObject({ baseOffset: 2, recordCount: 0, duplicates: [{ offset: 1 }] });
    const { result } = await store.transaction((tx) => tx.publish(exchange, 'b'));
    expect(result).toMatchObject({ offset: 1, duplicate: true });
    await store.alterTopic('exchange:e', { dedupBy: 'id' });
    expect(await publish('a')).toMatchObject({ offset: 2, duplicate: false });
    await exchange.publish('end', { routingKey: 'a', confirm: 'routed' });
    expect(await copies()).toEqual(['a', 'a', 'end']);
    await store.close();
  });

  test('that is gone takes no id', async () => {
    const { store, exchange } = await opened(await setting());
    await exchange.publish('a', KEYED('one'));
    await store.deleteExchange('e');
    const closed = { code: 'ERR_VARVE_CLOSED', details: { resource: 'exchange', name: 'e' } };
    expect(await rejectionOf(exchange.publish('b', KEYED('two')))).toMatchObject(closed);
    await store.close();
  });
});
