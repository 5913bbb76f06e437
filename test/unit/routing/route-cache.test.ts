/** Which routes are remembered: an array that comes back is one that was. */
import { expect, test } from 'vitest';

import { Topology } from '../../../src/routing/topology.ts';

function topologyThatRemembers(routesCachedMax: number): Topology {
  const topology = new Topology({ routesCachedMax });
  topology.addExchange({ exchangeId: 1, type: 'topic', alternateId: null, isInternal: false });
  const target = { kind: 'topic', id: 7 } as const;
  topology.bind({ bindingId: 1, exchangeId: 1, target, routingKey: '#', headers: null });
  return topology;
}

function isRemembered(topology: Topology, key: string): boolean {
  return topology.route(1, key) === topology.route(1, key);
}

test('a key is remembered at once while there is room', () => {
  const topology = topologyThatRemembers(3);
  for (const key of ['a', 'b', 'c']) expect(isRemembered(topology, key)).toBe(true);
});

test('when there is none, a key comes in when it is seen twice, for that used longest ago', () => {
  const topology = topologyThatRemembers(2);
  const [a, b] = [topology.route(1, 'a'), topology.route(1, 'b')];
  const c = topology.route(1, 'c');
  expect(topology.route(1, 'a')).toBe(a);
  const again = topology.route(1, 'c');
  expect(again).not.toBe(c);
  expect(topology.route(1, 'c')).toBe(again);
  expect(topology.route(1, 'a')).toBe(a);
  expect(topology.route(1, 'b')).not.toBe(b);
});

test('keys that are seen once do not put out those that are in use', () => {
  const topology = topologyThatRemembers(64);
  const often = Array.from({ length: 64 }, (_, n) => topology.route(1, `often.${n}`));
  for (let n = 0; n < 10_000; n++) topology.route(1, `once.${n}`);
  for (const [n, topicIds] of often.entries()) {
    expect(topology.route(1, `often.${n}`)).toBe(topicIds);
  }
});

test('a part of a long text is remembered as itself', () => {
  const topology = topologyThatRemembers(8);
  const text = `${'x'.repeat(1000)}.früh.€.😀.${'y'.repeat(1000)}`;
  const once = topology.route(1, text.slice(990, 1020));
  expect(topology.route(1, text.slice(990, 1020))).toBe(once);
  expect(topology.route(1, Buffer.from(text.slice(990, 1020)).toString())).toBe(once);
  // No key, but not another one either.
  const half = topology.route(1, '\ud800');
  expect(topology.route(1, '\ufffd')).not.toBe(half);
});

test('it grows to its bound without forgetting a key or which was used longest ago', () => {
  const topology = topologyThatRemembers(2000);
  const known = new Map<string, readonly number[]>();
  for (let n = 0; n < 2000; n++) {
    known.set(`key.${n}`, topology.route(1, `key.${n}`));
    expect(topology.route(1, 'key.0')).toBe(known.get('key.0')); // Used all the time.
  }
  for (const [key, topicIds] of known) {
    if (key !== 'key.1') expect(topology.route(1, key)).toBe(topicIds);
  }
  expect(isRemembered(topology, 'new')).toBe(false);
  expect(isRemembered(topology, 'new')).toBe(true); // In the place of the key used longest ago.
  for (const [key, topicIds] of known) {
    if (key !== 'key.1') expect(topology.route(1, key)).toBe(topicIds);
  }
  expect(topology.route(1, 'key.1')).not.toBe(known.get('key.1'));
});
