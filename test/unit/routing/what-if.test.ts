import { describe, expect, test } from 'vitest';

import type { DocumentBinding } from '../../../src/routing/topology-document.ts';
import type { SimulatedRecord, SimulateOptions } from '../../../src/routing/what-if.ts';
import type { Store } from '../../../src/store/store.ts';
import { directoryHash, publishTo, whatIf } from '../../support/exchange-store.ts';
import { rejectionOf } from '../../support/log-fixture.ts';
import { STORE_PATH, StoreBench } from '../../support/store-fixture.ts';

const KEYS = ['a.x', 'b.x', 'a.y', 'c.z', 'a.x'];

const to = (queue: string, pattern: string, exchange = 'main'): DocumentBinding => ({
  exchange,
  destination: { queue },
  pattern,
});

const keyed = (keys: readonly string[]) =>
  keys.map((key, at) => ({ exchange: 'main', key, headers: {}, createTimeMs: 1000 * (at + 1) }));

/** A topic exchange with two queues, and five records of its past. */
async function withPast(bench: StoreBench): Promise<Store> {
  const store = await bench.open();
  for (const name of ['a', 'b', 'rest']) await (await store.queue(name)).close();
  await store.exchangeCatalog.open('main', { type: 'topic' });
  await store.exchangeCatalog.bind('main', 'a', 'a.*');
  await store.exchangeCatalog.bind('main', 'b', 'b.*');
  await publishTo(store, keyed(KEYS));
  return store;
}

async function simulated(store: Store, options: SimulateOptions) {
  const run = await whatIf(store, 'main', options);
  const records: SimulatedRecord[] = [];
  for await (const record of run) records.push(record);
  return { records, summary: run.summary };
}

