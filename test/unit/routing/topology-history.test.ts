import { describe, expect, test } from 'vitest';

import { AssertionError, present } from '../../../src/core/assert.ts';
import { EntryRegistry, type EntryType } from '../../../src/journal/entry-type.ts';
import { Fold } from '../../../src/journal/fold.ts';
import { destinations } from '../../../src/routing/destination-state.ts';
import {
  bindingAdded,
  bindingRemoved,
  destinationSized,
  exchangeAltered,
  exchangeCreated,
  exchangeDeleted,
  ROUTING_ENTRY_TYPES,
  topologyPruned,
} from '../../../src/routing/exchange-entries.ts';
import { exchanges, topologyVersion } from '../../../src/routing/exchange-state.ts';
import { pruningOf } from '../../../src/routing/pruning.ts';
import {
  historyOf,
  TopologyHistory,
  VersionedTopology,
  type TopologyChange,
} from '../../../src/routing/topology-history.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import { ReferenceTopology } from '../../support/reference/graph-route.ts';

const KEYS = ['a', 'a.b', 'b', ''];
const PATTERNS = ['a', '#', 'a.*', 'b', '*'];
const WEIGHTS = ['1', '2', '7'];
const CHANGES = 120;

/** Changes by chance: the journal's fold, and what each version routed when it was the last. */
class Past {
  readonly fold = new Fold([exchanges, topologyVersion, destinations]);
  /** By version: what each exchange sent where, by key. */
  readonly routes: string[] = [];
  readonly #registry = new EntryRegistry(ROUTING_ENTRY_TYPES);
  readonly #reference = new ReferenceTopology();
  /** By topic id, of those that were bound once. */
  readonly #partitionCounts = new Map<number, number>();
  readonly #random: SeededRandom;
  #offset = 0;
  #version = 0;
  #nextId = 100;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    this.routes.push(this.#routes());
    while (this.#version < CHANGES) this.#change();
  }

  tell<E>(type: EntryType<E>, entry: E): void {
    const misfit = this.fold.apply(
      this.#registry.decode(this.#registry.encode(type, entry)),
      this.#offset++,
    );
    expect(misfit).toBeNull();
  }

  #change(): void {
    const version = this.#version + 1;
    const changed = this.#changeTo({ version, timeMs: version });
    if (!changed) return;
    this.#version = version;
    this.routes.push(this.#routes());
  }

  /** One change, by whatever entries it takes. */
  #changeTo(at: { readonly version: number; readonly timeMs: number }): boolean {
    const { exchanges: there, bindings } = this.#reference;
    const chance = this.#random.next();
    const exchange = this.#pick(there);
    if (exchange === undefined || (chance < 0.1 && there.length < 4)) {
      const id = this.#nextId++;
      const alternateId = this.#pick(there)?.id ?? null;
      const type = this.#pick(['topic', 'fanout', 'direct', 'consistent-hash'] as const) ?? 'topic';
      const what = { name: `${id}`, topicId: id, isInternal: false, isAutoDelete: false };
      this.tell(exchangeCreated, { ...at, exchangeId: id, type, ...what, alternateId });
      there.push({ id, type, alternateId });
    } else if (chance < 0.15) {
      for (const { exchangeId, bindingId, target } of bindings) {
        if (target.kind !== 'exchange' || target.id !== exchange.id) continue;
        this.tell(bindingRemoved, { ...at, exchangeId, bindingId });
      }
      this.tell(exchangeDeleted, { ...at, exchangeId: exchange.id });
      this.#reference.remove(exchange.id);
    } else if (chance < 0.25) {
      const alternateId = this.#pick([...there.map(({ id }) => id), null]) ?? null;
      this.tell(exchangeAltered, { ...at, exchangeId: exchange.id, alternateId });
      exchange.alternateId = alternateId;
    } else if (chance < 0.65) return this.#bind(exchange.id, at);
    else if (chance < 0.75) {
      const [topicId, partitionCount] = this.#pick([...this.#partitionCounts]) ?? [];
      if (topicId === undefined || partitionCount === undefined) return false;
      this.#size(topicId, partitionCount + 1, at.version);
    } else {
      const binding = this.#pick(bindings);
      if (binding === undefined) return false;
      const { exchangeId, bindingId } = binding;
      this.tell(bindingRemoved, { ...at, exchangeId, bindingId });
      bindings.splice(bindings.indexOf(binding), 1);
    }
    return true;
  }

  #bind(exchangeId: number, at: { readonly version: number; readonly timeMs: number }): boolean {
    const { exchanges: there, bindings } = this.#reference;
    const isTopic = this.#random.next() < 0.6;
    const id = isTopic ? 1 + Math.floor(this.#random.next() * 5) : (this.#pick(there)?.id ?? 0);
    const target = { kind: isTopic ? ('topic' as const) : ('exchange' as const), id };
    const isWeighted = there.find((one) => one.id === exchangeId)?.type === 'consistent-hash';
    const routingKey = this.#pick(isWeighted ? WEIGHTS : PATTERNS) ?? '';
    const same = bindings.some(
      (one) =>
        one.exchangeId === exchangeId &&
        one.routingKey === routingKey &&
        one.target.kind === target.kind &&
        one.target.id === id,
    );
    if (same) return false;
    if (isTopic && !this.#partitionCounts.has(id)) this.#size(id, 1, at.version);
    const bindingId = this.#nextId++;
    const binding = { exchangeId, bindingId, target, routingKey, headers: null };
    this.tell(bindingAdded, { ...at, ...binding });
    bindings.push(binding);
    return true;
  }

  #size(topicId: number, partitionCount: number, version: number): void {
    this.tell(destinationSized, { topicId, partitionCount, version, timeMs: version });
    this.#partitionCounts.set(topicId, partitionCount);
  }

  #pick<T>(from: readonly T[]): T | undefined {
    return from[Math.floor(this.#random.next() * from.length)];
  }

  #routes(): string {
    const { exchanges: there } = this.#reference;
    return textOf(
      there.map(({ id }) => id),
      (id, key) => this.#reference.route(id, [key], null),
      (id) => this.#partitionCounts.get(id) ?? null,
    );
  }
}

