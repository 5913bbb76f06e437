/**
 * What-if over 100 random topologies: what it foretells is what a copy of the store really does, when its
 * bindings are changed in that way and all is published once more. The store itself stays as it is.
 */
import { expect, test } from 'vitest';

import { SeededRandom } from '../../src/core/random.ts';
import { MemoryFileSystem } from '../../src/io/memory-file-system.ts';
import { conditionsOf, type DocumentBinding } from '../../src/routing/topology-document.ts';
import { asGiven } from '../../src/routing/topology-import.ts';
import type { SimulateOptions } from '../../src/routing/what-if.ts';
import type { Store } from '../../src/store/store.ts';
import { randomTopology } from '../rabbitmq/random-topology.ts';
import { EXCHANGE_TYPES } from '../rabbitmq/topology.ts';
import {
  copyDirectory,
  directoryHash,
  publishTo,
  sourceOf,
  whatIf,
} from '../support/exchange-store.ts';
import { propertyOptions, REPLAY } from '../support/property.ts';
import { live, randomHypotheses, type Past } from '../support/random-hypothesis.ts';
import { STORE_PATH, StoreBench } from '../support/store-fixture.ts';

const { numRuns: TOPOLOGIES = 0, seed: SEED = 0 } = propertyOptions();
const RECORDS = 40;

type Copies = readonly (readonly [destination: string, sourceOffset: number])[];

/** What what-if says of an exchange. */
async function foretold(store: Store, exchange: string, options: SimulateOptions): Promise<Copies> {
  const copies: [string, number][] = [];
  for await (const { offset, destinations } of await whatIf(store, exchange, options)) {
    for (const name of destinations) copies.push([name, offset]);
  }
  return inOrder(copies);
}

/** Changes the bindings of a store: what it binds first, then what it does not. */
async function change(store: Store, { bind = [], unbind = [] }: SimulateOptions): Promise<void> {
  for (const binding of bind) {
    if (!('exchange' in binding.destination)) await store.topic(nameOf(binding));
    await store.exchangeCatalog.bind(...asGiven(binding));
  }
  for (const binding of unbind) await store.exchangeCatalog.unbind(...asGiven(binding));
}

/** Publishes the past once more, and collects what came of it. */
async function projected(
  store: Store,
  pasts: ReadonlyMap<string, readonly Past[]>,
): Promise<ReadonlyMap<string, Copies>> {
  const starts = new Map<number, { readonly exchange: string; readonly endOffset: number }>();
  for (const { name: exchange, exchangeId } of store.exchanges()) {
    if (!pasts.has(exchange)) continue;
    const { endOffset } = await sourceOf(store, exchange);
    starts.set(exchangeId, { exchange, endOffset });
  }
  await publishTo(
    store,
    [...pasts.values()].flat().map(({ record }) => record),
  );
  const copies = new Map<string, [string, number][]>();
  for (const { name } of store.topics()) {
    const topic = await store.topic(name);
    for await (const { cause } of topic.records()) {
      if (cause?.kind !== 'projected') continue;
      const { exchange = '', endOffset = Infinity } = starts.get(cause.exchangeId) ?? {};
      if (cause.offset < endOffset) continue;
      const own = copies.get(exchange) ?? [];
      own.push([name, cause.offset - endOffset]);
      copies.set(exchange, own);
    }
  }
  return new Map([...copies].map(([exchange, own]) => [exchange, inOrder(own)]));
}

function nameOf({ destination }: DocumentBinding): string {
  return Object.values(destination)[0] ?? '';
}

function inOrder(copies: Copies): Copies {
  return copies.toSorted(
    ([one, at], [two, later]) => at - later || (one < two ? -1 : Number(one > two)),
  );
}

test(`what-if foretells what a copy of the store does, over ${TOPOLOGIES} random topologies`, async () => {
  const seen = { topologies: 0, copies: 0, changes: 0, headers: 0 };
  for (let at = 0; at < TOPOLOGIES; at++) {
    const random = new SeededRandom(SEED + at);
    const type = EXCHANGE_TYPES[at % EXCHANGE_TYPES.length] ?? 'topic';
    const options = { prefix: '', type, recordCount: RECORDS };
    const topology = randomTopology(random, options);
    const bench = new StoreBench();
    const writer = await bench.open();
    const { pasts, bound } = await live(writer, topology);
    await writer.close();
    const [, changes] = randomHypotheses(random, options, { topology, bound });
    if (changes === undefined) throw new Error('there are two hypotheses');
    const copy = new MemoryFileSystem();
    await copyDirectory(bench.fileSystem, copy, STORE_PATH);
    const before = await directoryHash(bench.fileSystem, STORE_PATH);
    const store = await bench.open({ readOnly: true });
    const said = new Map<string, Copies>();
    for (const exchange of pasts.keys()) {
      if (!store.exchanges().some(({ name }) => name === exchange)) continue;
      said.set(exchange, await foretold(store, exchange, changes.options));
    }
    await store.close();
    expect(await directoryHash(bench.fileSystem, STORE_PATH), REPLAY).toBe(before);
    const { clock, random: ids } = bench;
    const changed = await bench.open({ fileSystem: copy, clock, random: ids });
    await change(changed, changes.options);
    const done = await projected(changed, pasts);
    await changed.close();
    for (const [exchange, copies] of said) {
      expect(done.get(exchange) ?? [], `${REPLAY} topology ${at}`).toEqual(copies);
      seen.copies += copies.length;
    }
    const { bind = [], unbind = [] } = changes.options;
    seen.topologies++;
    seen.changes += bind.length + unbind.length;
    seen.headers += bind.filter((binding) => conditionsOf(binding) !== null).length;
  }
  expect(seen.topologies).toBe(TOPOLOGIES);
  for (const [what, count] of Object.entries(seen)) {
    expect(count, what).toBeGreaterThanOrEqual(TOPOLOGIES);
  }
}, 120_000);
