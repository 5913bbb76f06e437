/**
 * What is published under several routing keys goes where the naive twin of the topology says, as a copy
 * that has the keys of CC and not those of BCC.
 */
import { deepStrictEqual } from 'node:assert/strict';

import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { present } from '../../src/core/assert.ts';
import { EXCHANGE_TYPES } from '../../src/routing/binding.ts';
import { exportTopology } from '../../src/routing/topology-document.ts';
import { WhatIf } from '../../src/routing/what-if.ts';
import type { Store } from '../../src/store/store.ts';
import { asyncPropertyOptions } from '../support/property.ts';
import { ReferenceTopology } from '../support/reference/graph-route.ts';
import { StoreBench } from '../support/store-fixture.ts';

const TOPICS = 4;
const EXCHANGES = 3;

const keys = fc.constantFrom('', 'a', 'b', 'a.b', 'c', 'é"\\', 'k'.repeat(255));
const further = fc.option(fc.array(keys, { maxLength: 4 }), { nil: undefined });
const exchangeNumbers = fc.integer({ min: 0, max: EXCHANGES - 1 });
const bindings = fc.record({
  from: exchangeNumbers,
  to: fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min: 0, max: TOPICS - 1 }) },
    // An exchange.
    { weight: 1, arbitrary: exchangeNumbers.map((number) => ~number) },
  ),
  pattern: fc.constantFrom('', 'a', 'b', 'c', '#', 'a.#', '*.b', 'é"\\', '*'),
  headers: fc.constantFrom(null, null, { h: '1' }, { 'x-match': 'any', h: '2' }),
});
const records = fc.record({
  exchange: exchangeNumbers,
  routingKey: keys,
  cc: further,
  bcc: further,
  h: fc.constantFrom(undefined, '1', '2'),
  key: fc.constantFrom(undefined, 'k', 'another'),
});
const runs = fc.record({
  types: fc.array(fc.constantFrom(...EXCHANGE_TYPES, 'topic' as const, 'direct' as const), {
    minLength: EXCHANGES,
    maxLength: EXCHANGES,
  }),
  alternates: fc.array(fc.option(exchangeNumbers), { minLength: EXCHANGES, maxLength: EXCHANGES }),
  first: fc.array(bindings, { minLength: 3, maxLength: 10 }),
  more: fc.array(bindings, { maxLength: 3 }),
  past: fc.array(records, { minLength: 5, maxLength: 20 }),
  present: fc.array(records, { maxLength: 10 }),
});

type ValueOf<A> = A extends fc.Arbitrary<infer T> ? T : never;
type BindingOf = ValueOf<typeof bindings>;
type Published = ValueOf<typeof records>;

const topicName = (id: number): string => `t${id}`;
const exchangeName = (id: number): string => `x${id}`;
const counts = { copies: 0, byFurtherKeys: 0, hidden: 0, nowhere: 0 };

class Run {
  readonly #store: Store;
  readonly #twin = new ReferenceTopology();
  /** What each topic will hold, by its id. */
  readonly #expected = new Map<number, Map<string, unknown>>();
  /** Ids by number, and names by id: the hash of an exchange goes by ids. */
  readonly #topicIds: number[] = [];
  readonly #exchangeIds: number[] = [];
  /** By exchange: where its records went, in order. */
  readonly #destinations = Array.from({ length: EXCHANGES }, (): string[][] => []);
  #bindingCount = 0;
  #recordCount = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  async declare(types: ValueOf<typeof runs>['types'], alternates: readonly (number | null)[]) {
    for (let number = 0; number < TOPICS; number++) {
      const { partitions } = await this.#store.topic(topicName(number), { partitions: 2 });
      this.#topicIds.push(partitions.topicId);
      this.#expected.set(partitions.topicId, new Map());
    }
    for (const [number, type] of types.entries()) {
      const name = exchangeName(number);
      await this.#store.exchange(name, { type });
      const { exchangeId: id } = this.#store.exchangeCatalog.describe(name);
      this.#exchangeIds.push(id);
      this.#twin.exchanges.push({ id, type, alternateId: null });
    }
    for (const [number, alternate] of alternates.entries()) {
      const exchange = present(this.#twin.exchanges[number], 'it was made');
      if (alternate === null) continue;
      exchange.alternateId = this.#exchangeIds[alternate] ?? null;
      await this.#store.exchangeCatalog.setAlternate(exchangeName(number), exchangeName(alternate));
    }
  }

  async bind({ from, to, pattern: given, headers }: BindingOf): Promise<void> {
    const exchange = await this.#store.exchange(exchangeName(from));
    const pattern = exchange.type === 'consistent-hash' ? '1' : given;
    const kind = to < 0 ? 'exchange' : 'topic';
    const ids = to < 0 ? this.#exchangeIds : this.#topicIds;
    const target = { kind, id: present(ids[to < 0 ? ~to : to], 'it was made') } as const;
    const destination = to < 0 ? { exchange: exchangeName(~to) } : { topic: topicName(to) };
    await exchange.bind(destination, { pattern, headers });
    const bindingId = ++this.#bindingCount;
    const exchangeId = present(this.#exchangeIds[from], 'it was made');
    const binding = { bindingId, exchangeId, target, routingKey: pattern, headers };
    const isKnown = this.#twin.bindings.some(
      (other) => JSON.stringify({ ...other, bindingId }) === JSON.stringify(binding),
    );
    if (!isKnown) this.#twin.bindings.push(binding);
  }

