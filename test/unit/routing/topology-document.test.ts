import { describe, expect, test } from 'vitest';

import { SeededRandom } from '../../../src/core/random.ts';
import { BadPatternError } from '../../../src/core/routing-errors.ts';
import { checkTopologyDocument, exportTopology } from '../../../src/routing/topology-document.ts';
import { carryOut, planImport } from '../../../src/routing/topology-import.ts';
import type { Store } from '../../../src/store/store.ts';
import { randomTopology } from '../../rabbitmq/random-topology.ts';
import { changeIn, declareIn, topicsOf } from '../../support/exchange-store.ts';
import { rejectionOf, thrownBy } from '../../support/log-fixture.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const BY_HAND = {
  exchanges: [
    { name: 'flights', type: 'topic', alternate: 'lost' },
    { name: 'by-delay', type: 'headers', autoDelete: true },
    { name: 'lost', type: 'fanout', internal: true },
  ],
  bindings: [
    { exchange: 'lost', destination: { topic: 'rest' } },
    { exchange: 'flights', destination: { exchange: 'by-delay' }, pattern: 'flight.#' },
    { exchange: 'flights', destination: { queue: 'schiphol' }, pattern: '*.AMS' },
    {
      exchange: 'by-delay',
      destination: { queue: 'late' },
      headers: { 'x-match': 'any', delay: 'high', raw: { base64: '/w==' }, there: null },
    },
  ],
};

const exported = (store: Store) => exportTopology(store.exchangeCatalog, topicsOf(store));

/** What comes out of a file. */
const asRead = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

async function withTopics(bench = new StoreBench()): Promise<Store> {
  const store = await bench.open();
  await store.topic('rest');
  for (const name of ['late', 'schiphol']) await (await store.queue(name)).close();
  return store;
}

async function importInto(store: Store, value: unknown, prune = false) {
  const plan = planImport(checkTopologyDocument(asRead(value)), exported(store), {
    prune,
    topics: topicsOf(store),
  });
  await carryOut(plan, store.exchangeCatalog);
  return plan.steps.map(({ kind }) => kind);
}

