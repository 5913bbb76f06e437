/** Consistent-hash exchanges: who gets which keys, for ever; and how much moves when bindings change. */
import { createHash } from 'node:crypto';

import { describe, expect, test } from 'vitest';

import { AssertionError } from '../../../src/core/assert.ts';
import { randomBelow, SeededRandom } from '../../../src/core/random.ts';
import type { Binding, Target } from '../../../src/routing/binding.ts';
import { Dependence } from '../../../src/routing/exchange-node.ts';
import { explainRouteAll } from '../../../src/routing/explain.ts';
import { Topology } from '../../../src/routing/topology.ts';
import { hashChoice } from '../../support/reference/hash-choice.ts';

const EXCHANGE_ID = 1;

function bindingTo(target: Target, bindingId: number, weight: number): Binding {
  return { bindingId, exchangeId: EXCHANGE_ID, target, routingKey: String(weight), headers: null };
}

/** Topics with ids and weights, each bound once. */
function bindingsOf(weights: readonly number[], idOf = (at: number) => 100 + at): Binding[] {
  return weights.map((weight, at) => bindingTo({ kind: 'topic', id: idOf(at) }, 1 + at, weight));
}

function topologyOf(bindings: readonly Binding[], alternateId: number | null = null): Topology {
  const topology = new Topology();
  const type = 'consistent-hash';
  topology.addExchange({ exchangeId: EXCHANGE_ID, type, alternateId, isInternal: false });
  for (const binding of bindings) topology.bind(binding);
  return topology;
}

const keysOf = (count: number): string[] => Array.from({ length: count }, (_, at) => `key ${at}`);

/** Of each key the one topic that it goes to. */
function choicesOf(topology: Topology, keys: readonly string[]): number[] {
  return keys.map((key) => {
    const [topicId = 0, ...others] = topology.route(EXCHANGE_ID, key);
    if (topicId === 0 || others.length > 0) expect.fail(`${key} does not go to one topic`);
    return topicId;
  });
}

const KEYS = keysOf(20_000);

describe('which destination a key gets is written down for ever', () => {
  const odd = ['', '.', '\u0000', 'é', '€', '😀', 'a'.repeat(255), 'flight.AMS.LHR', 'a.b', 'b.a'];
  const keys = [...odd, ...keysOf(3990)];
  const digest = (choices: readonly number[]) =>
    createHash('sha256').update(choices.join()).digest('hex');

  test.each<[string, Binding[], string, string]>([
    [
      'three of one weight',
      bindingsOf([1, 1, 1]),
      '0 0 0 1 1 2 2 1 2 2 1 0 2 1 2 2',
      '30e42dea245f2081920fc8ef668d4d8383ed9f703506d2f3b5dc8ac7b133dbb6',
    ],
    [
      'five of several weights, and ids as a store draws them',
      bindingsOf([1, 2, 3, 30, 10], (at) => 2 ** 51 + at * 0x1_2345_6789),
      '3 3 3 3 0 3 3 3 3 3 3 3 3 3 3 4',
      '3fed66033770b5e8b045dc1d208e4b5c59927e1eb02d1bd5bdd640a641861ae5',
    ],
    [
      'a thousand',
      bindingsOf(Array.from({ length: 1000 }, (_, at) => 1 + (at % 7))),
      '233 349 958 508 323 641 52 907 383 441 209 853 816 53 103 832',
      '82f312372aa90dec8bdeb14e010eff8dc9123868549856a4c06c44b4e1073dbc',
    ],
  ])('%s', (_, bindings, first, all) => {
    const choices = choicesOf(topologyOf(bindings), keys);
    const ids = bindings.map(({ target }) => target.id);
    const positions = choices.slice(0, 16).map((topicId) => ids.indexOf(topicId));
    expect([positions.join(' '), digest(choices)]).toEqual([first, all]);
  });
});

