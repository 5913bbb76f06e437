/** Which routes are remembered: an array that comes back is one that was. */
import { expect, test } from 'vitest';

import { RouteCache } from '../../../src/routing/route-cache.ts';

const NODE = {};

/** As a topology asks: what is not known is found again, and offered. */
function routesThatRemember(keysMax: number): (key: string) => readonly number[] {
  const cache = new RouteCache(keysMax);
  return (key) => {
    const known = cache.get(NODE, key);
    if (known !== null) return known;
    const found = [7];
    cache.offer(NODE, key, found);
    return found;
  };
}

type RouteOf = (key: string) => readonly number[];

function isRemembered(route: RouteOf, key: string): boolean {
  return route(key) === route(key);
}

test('a key is remembered at once while there is room', () => {
  const route = routesThatRemember(3);
  for (const key of ['a', 'b', 'c']) expect(isRemembered(route, key)).toBe(true);
});

test('when there is none, a key comes in when it is seen twice, for that used longest ago', () => {
  const route = routesThatRemember(2);
  const [a, b] = [route('a'), route('b')];
  const c = route('c');
  expect(route('a')).toBe(a);
  const again = route('c');
  expect(again).not.toBe(c);
  expect(route('c')).toBe(again);
  expect(route('a')).toBe(a);
  expect(route('b')).not.toBe(b);
});

test('keys that are seen once do not put out those that are in use', () => {
  const route = routesThatRemember(64);
  const often = Array.from({ length: 64 }, (_, n) => route(`often.${n}`));
  for (let n = 0; n < 10_000; n++) route(`once.${n}`);
  for (const [n, topicIds] of often.entries()) expect(route(`often.${n}`)).toBe(topicIds);
});

test('a part of a long text is remembered as itself', () => {
  const route = routesThatRemember(8);
  const text = `${'x'.repeat(1000)}.früh.€.😀.${'y'.repeat(1000)}`;
  const once = route(text.slice(990, 1020));
  expect(route(text.slice(990, 1020))).toBe(once);
  expect(route(Buffer.from(text.slice(990, 1020)).toString())).toBe(once);
  // No key, but not another one either.
  const half = route('\ud800');
  expect(route('\ufffd')).not.toBe(half);
});

test('it grows to its bound without forgetting a key or which was used longest ago', () => {
  const route = routesThatRemember(2000);
  const known = new Map<string, readonly number[]>();
  for (let n = 0; n < 2000; n++) {
    known.set(`key.${n}`, route(`key.${n}`));
    expect(route('key.0')).toBe(known.get('key.0')); // Used all the time.
  }
  for (const [key, topicIds] of known) {
    if (key !== 'key.1') expect(route(key)).toBe(topicIds);
  }
  expect(isRemembered(route, 'new')).toBe(false);
  expect(isRemembered(route, 'new')).toBe(true); // In the place of the key used longest ago.
  for (const [key, topicIds] of known) {
    if (key !== 'key.1') expect(route(key)).toBe(topicIds);
  }
  expect(route('key.1')).not.toBe(known.get('key.1'));
});

test('a route is of one exchange, also when many have the same key', () => {
  const cache = new RouteCache(8);
  const nodes = Array.from({ length: 3 }, () => ({}));
  const routes = nodes.map((_, at) => [at]);
  for (const [at, node] of nodes.entries()) {
    expect(cache.get(node, 'key')).toBeNull();
    cache.offer(node, 'key', routes[at] ?? []);
  }
  for (const [at, node] of nodes.entries()) expect(cache.get(node, 'key')).toBe(routes[at]);
});