  /** Those of one exchange after the other, half of them in batches. */
  async publish(published: readonly Published[]): Promise<void> {
    for (let id = 0; id < EXCHANGES; id++) {
      const own = published.filter(({ exchange }) => exchange === id);
      const inputs = own.map((record) => this.#expect(record));
      const exchange = await this.#store.exchange(exchangeName(id), { codec: utf8 });
      const half = Math.floor(inputs.length / 2);
      const { destinations } = await exchange.publishBatch(inputs.slice(0, half), {
        confirm: 'routed',
      });
      const others = inputs.slice(half).map(({ value, ...options }) => {
        return exchange.publish(value, { ...options, confirm: 'routed' });
      });
      const results = await Promise.all(others);
      const told = [...destinations, ...results.map((result) => result.destinations)];
      const expected = this.#destinations[id]?.slice(-inputs.length || Infinity);
      deepStrictEqual(
        told.map((names) => [...names]),
        expected,
      );
    }
  }

  /** What a record will have become. @returns what it is published as */
  #expect({ exchange, routingKey, cc, bcc, h, key }: Published) {
    const value = `record ${this.#recordCount++}`;
    const own = h === undefined ? {} : { h };
    const seen = new Map([['h', new Uint8Array(Buffer.from(h ?? ''))]]);
    const all = [routingKey, ...(cc ?? []), ...(bcc ?? [])];
    const exchangeId = present(this.#exchangeIds[exchange], 'it was made');
    const topicIds = this.#twin.route(exchangeId, all, h === undefined ? null : seen);
    const alone = this.#twin.route(exchangeId, [routingKey], h === undefined ? null : seen);
    if (topicIds.length > alone.length) counts.byFurtherKeys++;
    if (topicIds.length > 0 && (bcc ?? []).length > 0) counts.hidden++;
    if (topicIds.length === 0) counts.nowhere++;
    counts.copies += topicIds.length;
    const headers: [string, string][] = [['varve-routing-key', routingKey]];
    if (cc !== undefined && cc.length > 0) headers.push(['varve-cc', JSON.stringify(cc)]);
    if (h !== undefined) headers.push(['h', h]);
    for (const id of topicIds) this.#expected.get(id)?.set(value, { key, headers });
    const names = topicIds.map((id) => topicName(this.#topicIds.indexOf(id)));
    this.#destinations[exchange]?.push(names.toSorted());
    return { value, routingKey, cc, bcc, key, headers: own };
  }

  async check(): Promise<void> {
    for (const [id, expected] of this.#expected) {
      const name = topicName(this.#topicIds.indexOf(id));
      const topic = await this.#store.topic(name, { codec: utf8 });
      const found = new Map<string, unknown>();
      let count = 0;
      for await (const batch of topic.batches()) {
        for (const { value, key, headers } of batch) {
          const texts = [...headers].map(([header, text]) => [
            header,
            Buffer.from(text).toString(),
          ]);
          found.set(present(value, 'all have one'), { key: key?.toString(), headers: texts });
          count++;
        }
      }
      deepStrictEqual(found, expected);
      expect(count).toBe(expected.size);
    }
  }

  /** What-if goes by the keys, too. Since the records were published nothing has changed. */
  async simulate(): Promise<void> {
    const { exchangeCatalog: catalog } = this.#store;
    const topics = this.#store
      .topics()
      .map(({ name, topicId }) => ({ name, topicId, isQueue: false }));
    const topology = exportTopology(catalog, topics);
    for (let id = 0; id < EXCHANGES; id++) {
      const exchange = exchangeName(id);
      const { partitions } = await this.#store.topic(`exchange:${exchange}`);
      const source = partitions.at(0);
      const whatIf = new WhatIf({ exchange, source, catalog, topics }, { topology });
      const destinations: string[][] = [];
      for await (const record of whatIf) destinations.push([...record.destinations]);
      deepStrictEqual(destinations, this.#destinations[id]);
      expect(whatIf.summary.differentCount).toBe(0);
    }
  }
}

test('records with further keys go where the twin says', async () => {
  const { numRuns = 0, ...options } = asyncPropertyOptions<[ValueOf<typeof runs>]>();
  await fc.assert(
    fc.asyncProperty(runs, async ({ types, alternates, first, more, past, present: now }) => {
      const store = await new StoreBench().open();
      const run = new Run(store);
      await run.declare(types, alternates);
      for (const binding of first) await run.bind(binding);
      await run.publish(past);
      await run.simulate();
      for (const binding of more) await run.bind(binding);
      await run.publish(now);
      await run.check();
      await store.close();
    }),
    { ...options, numRuns: Math.ceil(numRuns / 3) }, // Each takes as long as many others.
  );
  expect(counts.copies).toBeGreaterThan(0);
  expect(counts.byFurtherKeys).toBeGreaterThan(0);
  expect(counts.hidden).toBeGreaterThan(0);
  expect(counts.nowhere).toBeGreaterThan(0);
}, 60_000);