describe('of all keys each destination gets its part', () => {
  test.each<[string, number[], number]>([
    ['two', [1, 1], 100],
    ['three', [1, 1, 1], 1],
    ['three of different weights', [1, 2, 3], 2],
    ['ten', [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 3],
    ['one that gets a hundredth', [1, 99], 4],
    ['the same at other sizes', [1000, 99_000], 4],
    ['a hundred', Array.from({ length: 100 }, (_, at) => 1 + (at % 3)), 5],
    ['a thousand', Array.from({ length: 1000 }, () => 1), 6],
  ])('%s', (_, weights, firstId) => {
    const counts = new Map<number, number>();
    const bindings = bindingsOf(weights, (at) => firstId * 1000 + at);
    for (const topicId of choicesOf(topologyOf(bindings), KEYS)) {
      counts.set(topicId, (counts.get(topicId) ?? 0) + 1);
    }
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    let chiSquare = 0;
    for (const [at, weight] of weights.entries()) {
      const expected = (KEYS.length * weight) / total;
      chiSquare += ((counts.get(firstId * 1000 + at) ?? 0) - expected) ** 2 / expected;
    }
    // Keys and ids are the same each time: four standard deviations are no matter of luck.
    const freedom = weights.length - 1;
    expect(chiSquare).toBeLessThan(freedom + 4 * Math.sqrt(2 * freedom));
  });

  test('whoever has the largest of a million weights beside the smallest', () => {
    const topology = topologyOf(bindingsOf([1, 1_000_000]));
    expect(choicesOf(topology, KEYS).filter((id) => id === 100).length).toBeLessThan(3);
  });
});

describe('when bindings change', () => {
  const weights = Array.from({ length: 30 }, (_, at) => 1 + (at % 4));
  const bindings = bindingsOf(weights);
  const total = weights.reduce((sum, weight) => sum + weight, 0);

  /** How many keys moved; each of them from or to one destination. */
  function movedAt(topicId: number, one: readonly number[], other: readonly number[]): number {
    const moved = one.flatMap((from, at) => (from === other[at] ? [] : [[from, other[at] ?? 0]]));
    expect(moved.filter((both) => !both.includes(topicId))).toEqual([]);
    return moved.length;
  }

  test.each([0, 3, 17, 29])('keys move only from or to what is bound or unbound: %i', (at) => {
    const topology = topologyOf(bindings);
    const before = choicesOf(topology, KEYS);
    const taken = bindings[at] as Binding;
    topology.unbind(taken.bindingId);
    const without = choicesOf(topology, KEYS);
    const part = (KEYS.length * (weights[at] ?? 0)) / total;
    const moved = movedAt(taken.target.id, before, without);
    expect(moved).toBe(before.filter((topicId) => topicId === taken.target.id).length);
    expect(Math.abs(moved - part)).toBeLessThan(5 * Math.sqrt(part));
    topology.bind({ ...taken, bindingId: 1000 });
    expect(choicesOf(topology, KEYS)).toEqual(before);
  });

  test('a larger weight only adds to what a destination gets, a smaller only takes away', () => {
    const before = choicesOf(topologyOf(bindings), KEYS);
    const larger = weights.with(5, 40);
    const after = choicesOf(topologyOf(bindingsOf(larger)), KEYS);
    expect(movedAt(105, before, after)).toBeGreaterThan(KEYS.length / 3);
    expect(before.every((topicId, at) => topicId !== 105 || after[at] === 105)).toBe(true);
  });

  function shuffled(random: SeededRandom, all: readonly Binding[]): Binding[] {
    const left = [...all];
    return all.flatMap(() => left.splice(randomBelow(random, left.length), 1));
  }

  test('what is there counts, not how it came there', () => {
    const expected = choicesOf(topologyOf(bindings), KEYS.slice(0, 2000));
    for (const seed of [1, 2, 3]) {
      const random = new SeededRandom(seed);
      const others = bindingsOf(weights, (at) => 500 + at).map((binding) => {
        return { ...binding, bindingId: 500 + binding.bindingId };
      });
      const topology = topologyOf(shuffled(random, [...bindings, ...others]));
      for (const { bindingId } of shuffled(random, others)) topology.unbind(bindingId);
      expect(choicesOf(topology, KEYS.slice(0, 2000))).toEqual(expected);
    }
  });
});

describe('a destination that is bound twice', () => {
  test('counts with its largest weight, whichever came first', () => {
    const other = bindingTo({ kind: 'topic', id: 7 }, 3, 5);
    const small = bindingTo({ kind: 'topic', id: 8 }, 1, 2);
    const large = bindingTo({ kind: 'topic', id: 8 }, 2, 9);
    const alone = choicesOf(topologyOf([other, large]), KEYS);
    expect(choicesOf(topologyOf([other, small, large]), KEYS)).toEqual(alone);
    const topology = topologyOf([large, small, other]);
    expect(choicesOf(topology, KEYS)).toEqual(alone);
    topology.unbind(large.bindingId);
    expect(choicesOf(topology, KEYS)).toEqual(choicesOf(topologyOf([small, other]), KEYS));
  });

  test('is matched by one of its bindings, of equal ones that with the lower id', () => {
    const target = { kind: 'topic', id: 7 } as const;
    const one = { ...bindingTo(target, 5, 1), headers: { match: 'all', conditions: [] } as const };
    const other = bindingTo(target, 4, 1);
    for (const both of [
      [one, other],
      [other, one],
    ]) {
      const matches = topologyOf(both).matchesOf(EXCHANGE_ID, 'a', null);
      expect(matches.map(({ bindingId }) => bindingId)).toEqual([4]);
    }
  });
});

test('topics and exchanges with one id are two destinations', () => {
  const topology = topologyOf([]);
  topology.addExchange({ exchangeId: 2, type: 'fanout', alternateId: null, isInternal: false });
  topology.bind(bindingTo({ kind: 'exchange', id: 2 }, 1, 1));
  topology.bind(bindingTo({ kind: 'topic', id: 2 }, 2, 1));
  topology.bind({ ...bindingTo({ kind: 'topic', id: 9 }, 3, 1), exchangeId: 2 });
  const byExchange = choicesOf(topology, KEYS).filter((topicId) => topicId === 9).length;
  expect(Math.abs(byExchange - KEYS.length / 2)).toBeLessThan(300);
});

test('the first of several keys decides; without bindings the alternate gets it', () => {
  const topology = topologyOf(bindingsOf([1, 1, 1, 1]), 5);
  for (const key of KEYS.slice(0, 200)) {
    const alone = topology.route(EXCHANGE_ID, key);
    expect(topology.routeAll(EXCHANGE_ID, [key, 'b', 'c', 'd'])).toEqual(alone);
    const { topicIds, steps } = explainRouteAll(topology, EXCHANGE_ID, [key, 'b', 'c']);
    expect(topicIds).toEqual(alone);
    expect(steps[0]?.matches).toMatchObject([
      {
        binding: { target: { id: alone[0] } },
        key,
        why: 'the routing key falls to it, of weight 1',
      },
    ]);
  }
  const alternate = topologyOf([], 5);
  alternate.addExchange({ exchangeId: 5, type: 'fanout', alternateId: null, isInternal: true });
  alternate.bind({ ...bindingTo({ kind: 'topic', id: 9 }, 3, 1), exchangeId: 5 });
  expect(alternate.route(EXCHANGE_ID, 'a')).toEqual([9]);
});

test('a route is remembered by its key, until bindings change', () => {
  const [taken, ...others] = bindingsOf([1, 1, 1]);
  const topology = topologyOf(others);
  expect(topology.dependenceOf(EXCHANGE_ID)).toBe(Dependence.key);
  const some = KEYS.slice(0, 300);
  const before = choicesOf(topology, some);
  expect(topology.route(EXCHANGE_ID, 'a')).toBe(topology.route(EXCHANGE_ID, 'a'));
  expect(choicesOf(topology, some)).toEqual(before);
  topology.bind(taken as Binding);
  expect(choicesOf(topology, some)).toEqual(choicesOf(topologyOf(bindingsOf([1, 1, 1])), some));
  topology.unbind(1);
  expect(choicesOf(topology, some)).toEqual(before);
});

test('a weight that was not checked is a bug', () => {
  for (const routingKey of ['', '0', '-1', 'a', '1000001']) {
    const binding = { ...bindingTo({ kind: 'topic', id: 1 }, 1, 1), routingKey };
    expect(() => topologyOf([binding])).toThrow(AssertionError);
  }
});

test.each([1, 2, 3])('its slow twin chooses the same: seed %i', (seed) => {
  const random = new SeededRandom(seed);
  const draw = (below: number) => randomBelow(random, below);
  for (let round = 0; round < 40; round++) {
    const bindings = Array.from({ length: 1 + draw(20) }, (_, at) => {
      const id = draw(2) === 0 ? draw(2 ** 31) * 2 ** 21 : draw(4);
      const weight = draw(2) === 0 ? 1 + draw(3) : 1 + draw(1_000_000);
      return bindingTo({ kind: 'topic', id }, 1 + at, weight);
    });
    const topology = topologyOf(bindings);
    const bound = topology.bindingsFrom(EXCHANGE_ID);
    for (let n = 0; n < 100; n++) {
      const key = `${String.fromCodePoint(0x40 + draw(0x500))}.${draw(1e9)}`;
      const [match] = topology.matchesOf(EXCHANGE_ID, key, null);
      expect(match).toBe(hashChoice(bound, key));
    }
  }
});
