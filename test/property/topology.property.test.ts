/** A topology routes as its slow twin does, over graphs of any shape that change all the time. */
import { deepStrictEqual } from 'node:assert/strict';

import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { EXCHANGE_TYPES, type Target } from '../../src/routing/binding.ts';
import { explainRouteAll } from '../../src/routing/explain.ts';
import { checkHeaderConditions } from '../../src/routing/header-conditions.ts';
import { Topology } from '../../src/routing/topology.ts';
import { propertyOptions } from '../support/property.ts';
import { ReferenceTopology, type ReferenceBinding } from '../support/reference/graph-route.ts';

const EXCHANGES = 6;

const exchangeIds = fc.integer({ min: 1, max: EXCHANGES });
const targets: fc.Arbitrary<Target> = fc.oneof(
  fc.record({ kind: fc.constant('exchange' as const), id: exchangeIds }),
  // Also such as no array of numbers would find.
  fc.record({ kind: fc.constant('topic' as const), id: fc.constantFrom(1, 2, 3, 2 ** 52, 7) }),
);
const routingKeys = fc.constantFrom('', 'a', 'b', 'a.b', '#', 'a.#', '*', '*.b', '#.b');
const keys = fc.constantFrom('', 'a', 'b', 'a.b', 'c');
const conditions = fc.constantFrom(
  null,
  { h: '1' },
  { h: null },
  { 'x-match': 'any', h: '1', k: '2' },
  { 'x-match': 'any' },
);
const records = fc.constantFrom(null, '1', '2');

const additions = fc.record({
  kind: fc.constant('exchange' as const),
  id: exchangeIds,
  type: fc.constantFrom(...EXCHANGE_TYPES, 'fanout' as const, 'direct' as const),
  alternateId: fc.option(exchangeIds, { freq: 2 }),
});
const changes = fc.oneof(
  { weight: 1, arbitrary: additions },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('drop' as const), id: exchangeIds }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('alternate' as const),
      id: exchangeIds,
      alternateId: fc.option(exchangeIds, { freq: 6 }),
    }),
  },
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant('bind' as const),
      exchangeId: exchangeIds,
      target: targets,
      routingKey: routingKeys,
      headers: conditions,
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('unbind' as const), at: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('bindAgain' as const), at: fc.nat() }) },
);
const commands = fc.oneof(
  { weight: 1, arbitrary: changes },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('route' as const),
      id: exchangeIds,
      key: keys,
      further: fc.oneof(
        { weight: 1, arbitrary: fc.constant([]) },
        { weight: 2, arbitrary: fc.array(keys, { minLength: 1, maxLength: 4, size: 'max' }) },
      ),
      h: records,
    }),
  },
);

/** Begins with some exchanges, so that there is something to bind. */
const histories = fc
  .tuple(
    fc.array(additions, { minLength: 6, maxLength: 12 }),
    fc.array(commands, { minLength: 30, maxLength: 150, size: 'max' }),
  )
  .map(([first, rest]): Command[] => [...first, ...rest]);

type ValueOf<A> = A extends fc.Arbitrary<infer T> ? T : never;
type Command = ValueOf<typeof commands>;
type Change<K extends Command['kind']> = Extract<Command, { kind: K }>;

class Pair {
  // Few, so that routes are forgotten too.
  readonly #topology = new Topology({ routesCachedMax: 3 });
  readonly #twin = new ReferenceTopology();
  #bindings = 0;
  readonly seen = {
    routed: 0,
    nowhere: 0,
    several: 0,
    byFurtherKeys: 0,
    byHash: 0,
    throughExchanges: 0,
    byAlternate: 0,
    byAlternateWithin: 0,
    boundTwice: 0,
    unbound: 0,
    dropped: 0,
    furtherOn: 0,
  };

  run(command: Command): void {
    if (command.kind === 'exchange') this.#addExchange(command);
    else if (command.kind === 'route') this.#route(command);
    else if (command.kind === 'unbind') this.#unbind(command.at);
    else if (command.kind === 'bind') this.#bind(command);
    else if (command.kind === 'bindAgain') this.#bindAgain(command.at);
    else if (this.#has(command.id)) this.#alter(command);
  }

  #has(exchangeId: number): boolean {
    return this.#twin.exchanges.some(({ id }) => id === exchangeId);
  }

  #addExchange({ id, type, alternateId }: Change<'exchange'>): void {
    if (this.#has(id)) return;
    this.#topology.addExchange({ exchangeId: id, type, alternateId, isInternal: false });
    this.#twin.exchanges.push({ id, type, alternateId });
  }

  #alter(command: Change<'drop' | 'alternate'>): void {
    if (command.kind === 'drop') {
      const before = this.#twin.bindings.length;
      const gone = this.#topology.removeExchange(command.id);
      this.#twin.remove(command.id);
      expect(gone.length).toBe(before - this.#twin.bindings.length);
      this.seen.dropped += gone.length;
      return;
    }
    this.#topology.setAlternate(command.id, command.alternateId);
    for (const exchange of this.#twin.exchanges) {
      if (exchange.id === command.id) exchange.alternateId = command.alternateId;
    }
  }