function textOf(
  ids: readonly number[],
  route: (exchangeId: number, key: string) => readonly number[],
  partitionCount: (topicId: number) => number | null,
): string {
  const sorted = ids.toSorted((one, two) => one - two);
  const placed = (id: number, key: string): string =>
    route(id, key)
      .map((topicId) => `${topicId} of ${partitionCount(topicId)}`)
      .join();
  return sorted.flatMap((id) => KEYS.map((key) => `${id} ${key}: ${placed(id, key)}`)).join('\n');
}

function routesOf(versioned: VersionedTopology): string {
  const { topology } = versioned;
  const ids = topology.exchanges().map(({ exchangeId }) => exchangeId);
  return textOf(
    ids,
    (id, key) => topology.route(id, key),
    (id) => versioned.partitionCount(id),
  );
}

function prune(past: Past, belowVersion: number): TopologyChange[] {
  const pruning = present(pruningOf(past.fold, belowVersion), 'there is something to forget');
  past.tell(topologyPruned, pruning);
  return historyOf(past.fold);
}

describe('the topology of each version', () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])('routes as it did when it was the last: seed %i', (seed) => {
    const { fold, routes } = new Past(seed);
    expect(new Set(routes).size).toBeGreaterThan(CHANGES / 4);
    const walked = new VersionedTopology(new TopologyHistory(historyOf(fold)));
    for (let version = 1; version <= CHANGES; version++) {
      walked.advanceTo(version);
      expect(routesOf(walked)).toBe(routes[version]);
    }
    for (const version of [1, 30, 77, CHANGES]) {
      const begun = new VersionedTopology(new TopologyHistory(historyOf(fold)));
      begun.advanceTo(version);
      expect(routesOf(begun)).toBe(routes[version]);
    }
  });

  test('is the same when what no later version needs is pruned', () => {
    const past = new Past(9);
    const whole = historyOf(past.fold).length;
    const history = prune(past, 80);
    expect(history.length).toBeLessThan(whole);
    expect(pruningOf(past.fold, 80)).toBeNull();
    const walked = new VersionedTopology(new TopologyHistory(history));
    for (let version = 80; version <= CHANGES; version++) {
      walked.advanceTo(version);
      expect(routesOf(walked)).toBe(past.routes[version]);
    }
  });

  test.each([11, 12, 13, 14])('goes on where it stands when its past is pruned: %i', (seed) => {
    const past = new Past(seed);
    const history = new TopologyHistory(historyOf(past.fold));
    const stands = [0, 20, 59, 60, 61, 80, CHANGES].map((version) => {
      const walked = new VersionedTopology(history);
      walked.advanceTo(version);
      return walked;
    });
    const before = stands.map(({ topology }) => topology);
    for (const belowVersion of [30, 60]) history.prune(prune(past, belowVersion), belowVersion);
    stands.push(new VersionedTopology(history));
    for (const [at, walked] of stands.entries()) {
      const from = Math.max(walked.version, 60);
      for (let version = from; version <= CHANGES; version++) {
        walked.advanceTo(version);
        expect(routesOf(walked), `stood at place ${at}, now ${version}`).toBe(past.routes[version]);
      }
    }
    // Only those that stood below began anew.
    const isSame = before.map((topology, at) => stands[at]?.topology === topology);
    expect(isSame).toEqual([false, false, false, true, true, true, true]);
    const late = new VersionedTopology(history);
    expect(() => late.advanceTo(59)).toThrow(AssertionError);
  });

  test('goes on with what is added to its history, and never back', () => {
    const { fold, routes } = new Past(10);
    const all = historyOf(fold);
    const history = new TopologyHistory(all.filter(({ version }) => version <= 40));
    const walked = new VersionedTopology(history);
    walked.advanceTo(40);
    history.add(all.slice(history.changes.length));
    walked.advanceTo(90);
    expect(walked.version).toBe(90);
    expect(routesOf(walked)).toBe(routes[90]);
    expect(() => walked.advanceTo(89)).toThrow(AssertionError);
  });
});