describe('the document of a topology', () => {
  test('is filled in and put in order, and once more it is the same', () => {
    const document = checkTopologyDocument(asRead(BY_HAND));
    expect(document).toEqual({
      exchanges: [
        { name: 'by-delay', type: 'headers', alternate: null, internal: false, autoDelete: true },
        { name: 'flights', type: 'topic', alternate: 'lost', internal: false, autoDelete: false },
        { name: 'lost', type: 'fanout', alternate: null, internal: true, autoDelete: false },
      ],
      bindings: [
        {
          exchange: 'by-delay',
          destination: { queue: 'late' },
          pattern: '',
          headers: { 'x-match': 'any', delay: 'high', raw: { base64: '/w==' }, there: null },
        },
        { exchange: 'flights', destination: { exchange: 'by-delay' }, pattern: 'flight.#' },
        { exchange: 'flights', destination: { queue: 'schiphol' }, pattern: '*.AMS' },
        { exchange: 'lost', destination: { topic: 'rest' }, pattern: '' },
      ],
    });
    expect(checkTopologyDocument(asRead(document))).toEqual(document);
    expect(checkTopologyDocument({})).toEqual({ exchanges: [], bindings: [] });
  });

  test('has a binding that is given twice once, in whatever words', () => {
    const exchanges = [{ name: 'x', type: 'headers' }];
    const bindings = [
      { exchange: 'x', destination: { queue: 'q' }, headers: { h: '1' } },
      {
        exchange: 'x',
        destination: { queue: 'q' },
        headers: { 'x-match': 'all', h: { base64: 'MQ==' } },
      },
      { exchange: 'x', destination: { queue: 'q' }, headers: {} },
      { exchange: 'x', destination: { queue: 'q' } },
    ];
    const found = checkTopologyDocument({ exchanges, bindings }).bindings;
    expect(found.map(({ headers }) => headers)).toEqual([
      { 'x-match': 'all', h: '1' },
      { 'x-match': 'all' },
      undefined,
    ]);
  });

  test('keeps headers of any name and bytes, and changes nothing of JavaScript', async () => {
    const store = await withTopics();
    await store.exchangeCatalog.open('x', { type: 'headers' });
    const headers = Object.fromEntries([
      ['__proto__', 'p'],
      ['constructor', null],
      ['7', '\ufefftext\u0000"'],
      ['bytes', new Uint8Array([0xc3, 0x28])],
    ]);
    await store.exchangeCatalog.bind('x', 'rest', '', { headers });
    const document = checkTopologyDocument(asRead(exported(store)));
    expect(document).toEqual(exported(store));
    expect(Object.entries(document.bindings[0]?.headers ?? {})).toEqual([
      ['7', '\ufefftext\u0000"'],
      ['x-match', 'all'],
      ['__proto__', 'p'],
      ['bytes', { base64: 'wyg=' }],
      ['constructor', null],
    ]);
    const [binding] = store.exchangeCatalog.bindings('x');
    const other = await withTopics();
    await importInto(other, document);
    expect(other.exchangeCatalog.bindings('x')[0]?.headers).toEqual(binding?.headers);
    await Promise.all([store.close(), other.close()]);
  });

  const exchanges = [{ name: 'x', type: 'topic' }];
  const bound = { exchange: 'x', destination: { queue: 'q' } };
  const third = (binding: object) => ({ exchanges, bindings: [bound, bound, binding] });

  test.each([
    [[], '`topology`'],
    [{ exchange: [] }, '`exchange`'],
    [{ exchanges: {} }, '`exchanges`'],
    [{ exchanges: [{ name: 'x', type: 'tpoic' }] }, '`exchanges[0].type`'],
    [{ exchanges: [{ name: '', type: 'topic' }] }, '`exchanges[0].name`'],
    [
      { exchanges: [{ name: 'a'.repeat(247), type: 'topic' }] },
      '`exchanges[0].name` to be of 1 to 246 bytes',
    ],
    [{ exchanges: [{ name: 'x', type: 'topic', durable: true }] }, '`durable`'],
    [{ exchanges: [...exchanges, ...exchanges] }, '`exchanges[1].name`'],
    [{ exchanges: [{ name: 'x', type: 'topic', internal: 1 }] }, '`exchanges[0].internal`'],
    [{ exchanges: [{ name: 'x', type: 'topic', alternate: 'y' }] }, '`exchanges[0].alternate`'],
    [third({ ...bound, patern: 'a' }), '`bindings[2]`'],
    [third({ ...bound, pattern: 1 }), '`bindings[2].pattern`'],
    [third({ ...bound, pattern: 'x'.repeat(256) }), '`bindings[2].pattern`'],
    [
      {
        exchanges: [{ name: 'x', type: 'consistent-hash' }],
        bindings: [
          { ...bound, pattern: '1' },
          { ...bound, pattern: '0' },
        ],
      },
      '`bindings[1].pattern`',
    ],
    [third({ ...bound, exchange: 'y' }), '`bindings[2].exchange`'],
    [third({ ...bound, destination: 'q' }), '`bindings[2].destination`'],
    [third({ ...bound, destination: { queue: 'q', topic: 't' } }), '`bindings[2].destination`'],
    [third({ ...bound, destination: { queue: 3 } }), '`bindings[2].destination.queue`'],
    [third({ ...bound, destination: { exchange: 'y' } }), '`bindings[2].destination.exchange`'],
    [third({ ...bound, headers: [] }), '`bindings[2].headers`'],
    [third({ ...bound, headers: { 'x-match': 'some' } }), "`bindings[2].headers['x-match']`"],
    [third({ ...bound, headers: { h: 1 } }), "`bindings[2].headers['h']`"],
    [third({ ...bound, headers: { h: { base64: 'A' } } }), "`bindings[2].headers['h'].base64`"],
    [third({ ...bound, headers: { h: { base64: 'QQ==', b: 1 } } }), "`bindings[2].headers['h']`"],
  ])('is refused with the place: $1', (value, place) => {
    const error = thrownBy(() => checkTopologyDocument(value));
    const isPattern = error instanceof BadPatternError;
    const code = isPattern ? 'ERR_VARVE_BAD_PATTERN' : 'ERR_VARVE_INVALID_ARGUMENT';
    expect(error).toMatchObject({ code, message: expect.stringContaining(place) });
  });

  test('tells the column of a bad pattern too', () => {
    const value = third({ ...bound, pattern: 'ab\ud800' });
    expect(thrownBy(() => checkTopologyDocument(value))).toMatchObject({
      code: 'ERR_VARVE_BAD_PATTERN',
      details: { name: 'bindings[2].pattern', column: 3 },
    });
  });
});

