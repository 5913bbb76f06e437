/** Which routing keys a pattern matches, after RabbitMQ's documentation and its trie. */
import { describe, expect, test } from 'vitest';

import { BindingLists } from '../../../src/routing/binding-lists.ts';
import { MatchList } from '../../../src/routing/match-list.ts';
import { TopicRouter } from '../../../src/routing/topic-router.ts';

function bindingOf(routingKey: string) {
  const target = { kind: 'topic', id: 1 } as const;
  return { bindingId: 1, exchangeId: 1, target, routingKey, headers: null };
}

function routerOf(patterns: readonly string[]): TopicRouter {
  const router = new TopicRouter(new BindingLists());
  for (const [slot, pattern] of patterns.entries()) router.add(slot, bindingOf(pattern));
  return router;
}

function matchesOf(router: TopicRouter, key: string): number[] {
  const matches = new MatchList();
  router.match(key, null, matches);
  return [...matches.slots.subarray(0, matches.count)].sort((a, b) => a - b);
}

describe('a pattern', () => {
  test.each([
    // From the tutorial: two patterns, and what they are for.
    ['*.orange.*', ['quick.orange.rabbit', 'lazy.orange.elephant', 'quick.orange.fox'], true],
    ['*.orange.*', ['lazy.brown.fox', 'orange', 'quick.orange.new.rabbit'], false],
    ['*.*.rabbit', ['quick.orange.rabbit', 'lazy.pink.rabbit'], true],
    ['lazy.#', ['lazy.orange.new.rabbit', 'lazy.brown.fox', 'lazy'], true],
    ['lazy.#', ['lazyness', 'quick.lazy.fox', ''], false],
    // `*` is exactly one word, which may be empty; `#` is any number of them.
    ['a.b.*', ['a.b.c', 'a.b.', 'a.b.*'], true],
    ['a.b.*', ['a.b', 'a.b.c.d', 'a.c.b'], false],
    ['a.#', ['a', 'a.', 'a.b', 'a.b.c', 'a..'], true],
    ['a.#', ['b', 'ab', '', '.a'], false],
    ['#', ['', 'a', '.', 'a.b.c', '#', '*'], true],
    ['*', ['a', '*', '#', 'a*'], true],
    ['*', ['', '.', 'a.b'], false],
    ['#.#', ['', 'a', 'a.b', '..'], true],
    ['#.*', ['a', 'a.b', '.'], true],
    ['#.*', [''], false],
    ['*.#.b', ['a.b', 'a.x.b', 'a.x.y.b', 'b.b', '.b'], true],
    ['*.#.b', ['b', 'a.b.c', ''], false],
    ['#.a.#', ['a', 'x.a', 'a.x', 'x.a.x', 'a.a'], true],
    ['#.a.#', ['', 'b', 'ab', 'x.y'], false],
    ['#.a.#.b.#', ['a.b', 'x.a.y.b.z', 'a.b.a.b', 'b.a.b'], true],
    ['#.a.#.b.#', ['b.a', 'a', 'b', ''], false],
    // No word at all, and empty words.
    ['', [''], true],
    ['', ['.', 'a'], false],
    ['.', ['.'], true],
    ['.', ['', '..', 'a.'], false],
    ['a..b', ['a..b'], true],
    ['a..b', ['a.b', 'a.x.b'], false],
    ['a.*.b', ['a..b', 'a.x.b'], true],
    ['a.#.b', ['a.b', 'a..b'], true],
    ['..', ['..'], true],
    ['*.*', ['.', 'a.', '.a'], true],
    // Wildcards are whole words; in a longer one they are characters.
    ['a*.b', ['a*.b'], true],
    ['a*.b', ['ab.b', 'a.b', 'a.x.b'], false],
    ['a#', ['a#'], true],
    ['a#', ['a', 'ab', 'a.b'], false],
    ['**', ['**'], true],
    ['**', ['a', 'a.b', '*'], false],
    // In a key they are no wildcards.
    ['a.b', ['a.*', 'a.#', '*.b', '#'], false],
    // Text, not bytes, and no case is folded.
    ['früh.*', ['früh.spät', 'früh.€', 'früh.😀'], true],
    ['früh.*', ['fruh.x', 'FRÜH.x'], false],
  ])('%j and %j: %s', (pattern, keys, isMatch) => {
    const router = routerOf([pattern]);
    for (const key of keys) expect(matchesOf(router, key), key).toEqual(isMatch ? [0] : []);
  });

  test('with as many `#` as fit does not take exponential time', () => {
    const router = routerOf([
      Array.from({ length: 127 }, () => '#').join('.'),
      `${Array.from({ length: 63 }, () => '#.a').join('.')}.b`,
    ]);
    expect(matchesOf(router, Array.from({ length: 127 }, () => 'a').join('.'))).toEqual([0]);
    expect(matchesOf(router, `${Array.from({ length: 126 }, () => 'a').join('.')}.b`)).toEqual([
      0, 1,
    ]);
  });
});

test('a binding is found once, however many ways its pattern matches', () => {
  const router = routerOf(['#.a.#', '#.#', '#', 'a.#', 'a.a', 'a.*', '#']);
  expect(matchesOf(router, 'a.a')).toEqual([0, 1, 2, 3, 4, 5, 6]);
});

test('bindings come and go, and leave nothing behind', () => {
  const router = new TopicRouter(new BindingLists());
  const patterns = Array.from(
    { length: 3000 },
    (_, n) => `w${n % 700}.${n % 7 === 0 ? '*' : n}.#.${n % 11 === 0 ? '#' : 'end'}`,
  );
  for (let round = 0; round < 3; round++) {
    for (const [slot, pattern] of patterns.entries()) router.add(slot, bindingOf(pattern));
    expect(matchesOf(router, 'w1.1.x.end')).toEqual([1, ...starsOf(1)]);
    for (const [slot, pattern] of patterns.entries()) {
      if (slot % 2 === 0) router.remove(slot, bindingOf(pattern));
    }
    expect(matchesOf(router, 'w1.1.x.end')).toEqual(
      [1, ...starsOf(1)].filter((slot) => slot % 2 === 1),
    );
    for (const [slot, pattern] of patterns.entries()) {
      if (slot % 2 === 1) router.remove(slot, bindingOf(pattern));
    }
    expect(matchesOf(router, 'w1.1.x.end')).toEqual([]);
  }

  /** Slots of the patterns that begin with `w<n>.*`. */
  function starsOf(n: number): number[] {
    return patterns.flatMap((pattern, slot) => (pattern.startsWith(`w${n}.*`) ? [slot] : []));
  }
});