describe('what-if', () => {
  test('tells where the past would have gone, beside where it went', async () => {
    const store = await withPast(new StoreBench());
    const { records, summary } = await simulated(store, {
      bind: [to('rest', '#'), to('new', '*.z')],
      unbind: [to('a', 'a.*')],
    });
    expect(records).toEqual([
      { offset: 0, destinations: ['rest'] },
      { offset: 1, destinations: ['b', 'rest'] },
      { offset: 2, destinations: ['rest'] },
      { offset: 3, destinations: ['new', 'rest'] },
      { offset: 4, destinations: ['rest'] },
    ]);
    expect(summary).toEqual({
      recordCount: 5,
      range: { start: 0, end: 5 },
      unrouted: { would: 0, did: 1 },
      differentCount: 5,
      destinations: [
        { name: 'a', recordCount: 0, same: 0, added: 0, removed: 3 },
        { name: 'b', recordCount: 1, same: 1, added: 0, removed: 0 },
        { name: 'new', recordCount: 1, same: 0, added: 1, removed: 0 },
        { name: 'rest', recordCount: 5, same: 0, added: 5, removed: 0 },
      ],
      unknownFrom: null,
    });
    await store.close();
  });

  test('is no different when nothing is', async () => {
    const store = await withPast(new StoreBench());
    const { summary } = await simulated(store, {});
    expect(summary).toMatchObject({ recordCount: 5, differentCount: 0 });
    await store.close();
  });

  test('compares with the topology of each record, not with that of today', async () => {
    const store = await withPast(new StoreBench());
    await store.exchangeCatalog.unbind('main', 'a', 'a.*');
    await store.exchangeCatalog.bind('main', 'rest', '#');
    await publishTo(store, keyed(['a.x']));
    const { summary } = await simulated(store, {});
    expect(summary.destinations).toEqual([
      { name: 'a', recordCount: 0, same: 0, added: 0, removed: 3 },
      { name: 'b', recordCount: 1, same: 1, added: 0, removed: 0 },
      { name: 'rest', recordCount: 6, same: 1, added: 5, removed: 0 },
    ]);
    await store.close();
  });

  test('tells of topics that are gone, and of others of their name', async () => {
    const store = await withPast(new StoreBench());
    await store.deleteTopic('a');
    await store.topic('a');
    const { summary } = await simulated(store, { bind: [to('a', 'a.x')] });
    expect(summary.destinations).toEqual([
      { name: 'a', recordCount: 2, same: 0, added: 2, removed: 0 },
      { name: 'b', recordCount: 1, same: 1, added: 0, removed: 0 },
      { name: null, recordCount: 0, same: 0, added: 0, removed: 3 },
    ]);
    await store.close();
  });

  test.each<[SimulateOptions, number[]]>([
    [{ from: 2 }, [2, 3, 4]],
    [{ from: 1, to: 3 }, [1, 2]],
    [{ to: 0 }, []],
    [{ to: 100 }, [0, 1, 2, 3, 4]],
    [{ from: 'latest' }, []],
    [{ from: { last: 2 } }, [3, 4]],
    [{ from: { timestamp: 2000 }, to: { timestamp: 4000 } }, [1, 2]],
    [{ from: { timestamp: 2001 } }, [2, 3, 4]],
    [{ to: { timestamp: 1 } }, []],
  ])('goes through the range that is asked for: %j', async (options, offsets) => {
    const store = await withPast(new StoreBench());
    const { records, summary } = await simulated(store, options);
    expect(records.map(({ offset }) => offset)).toEqual(offsets);
    const [start] = offsets;
    const range = start === undefined ? null : { start, end: start + offsets.length };
    expect(summary).toMatchObject({ recordCount: offsets.length, range });
    await store.close();
  });

  test('takes an exchange away that goes with its last binding, and what leads there with it', async () => {
    const store = await withPast(new StoreBench());
    await store.exchangeCatalog.open('goes', { type: 'fanout', autoDelete: true });
    await store.exchangeCatalog.open('lost', { type: 'fanout' });
    await store.exchangeCatalog.bind('goes', 'rest', '');
    await store.exchangeCatalog.bind('lost', 'b', '');
    await store.exchangeCatalog.bind('main', { exchange: 'goes' }, 'c.*');
    await store.exchangeCatalog.setAlternate('main', 'lost');
    const last = to('rest', '', 'goes');
    const of = async (options: SimulateOptions) =>
      (await simulated(store, { ...options, from: 3, to: 4 })).records[0]?.destinations;
    expect(await of({})).toEqual(['rest']);
    expect(await of({ unbind: [last] })).toEqual(['b']); // Nothing matches any more.
    expect(await of({ bind: [to('new', '', 'goes')], unbind: [last] })).toEqual(['new']);
    await store.exchangeCatalog.unbind('goes', 'rest', '');
    expect(await of({})).toEqual(['b']); // As it is when it is done.
    await store.close();
  });

  test('goes as far as it knows the topology, when only another process writes', async () => {
    const bench = new StoreBench();
    const writer = await withPast(bench);
    const reader = await bench.open({ readOnly: true });
    const bind = [to('rest', '#')];
    expect((await simulated(reader, { bind })).summary.recordCount).toBe(5);
    await publishTo(writer, keyed(['a.1']));
    await writer.exchangeCatalog.bind('main', 'rest', 'c.#');
    await publishTo(writer, keyed(['a.2', 'a.3']));
    const before = await directoryHash(bench.fileSystem, STORE_PATH);
    const { records, summary } = await simulated(reader, { bind });
    expect(records).toHaveLength(6);
    expect(summary).toMatchObject({ recordCount: 6, unknownFrom: 6 });
    const beyond = await simulated(reader, { bind, from: 7 });
    expect(beyond.summary).toMatchObject({ recordCount: 0, range: null, unknownFrom: 7 });
    expect(await directoryHash(bench.fileSystem, STORE_PATH)).toBe(before);
    const again = await bench.open({ readOnly: true });
    expect((await simulated(again, { bind })).summary).toMatchObject({
      recordCount: 8,
      unknownFrom: null,
    });
    for (const store of [again, reader, writer]) await store.close();
    expect(bench.fileSystem.openFileCount).toBe(0);
  });

  test('lets go of the log when it is broken off', async () => {
    const store = await withPast(new StoreBench());
    const run = await whatIf(store, 'main', {});
    for await (const { offset } of run) if (offset === 1) break;
    const reason = new Error('enough');
    const controller = new AbortController();
    const aborted = await whatIf(store, 'main', { signal: controller.signal });
    controller.abort(reason);
    expect(await rejectionOf(aborted.run())).toBe(reason);
    await store.close();
  });

  test('asks for weights where bindings have them', async () => {
    const store = await withPast(new StoreBench());
    await store.exchangeCatalog.open('spread', { type: 'consistent-hash' });
    const run = simulated(store, { bind: [to('a', '1', 'spread'), to('b', 'b', 'spread')] });
    expect(await rejectionOf(run)).toMatchObject({
      code: 'ERR_VARVE_BAD_PATTERN',
      details: { name: 'bind[1].pattern', column: 1 },
    });
    await store.close();
  });

  const invalid = 'ERR_VARVE_INVALID_ARGUMENT';
  const absent = 'ERR_VARVE_NOT_FOUND';
  test.each<[string, object, string]>([
    [invalid, { form: 1 }, '`form`'],
    [invalid, { to: 'latest' }, '`to`'],
    [invalid, { to: { timestamp: -1 } }, '`to.timestamp`'],
    [invalid, { to: -1 }, '`to`'],
    [invalid, { from: 'first' }, '`from`'],
    [invalid, { topology: [] }, '`topology`'],
    [invalid, { topology: { bindings: [to('a', '')] } }, '`bindings[0].exchange`'],
    [invalid, { bind: [to('a', ''), { exchange: 'main' }] }, '`bind[1].destination`'],
    [invalid, { unbind: 'all' }, '`unbind`'],
    [absent, { topology: {} }, 'exchange main'],
    [absent, { bind: [to('a', '', 'other')] }, 'exchange other'],
    [absent, { bind: [{ exchange: 'main', destination: { exchange: 'x' } }] }, 'exchange x'],
    [absent, { unbind: [to('a', 'a.*'), to('a', 'a.x')] }, 'binding unbind[1]: {"exchange":"main"'],
  ])('refuses with %s: %j', async (code, options, place) => {
    const store = await withPast(new StoreBench());
    const error = await rejectionOf(simulated(store, options));
    expect(error).toMatchObject({ code, message: expect.stringContaining(place) });
    await store.close();
  });
});