describe('an import', () => {
  test('makes what is missing, says so before, and has nothing to do the second time', async () => {
    const bench = new StoreBench();
    const store = await withTopics(bench);
    const { version } = store.exchangeCatalog;
    const steps = await importInto(store, BY_HAND);
    expect(steps).toEqual([
      ...Array.from({ length: 3 }, () => 'add-exchange'),
      'set-alternate',
      ...Array.from({ length: 4 }, () => 'add-binding'),
    ]);
    expect(store.exchangeCatalog.version).toBe(version + steps.length);
    expect(exported(store)).toEqual(checkTopologyDocument(BY_HAND));
    expect(await importInto(store, BY_HAND, true)).toEqual([]);
    const again = await bench.reopen(store);
    expect(exported(again)).toEqual(checkTopologyDocument(BY_HAND));
    await again.close();
  });

  test('leaves what the document does not have, unless it is pruned', async () => {
    const store = await withTopics();
    await importInto(store, BY_HAND);
    const less = {
      exchanges: [{ name: 'flights', type: 'topic' }],
      bindings: [{ exchange: 'flights', destination: { topic: 'rest' }, pattern: 'new' }],
    };
    expect(await importInto(store, less)).toEqual(['add-binding']);
    expect(store.exchangeCatalog.list()).toHaveLength(3);
    const steps = await importInto(store, less, true);
    expect(steps).toEqual([
      'set-alternate',
      'remove-binding',
      'remove-binding',
      'remove-exchange',
      'remove-exchange',
    ]);
    expect(exported(store)).toEqual(checkTopologyDocument(less));
    await store.close();
  });

  test('takes what a document names and the store has', async () => {
    const store = await withTopics();
    await importInto(store, BY_HAND);
    const more = { bindings: [{ exchange: 'lost', destination: { queue: 'late' } }] };
    const there = new Set(store.exchangeCatalog.list().map(({ name }) => name));
    const document = checkTopologyDocument(more, (name) => there.has(name));
    const plan = planImport(document, exported(store), { topics: topicsOf(store) });
    await carryOut(plan, store.exchangeCatalog);
    expect(store.exchangeCatalog.bindings('lost')).toHaveLength(2);
    await store.close();
  });

  test.each([
    [{ exchanges: [{ name: 'x', type: 'topic' }] }, 'type fanout', 'type topic'],
    [
      { exchanges: [{ name: 'x', type: 'fanout', internal: true }] },
      'internal false',
      'internal true',
    ],
    [
      {
        exchanges: [
          { name: 'x', type: 'fanout' },
          { name: 'goes', type: 'fanout', autoDelete: true },
        ],
      },
      'autoDelete true, with bindings',
      'without a binding',
    ],
  ])('changes nothing when something is $1 and shall be $2', async (value, stored, requested) => {
    const store = await withTopics();
    await store.exchangeCatalog.open('x', { type: 'fanout' });
    await store.exchangeCatalog.open('goes', { type: 'fanout', autoDelete: true });
    await store.exchangeCatalog.bind('goes', 'rest', '');
    const { version } = store.exchangeCatalog;
    const wanted = { ...value, exchanges: [...value.exchanges, { name: 'new', type: 'topic' }] };
    expect(await rejectionOf(importInto(store, wanted, true))).toMatchObject({
      code: 'ERR_VARVE_CONFLICT',
      details: { kind: 'exchange', stored, requested },
    });
    expect(store.exchangeCatalog.version).toBe(version);
    await store.close();
  });

  test('names queues and topics that are not there, and changes nothing', async () => {
    const store = await new StoreBench().open();
    const document = checkTopologyDocument(BY_HAND);
    const plan = planImport(document, exported(store), { topics: topicsOf(store) });
    expect(plan.missing).toEqual([
      { kind: 'queue', name: 'late' },
      { kind: 'queue', name: 'schiphol' },
      { kind: 'topic', name: 'rest' },
    ]);
    expect(await rejectionOf(carryOut(plan, store.exchangeCatalog))).toMatchObject({
      code: 'ERR_VARVE_NOT_FOUND',
      details: { kind: 'queue', name: 'late' },
    });
    expect(store.exchangeCatalog.list()).toEqual([]);
    await store.close();
  });

  test('brings any topology into another store, and another one over it', async () => {
    for (let seed = 0; seed < 4; seed++) {
      const random = new SeededRandom(seed);
      const stores: Store[] = [];
      for (let at = 0; at < 2; at++) {
        const options = { prefix: '', type: 'topic' as const, recordCount: 0 };
        const topology = randomTopology(random, options);
        const store = await new StoreBench().open();
        await declareIn(store, topology);
        for (const { changes } of topology.stages) {
          for (const change of changes) await changeIn(store, change);
        }
        stores.push(store);
      }
      const target = await new StoreBench().open();
      for (const store of stores) {
        for (const { name } of store.topics()) {
          if (!name.startsWith('exchange:')) await target.topic(name);
        }
        const document = exported(store);
        await importInto(target, document, true);
        expect(exported(target), `seed ${seed}`).toEqual(document);
        expect(await importInto(target, document, true)).toEqual([]);
      }
      for (const store of [...stores, target]) await store.close();
    }
  });
});
