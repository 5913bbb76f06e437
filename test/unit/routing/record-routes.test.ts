import { describe, expect, test } from 'vitest';

import { randomBelow, SeededRandom } from '../../../src/core/random.ts';
import { MemoryFileSystem, openLog } from '../../../src/index.ts';
import { BatchCursor } from '../../../src/format/batch-cursor.ts';
import { recordsOf } from '../../../src/format/batch-records.ts';
import { routedHeaders } from '../../../src/format/routing-header.ts';
import type { Binding, ExchangeType } from '../../../src/routing/binding.ts';
import { checkHeaderConditions } from '../../../src/routing/header-conditions.ts';
import { RecordRoutes } from '../../../src/routing/record-routes.ts';
import { Topology } from '../../../src/routing/topology.ts';

const EXCHANGE = 7;

interface Published {
  /** Null = it was appended as any record is. */
  readonly key: string | null;
  readonly headers: Record<string, string>;
}

/** Batches of ten. */
async function cursorsOf(published: readonly Published[]): Promise<BatchCursor[]> {
  const log = await openLog('/log', { fileSystem: new MemoryFileSystem() });
  const cursors: BatchCursor[] = [];
  for (let at = 0; at < published.length; at += 10) {
    await log.appendBatch(
      published.slice(at, at + 10).map(({ key, headers }) => ({
        value: null,
        headers: key === null ? headers : routedHeaders(key, headers),
      })),
    );
  }
  const source = log.source({}, 'own');
  while (await source.next()) {
    const cursor = new BatchCursor();
    cursor.reset(recordsOf(source.kept));
    cursors.push(cursor);
  }
  await log.close();
  return cursors;
}

function routesOf(cursors: readonly BatchCursor[], routes: RecordRoutes): (readonly number[])[] {
  const found: (readonly number[])[] = [];
  for (const cursor of cursors) while (cursor.next()) found.push(routes.route(cursor));
  return found;
}

function topologyOf(type: ExchangeType, bindings: readonly Omit<Binding, 'exchangeId'>[]) {
  const topology = new Topology();
  topology.addExchange({ exchangeId: EXCHANGE, type, alternateId: null, isInternal: false });
  for (const binding of bindings) topology.bind({ ...binding, exchangeId: EXCHANGE });
  return { topology };
}

function toTopic(id: number, routingKey: string): Omit<Binding, 'exchangeId'> {
  return { bindingId: id, target: { kind: 'topic', id }, routingKey, headers: null };
}

describe('where records go', () => {
  test('is what a filter says of far more keys than are remembered, as bindings come and go', async () => {
    const random = new SeededRandom(3);
    const published = Array.from({ length: 30_000 }, () => {
      // Some so often that they are remembered, some longer than any that is.
      const number = randomBelow(random, randomBelow(random, 2) === 0 ? 50 : 20_000);
      const long = randomBelow(random, 20) === 0 ? '.x'.repeat(40) : '';
      return { key: `k${number}.${'é'.repeat(number % 3)}${long}`, headers: {} };
    });
    const cursors = await cursorsOf(published);
    const { topology } = topologyOf('direct', []);
    const routes = new RecordRoutes(topology, EXCHANGE);
    const bound = new Map<string, Set<number>>();
    let offset = 0;
    let routed = 0;
    let nextId = 1;
    for (const cursor of cursors) {
      while (cursor.next()) {
        const { key } = published[offset] ?? { key: '' };
        const expected = [...(bound.get(key) ?? [])].sort((one, other) => one - other);
        expect(routes.route(cursor)).toEqual(expected);
        routed += expected.length;
        offset++;
      }
      if (offset % 50 !== 0) continue; // So that some are found again before the next change.
      const { key } = published[randomBelow(random, published.length)] ?? { key: '' };
      const id = nextId++;
      topology.bind({ ...toTopic(id, key), exchangeId: EXCHANGE });
      bound.set(key, (bound.get(key) ?? new Set()).add(id));
      if (id % 3 === 0) {
        topology.unbind(id);
        bound.get(key)?.delete(id);
      }
    }
    expect(offset).toBe(published.length);
    expect(routed).toBeGreaterThan(1000);
  });

  test('is found again as the same array, also for the longest key that is remembered', async () => {
    const keys = ['a.b', 'x'.repeat(64), '', 'a.b', 'x'.repeat(64), ''];
    const cursors = await cursorsOf(keys.map((key) => ({ key, headers: {} })));
    const { topology } = topologyOf('topic', [toTopic(1, '#'), toTopic(2, 'a.*')]);
    const found = routesOf(cursors, new RecordRoutes(topology, EXCHANGE));
    expect(found.slice(0, 3)).toEqual([[1, 2], [1], [1]]);
    for (const at of [0, 1, 2]) expect(found[at + 3]).toBe(found[at]);
  });

  test.each([
    ['direct', '', [[1], [1]]],
    ['topic', '#', [[1], [1]]],
    ['topic', '*', [[], []]],
  ] as const)(
    'is that of the empty key for a record without one: a %s exchange and %j',
    async (type, pattern, expected) => {
      const headers: Record<string, string>[] = [{ other: 'x' }, {}];
      const cursors = await cursorsOf(headers.map((own) => ({ key: null, headers: own })));
      const { topology } = topologyOf(type, [toTopic(1, pattern)]);
      expect(routesOf(cursors, new RecordRoutes(topology, EXCHANGE))).toEqual(expected);
    },
  );

  test('is by headers when an exchange on the way looks at them, and by the key when it is gone', async () => {
    const headers: Record<string, string>[] = [{ delay: 'high' }, {}, { delay: 'low' }];
    const { topology } = topologyOf('fanout', [toTopic(1, '')]);
    const via = { exchangeId: 8, type: 'headers' as const, alternateId: null, isInternal: true };
    topology.addExchange(via);
    const routes = new RecordRoutes(topology, EXCHANGE);
    const asked = headers.map((own) => ({ key: 'k', headers: own }));
    const all = async () => routesOf(await cursorsOf(asked), routes);
    expect(await all()).toEqual([[1], [1], [1]]);
    const target = { kind: 'exchange' as const, id: 8 };
    const link = { bindingId: 2, exchangeId: EXCHANGE, target, routingKey: '', headers: null };
    topology.bind(link);
    const conditions = checkHeaderConditions('headers', { delay: 'high' });
    topology.bind({ ...toTopic(3, ''), exchangeId: 8, headers: conditions });
    expect(await all()).toEqual([[1, 3], [1], [1]]);
    topology.removeExchange(8);
    expect(await all()).toEqual([[1], [1], [1]]);
  });
});