  #bind(wanted: Omit<ReferenceBinding, 'bindingId'>): void {
    const { exchangeId, target, headers } = wanted;
    if (!this.#has(exchangeId) || (target.kind === 'exchange' && !this.#has(target.id))) return;
    const type = this.#topology.exchange(exchangeId)?.type;
    const isWeight = /^[1-9]/.test(wanted.routingKey);
    const weight = String(1 + wanted.routingKey.length);
    const routingKey = type === 'consistent-hash' && !isWeight ? weight : wanted.routingKey;
    const same = this.#twin.bindings.find(
      (other) =>
        JSON.stringify([other.exchangeId, other.target, other.routingKey, other.headers]) ===
        JSON.stringify([exchangeId, target, routingKey, headers]),
    );
    const bindingId = ++this.#bindings;
    const checked = headers === null ? null : checkHeaderConditions('headers', headers);
    const bound = this.#topology.bind({
      bindingId,
      exchangeId,
      target,
      routingKey,
      headers: checked,
    });
    expect(bound.bindingId).toBe(same?.bindingId ?? bindingId);
    if (same === undefined) {
      this.#twin.bindings.push({ bindingId, exchangeId, target, routingKey, headers });
    } else {
      this.seen.boundTwice++;
    }
  }

  #bindAgain(at: number): void {
    const same = this.#twin.bindings[at % this.#twin.bindings.length];
    if (same !== undefined) this.#bind(same);
  }

  #unbind(at: number): void {
    const taken = this.#twin.bindings[at % this.#twin.bindings.length];
    if (taken === undefined) return;
    expect(this.#topology.unbind(taken.bindingId)?.bindingId).toBe(taken.bindingId);
    expect(this.#topology.unbind(taken.bindingId)).toBeNull();
    this.#twin.bindings = this.#twin.bindings.filter((other) => other !== taken);
    this.seen.unbound++;
  }

  #route({ id, key, further, h }: Change<'route'>): void {
    if (!this.#has(id)) return;
    const headers = h === null ? null : new Map([['h', new Uint8Array(Buffer.from(h))]]);
    const alone = this.#twin.route(id, [key], headers);
    deepStrictEqual([...this.#topology.route(id, key, headers)], alone);
    const all = [key, ...further];
    const expected = this.#twin.route(id, all, headers);
    deepStrictEqual([...this.#topology.routeAll(id, all, headers)], expected);
    // Remembered or not, the second answer is the first.
    deepStrictEqual([...this.#topology.route(id, key, headers)], alone);
    this.#explain({ id, keys: all, headers, expected });
    this.seen.routed++;
    if (JSON.stringify(alone) !== JSON.stringify(expected)) this.seen.byFurtherKeys++;
    if (expected.length === 0) this.seen.nowhere++;
    if (expected.length > 1) this.seen.several++;
  }

  #explain({ id, keys: all, headers, expected }: Asked): void {
    const { topicIds, steps } = explainRouteAll(this.#topology, id, all, headers);
    deepStrictEqual([...topicIds], expected);
    for (const [at, { exchangeId, type, matches, alternateId }] of steps.entries()) {
      const matching = this.#twin.matching(exchangeId, all, headers);
      if (type === 'consistent-hash' && matching.length > 0) this.seen.byHash++;
      deepStrictEqual(
        matches.map(({ binding }) => binding.bindingId),
        matching.map(({ bindingId }) => bindingId),
      );
      if (at > 0) this.seen.throughExchanges++;
      if (at > 1) this.seen.furtherOn++;
      if (alternateId === null) continue;
      expect(matches).toEqual([]);
      if (at > 0) this.seen.byAlternateWithin++;
      else this.seen.byAlternate++;
    }
  }

  /** What is known of each exchange and topic. */
  check(): void {
    expect(this.#topology.bindingCount).toBe(this.#twin.bindings.length);
    const idsOf = (list: readonly { bindingId: number }[]) => list.map((each) => each.bindingId);
    for (const { id } of this.#twin.exchanges) {
      const from = this.#twin.bindings.filter(({ exchangeId }) => exchangeId === id);
      deepStrictEqual(idsOf(this.#topology.bindingsFrom(id)), idsOf(from));
      expect(this.#topology.bindingCountOf(id)).toBe(from.length);
      this.#checkTo({ kind: 'exchange', id });
    }
    for (const id of [1, 2, 3, 7, 2 ** 52]) this.#checkTo({ kind: 'topic', id });
  }

  #checkTo({ kind, id }: Target): void {
    const to = this.#twin.bindings.filter(({ target }) => target.kind === kind && target.id === id);
    const found = this.#topology.bindingsTo({ kind, id });
    deepStrictEqual(
      found.map(({ bindingId }) => bindingId),
      to.map(({ bindingId }) => bindingId),
    );
  }
}

interface Asked {
  readonly id: number;
  readonly keys: readonly string[];
  readonly headers: ReadonlyMap<string, Uint8Array> | null;
  readonly expected: readonly number[];
}

test('a topology routes where its slow twin does', () => {
  const seen: Record<string, number> = {};
  fc.assert(
    fc.property(histories, (history) => {
      const pair = new Pair();
      for (const command of history) pair.run(command);
      pair.check();
      for (const [name, count] of Object.entries(pair.seen)) {
        seen[name] = (seen[name] ?? 0) + count;
      }
    }),
    propertyOptions(),
  );
  expect(seen['routed']).toBeGreaterThan(1000);
  for (const [name, count] of Object.entries(seen)) expect(count, name).toBeGreaterThan(20);
});
