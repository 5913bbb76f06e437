/** The graph: what is one binding, where records go, and what is said about it. */
import { describe, expect, test } from 'vitest';

import { AssertionError } from '../../../src/core/assert.ts';
import type { BindingIdentity, ExchangeType } from '../../../src/routing/binding.ts';
import { Dependence } from '../../../src/routing/exchange-node.ts';
import { explainRoute, explainRouteAll } from '../../../src/routing/explain.ts';
import { checkHeaderConditions } from '../../../src/routing/header-conditions.ts';
import { Topology } from '../../../src/routing/topology.ts';

/** A topology that is built by short lines. */
class Built {
  readonly topology = new Topology();
  #bindings = 0;

  exchange(exchangeId: number, type: ExchangeType, alternateId: number | null = null): this {
    this.topology.addExchange({ exchangeId, type, alternateId, isInternal: false });
    return this;
  }

  toTopic(exchangeId: number, id: number, routingKey = ''): this {
    return this.#bind({ exchangeId, target: { kind: 'topic', id }, routingKey, headers: null });
  }

  toExchange(exchangeId: number, id: number, routingKey = ''): this {
    return this.#bind({ exchangeId, target: { kind: 'exchange', id }, routingKey, headers: null });
  }

  #bind(identity: BindingIdentity): this {
    this.topology.bind({ bindingId: ++this.#bindings, ...identity });
    return this;
  }
}

describe('a record', () => {
  test('goes to each topic once, in the order of their ids', () => {
    const { topology } = new Built()
      .exchange(1, 'topic')
      .toTopic(1, 300, 'a.*')
      .toTopic(1, 20, '#')
      .toTopic(1, 1000, 'a.#')
      .toTopic(1, 300, '#')
      .toTopic(1, 4, 'b');
    expect(topology.route(1, 'a.b')).toEqual([20, 300, 1000]);
  });

  test('goes through exchanges, each by its own type, with the same key', () => {
    const { topology } = new Built()
      .exchange(1, 'direct')
      .exchange(2, 'topic')
      .exchange(3, 'fanout')
      .toExchange(1, 2, 'a.b')
      .toExchange(2, 3, '*.b')
      .toTopic(3, 30, 'not looked at')
      .toTopic(2, 20, 'a.c');
    expect(topology.route(1, 'a.b')).toEqual([30]);
    expect(topology.route(1, 'a.c')).toEqual([]);
    expect(topology.route(2, 'a.c')).toEqual([20]);
  });

  test('does not run in circles', () => {
    const { topology } = new Built()
      .exchange(1, 'fanout')
      .exchange(2, 'fanout')
      .toExchange(1, 2)
      .toExchange(2, 1)
      .toExchange(1, 1)
      .toTopic(2, 7);
    expect(topology.route(1, 'k')).toEqual([7]);
    expect(topology.route(2, 'k')).toEqual([7]);
  });
});

describe('an alternate', () => {
  test('gets what nothing matched, and has alternates itself', () => {
    const { topology } = new Built()
      .exchange(1, 'direct', 2)
      .exchange(2, 'direct', 3)
      .exchange(3, 'fanout')
      .toTopic(1, 10, 'a')
      .toTopic(2, 20, 'b')
      .toTopic(3, 30);
    expect(topology.route(1, 'a')).toEqual([10]);
    expect(topology.route(1, 'b')).toEqual([20]);
    expect(topology.route(1, 'c')).toEqual([30]);
  });

  test('is not asked when a binding led to an exchange that did nothing with it', () => {
    const { topology } = new Built()
      .exchange(1, 'fanout', 3)
      .exchange(2, 'direct')
      .exchange(3, 'fanout')
      .toExchange(1, 2)
      .toTopic(3, 30);
    expect(topology.route(1, 'a')).toEqual([]);
  });

  test('of an exchange on the way gets what nothing matched there', () => {
    const { topology } = new Built()
      .exchange(1, 'fanout')
      .exchange(2, 'direct', 3)
      .exchange(3, 'fanout')
      .toExchange(1, 2)
      .toTopic(1, 10)
      .toTopic(2, 20, 'b')
      .toTopic(3, 30);
    expect(topology.route(1, 'a')).toEqual([10, 30]);
    expect(topology.route(1, 'b')).toEqual([10, 20]);
  });

  test('may be in a circle of alternates, or not be there', () => {
    const { topology } = new Built().exchange(1, 'direct', 2).exchange(2, 'direct', 1);
    expect(topology.route(1, 'a')).toEqual([]);
    topology.setAlternate(2, 99);
    expect(topology.route(1, 'a')).toEqual([]);
    topology.addExchange({ exchangeId: 99, type: 'fanout', alternateId: null, isInternal: true });
    topology.bind({
      bindingId: 1,
      exchangeId: 99,
      target: { kind: 'topic', id: 5 },
      routingKey: '',
      headers: null,
    });
    expect(topology.route(1, 'a')).toEqual([5]);
    topology.removeExchange(99);
    expect(topology.route(1, 'a')).toEqual([]);
  });
});

describe('a record with several keys', () => {
  test('goes where any of them leads, to each topic once, ascending', () => {
    const { topology } = new Built()
      .exchange(1, 'topic')
      .exchange(2, 'direct')
      .toTopic(1, 300, 'a.*')
      .toTopic(1, 20, 'b')
      .toTopic(1, 5, '#')
      .toExchange(1, 2, 'c')
      .toTopic(2, 40, 'b')
      .toTopic(2, 41, 'z');
    expect(topology.routeAll(1, ['a.x'])).toEqual([5, 300]);
    expect(topology.routeAll(1, ['a.x', 'b'])).toEqual([5, 20, 300]);
    expect(topology.routeAll(1, ['b', 'b', 'c'])).toEqual([5, 20, 40]);
    expect(topology.routeAll(2, ['x', 'y'])).toEqual([]);
    // What one key alone leads to is remembered, and nothing else.
    expect(topology.routeAll(1, ['a.x'])).toBe(topology.route(1, 'a.x'));
    expect(topology.route(1, 'b')).toEqual([5, 20]);
  });

  test('goes to the alternate of an exchange when none of them matches there', () => {
    const { topology } = new Built()
      .exchange(1, 'direct', 3)
      .exchange(2, 'direct', 3)
      .exchange(3, 'fanout')
      .toTopic(1, 10, 'a')
      .toExchange(1, 2, 'b')
      .toTopic(2, 20, 'c')
      .toTopic(3, 30);
    expect(topology.routeAll(1, ['x', 'a'])).toEqual([10]);
    expect(topology.routeAll(1, ['x', 'y'])).toEqual([30]);
    expect(topology.routeAll(1, ['a', 'b'])).toEqual([10, 30]);
    expect(topology.routeAll(1, ['a', 'b', 'c'])).toEqual([10, 20]);
  });

  test('needs one', () => {
    const { topology } = new Built().exchange(1, 'direct');
    expect(() => topology.routeAll(1, [])).toThrow(AssertionError);
  });

  test('has its route explained by the first key that each binding matches', () => {
    const { topology } = new Built()
      .exchange(1, 'topic')
      .exchange(2, 'fanout')
      .toTopic(1, 10, '*.b')
      .toTopic(1, 11, 'never')
      .toExchange(1, 2, '#.c')
      .toTopic(2, 20);
    const { topicIds, steps } = explainRouteAll(topology, 1, ['x.c', 'a.b', 'y.b']);
    expect(topicIds).toEqual([10, 20]);
    const told = steps.map(({ matches }) =>
      matches.map(({ binding, key, why }) => [binding.bindingId, key, why]),
    );
    expect(told).toEqual([
      [
        [1, 'a.b', 'the pattern matches: `*` is a'],
        [3, 'x.c', 'the pattern matches: `#` is x'],
      ],
      [[4, 'x.c', 'a fanout exchange sends everything to all of its bindings']],
    ]);
  });
});

describe('a binding', () => {
  const target = { kind: 'topic', id: 7 } as const;
  const first = { bindingId: 1, exchangeId: 1, target, routingKey: 'a', headers: null };

  test('is one, however often it is made', () => {
    const { topology } = new Built().exchange(1, 'headers');
    const conditions = { b: '2', a: '1' };
    const headers = checkHeaderConditions('headers', conditions);
    const sorted = checkHeaderConditions('headers', { a: '1', 'x-match': 'all', b: '2' });
    expect(topology.bind({ ...first, headers })).toMatchObject({ bindingId: 1 });
    expect(topology.bind({ ...first, bindingId: 2, headers: sorted }).bindingId).toBe(1);
    expect(topology.find({ ...first, headers: sorted })?.bindingId).toBe(1);
    expect(topology.find(first)).toBeNull();
    const others = [
      { ...first, headers: null },
      { ...first, headers, routingKey: 'b' },
      { ...first, headers, target: { kind: 'topic', id: 8 } as const },
      { ...first, headers: checkHeaderConditions('headers', { ...conditions, 'x-match': 'any' }) },
      { ...first, headers: checkHeaderConditions('headers', { ...conditions, 'x-c': null }) },
      { ...first, headers: checkHeaderConditions('headers', { a: '1', b: null }) },
      { ...first, headers: checkHeaderConditions('headers', { a: '1', b: 'null' }) },
      { ...first, headers: null, routingKey: '["all"] a' },
      { ...first, headers: checkHeaderConditions('headers', {}) },
    ];
    for (const [at, other] of others.entries()) {
      expect(topology.bind({ ...other, bindingId: 10 + at }).bindingId).toBe(10 + at);
    }
    expect(topology.bindingCount).toBe(1 + others.length);
    expect(topology.bindingsTo(target)).toHaveLength(others.length);
  });

  test('is gone when it was unbound, and may come again', () => {
    const { topology } = new Built().exchange(1, 'direct');
    topology.bind(first);
    expect(topology.route(1, 'a')).toEqual([7]);
    expect(topology.unbind(1)).toEqual(first);
    expect(topology.unbind(1)).toBeNull();
    expect(topology.binding(1)).toBeNull();
    expect(topology.route(1, 'a')).toEqual([]);
    topology.bind({ ...first, bindingId: 2 });
    expect(topology.binding(2)).toMatchObject({ routingKey: 'a' });
    expect(topology.route(1, 'a')).toEqual([7]);
  });

  test('goes with either of its ends', () => {
    const { topology } = new Built()
      .exchange(1, 'fanout')
      .exchange(2, 'fanout')
      .toExchange(1, 2)
      .toExchange(2, 1)
      .toExchange(2, 2)
      .toTopic(2, 20)
      .toTopic(1, 10);
    const gone = topology.removeExchange(2);
    expect(gone.map(({ bindingId }) => bindingId)).toEqual([1, 2, 3, 4]);
    expect(topology.bindingsFrom(1).map(({ bindingId }) => bindingId)).toEqual([5]);
    expect(topology.bindingCountOf(1)).toBe(1);
    expect(topology.exchange(2)).toBeNull();
    expect(topology.exchanges().map(({ exchangeId }) => exchangeId)).toEqual([1]);
    expect(topology.route(1, '')).toEqual([10]);
  });

  test('needs exchanges that are there, and an id of its own', () => {
    const { topology } = new Built().exchange(1, 'direct');
    topology.bind(first);
    const nowhere = { kind: 'exchange', id: 9 } as const;
    expect(() => topology.bind({ ...first, bindingId: 2, exchangeId: 9 })).toThrow(AssertionError);
    expect(() => topology.bind({ ...first, bindingId: 2, target: nowhere })).toThrow(
      AssertionError,
    );
    expect(() => topology.bind({ ...first, routingKey: 'b' })).toThrow(AssertionError);
    expect(() => topology.route(9, 'a')).toThrow(AssertionError);
    expect(topology.bindingCount).toBe(1);
    expect(topology.bindingsTo(first.target)).toEqual([first]);
  });
});

describe('a route that is remembered', () => {
  test('is the array of all keys that go there, and another one when something changes', () => {
    const built = new Built().exchange(1, 'topic').toTopic(1, 5, '#');
    const { topology } = built;
    const once = topology.route(1, 'a');
    for (const key of ['a', 'b']) expect(topology.route(1, key)).toBe(once);
    expect(topology.routeAll(1, ['a', 'b'])).toBe(once);
    built.toTopic(1, 6, 'a');
    expect(topology.route(1, 'a')).toEqual([5, 6]);
    expect(topology.route(1, 'b')).toBe(once);
  });

  test('is of one exchange, also when many have the same key', () => {
    const built = new Built();
    for (let id = 1; id <= 9; id++) built.exchange(id, 'direct').toTopic(id, 10 * id, 'a');
    for (let round = 0; round < 3; round++) {
      for (let id = 1; id <= 9; id++) expect(built.topology.route(id, 'a')).toEqual([10 * id]);
    }
  });

  test('does not depend on the key where only fanout exchanges are reached', () => {
    const { topology } = new Built()
      .exchange(1, 'fanout')
      .exchange(2, 'fanout')
      .toExchange(1, 2)
      .toTopic(2, 5);
    expect(topology.dependenceOf(1)).toBe(Dependence.nothing);
    expect(topology.route(1, 'a')).toBe(topology.route(1, 'b'));
  });

  test('is not remembered where a headers exchange can be reached, also as an alternate', () => {
    const { topology } = new Built()
      .exchange(1, 'fanout')
      .exchange(2, 'direct', 3)
      .exchange(3, 'headers')
      .toExchange(1, 2);
    expect([1, 2, 3].map((id) => topology.dependenceOf(id))).toEqual([2, 2, 2]);
    const headers = checkHeaderConditions('headers', { a: '1' });
    const target = { kind: 'topic', id: 30 } as const;
    topology.bind({ bindingId: 9, exchangeId: 3, target, routingKey: '', headers });
    const one = new Map([['a', new Uint8Array([0x31])]]);
    expect(topology.route(1, 'k', one)).toEqual([30]);
    expect(topology.route(1, 'k', null)).toEqual([]);
    expect(topology.route(1, 'k')).toEqual([]);
    topology.setAlternate(2, null);
    expect(topology.dependenceOf(1)).toBe(Dependence.key);
  });
});

test('a route is explained: what matched, why, and who sent it there', () => {
  const { topology } = new Built()
    .exchange(1, 'topic')
    .exchange(2, 'direct', 3)
    .exchange(3, 'headers')
    .exchange(4, 'fanout')
    .toTopic(1, 10, 'flight.*.#')
    .toExchange(1, 2, '#.LHR')
    .toTopic(2, 20, 'another')
    .toExchange(3, 4)
    .toTopic(4, 40)
    .toTopic(1, 11, 'train.#');
  const key = 'flight.AMS.LHR';
  const { topicIds, steps } = explainRoute(topology, 1, key);
  expect(topicIds).toEqual([10, 40]);
  expect(topicIds).toEqual(topology.route(1, key));
  const told = steps.map(({ matches, ...step }) => ({
    ...step,
    matches: matches.map(({ binding, why }) => `${binding.bindingId}: ${why}`),
  }));
  expect(told).toEqual([
    {
      exchangeId: 1,
      type: 'topic',
      from: null,
      isAlternate: false,
      matches: [
        '1: the pattern matches: `*` is AMS, `#` is LHR',
        '2: the pattern matches: `#` is flight.AMS',
      ],
      alternateId: null,
    },
    { exchangeId: 2, type: 'direct', from: 1, isAlternate: false, matches: [], alternateId: 3 },
    {
      exchangeId: 3,
      type: 'headers',
      from: 2,
      isAlternate: true,
      matches: ['4: it has no condition, so it takes everything'],
      alternateId: null,
    },
    {
      exchangeId: 4,
      type: 'fanout',
      from: 3,
      isAlternate: false,
      matches: ['5: a fanout exchange sends everything to all of its bindings'],
      alternateId: null,
    },
  ]);
});

test.each([
  ['a.b', 'a.b', 'the pattern matches'],
  ['#', '', 'the pattern matches: `#` is nothing'],
  ['*.#.*', 'a..b', 'the pattern matches: `*` is a, `#` is (empty), `*` is b'],
  ['#.a.#.#', 'a.a', 'the pattern matches: `#` is nothing, `#` is nothing, `#` is a'],
])('the pattern %j matches %j: %s', (pattern, key, why) => {
  const { topology } = new Built().exchange(1, 'topic').toTopic(1, 10, pattern);
  expect(explainRoute(topology, 1, key).steps[0]?.matches[0]?.why).toBe(why);
});

test('headers are explained by their names', () => {
  const { topology } = new Built().exchange(1, 'headers');
  const target = { kind: 'topic', id: 7 } as const;
  const binding = { exchangeId: 1, target, routingKey: '' };
  const all = checkHeaderConditions('headers', { b: '1', a: null, 'x-c': '1' });
  const any = checkHeaderConditions('headers', { b: '1', c: '2', 'x-match': 'any' });
  topology.bind({ ...binding, bindingId: 1, headers: all });
  topology.bind({ ...binding, bindingId: 2, headers: any });
  const one = new Uint8Array([0x31]);
  const headers = new Map([
    ['a', one],
    ['b', one],
  ]);
  const { topicIds, steps } = explainRoute(topology, 1, '', headers);
  expect(topicIds).toEqual([7]);
  expect(steps[0]?.matches.map(({ why }) => why)).toEqual([
    'each of its conditions is met: a, b',
    'at least one of its conditions is met: b, c',
  ]);
});
