/** A topic router finds the bindings that its slow twin does, while they come and go. */
import { deepStrictEqual } from 'node:assert/strict';

import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import type { Binding } from '../../src/routing/binding.ts';
import { BindingLists } from '../../src/routing/binding-lists.ts';
import { MatchList } from '../../src/routing/match-list.ts';
import { TopicRouter } from '../../src/routing/topic-router.ts';
import { manyExamples, propertyOptions } from '../support/property.ts';
import { topicMatches } from '../support/reference/topic-match.ts';

/** Histories in which some 110,000 keys are looked up. */
const HISTORIES = 4000;
const LOOKUPS_MIN = 100_000;

/** Few words, so that patterns meet; among them none, and such that only look like a wildcard. */
const words = fc.constantFrom('a', 'b', 'c', '', 'ab', 'a*', '##', '€', 'a-word-of-22-characters');
const patternWords = fc.oneof(
  { weight: 4, arbitrary: words },
  { weight: 2, arbitrary: fc.constant('*') },
  { weight: 3, arbitrary: fc.constant('#') },
);
/** In a key they are words like all others. */
const keyWords = fc.oneof(
  { weight: 12, arbitrary: words },
  { weight: 1, arbitrary: fc.constantFrom('*', '#', 'unknown') },
);
const patterns = fc.array(patternWords, { maxLength: 6 }).map((list) => list.join('.'));
const keys = fc.array(keyWords, { maxLength: 7 }).map((list) => list.join('.'));

const steps = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('add' as const), pattern: patterns }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), at: fc.nat() }) },
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('match' as const), key: keys }) },
  ),
  { minLength: 20, maxLength: 120, size: 'max' },
);

/** Slots of the bindings that are in, and their patterns. */
class Pair {
  readonly #router = new TopicRouter(new BindingLists());
  readonly #patterns = new Map<number, string>();
  readonly #matches = new MatchList();
  #slots = 0;

  add(pattern: string): void {
    this.#patterns.set(this.#slots, pattern);
    this.#router.add(this.#slots++, bindingOf(pattern));
  }

  remove(at: number): boolean {
    const entry = [...this.#patterns][at % this.#patterns.size];
    if (entry === undefined) return false;
    const [slot, pattern] = entry;
    this.#patterns.delete(slot);
    this.#router.remove(slot, bindingOf(pattern));
    return true;
  }

  /** The patterns that matched. */
  match(key: string): string[] {
    this.#matches.clear();
    this.#router.match(key, null, this.#matches);
    const found = [...this.#matches.slots.subarray(0, this.#matches.count)].sort((a, b) => a - b);
    const expected = [...this.#patterns].filter(([, pattern]) => topicMatches(pattern, key));
    deepStrictEqual(
      found,
      expected.map(([slot]) => slot),
      `${key} of ${[...this.#patterns.values()].join(' ')}`,
    );
    return expected.map(([, pattern]) => pattern);
  }
}

function bindingOf(pattern: string): Binding {
  return {
    bindingId: 1,
    exchangeId: 1,
    target: { kind: 'topic', id: 1 },
    routingKey: pattern,
    headers: null,
  };
}

test('a topic router matches what its slow twin does', () => {
  const seen = {
    lookups: 0,
    matched: 0,
    none: 0,
    removed: 0,
    emptyKey: 0,
    emptyWords: 0,
    twoHashes: 0,
  };
  fc.assert(
    fc.property(steps, (history) => {
      const pair = new Pair();
      for (const step of history) {
        if (step.kind === 'add') pair.add(step.pattern);
        else if (step.kind === 'remove') seen.removed += pair.remove(step.at) ? 1 : 0;
        else {
          const found = pair.match(step.key);
          seen.lookups++;
          seen.matched += found.length;
          if (found.length === 0) seen.none++;
          else if (step.key === '') seen.emptyKey++;
          else if (`.${step.key}.`.includes('..')) seen.emptyWords++;
          seen.twoHashes += found.filter((pattern) => /#.*\.[^#]+\..*#/u.test(pattern)).length;
        }
      }
    }),
    manyExamples(HISTORIES),
  );
  expect(seen.lookups).toBeGreaterThan(LOOKUPS_MIN);
  expect(seen.matched).toBeGreaterThan(LOOKUPS_MIN);
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(20);
});

/** One key and one pattern that were made for each other: what a `#` stands for is chosen. */
const made = fc
  .array(
    fc.oneof(
      { weight: 3, arbitrary: words.map((word) => ({ pattern: word, key: [word] })) },
      { weight: 2, arbitrary: words.map((word) => ({ pattern: '*', key: [word] })) },
      {
        weight: 3,
        arbitrary: fc
          .oneof(fc.constant([]), fc.array(words, { maxLength: 3 }))
          .map((key) => ({ pattern: '#', key: [...key] })),
      },
    ),
    { minLength: 1, maxLength: 7 },
  )
  .map((parts) => ({
    pattern: parts.map(({ pattern }) => pattern).join('.'),
    key: parts.flatMap(({ key }) => key).join('.'),
    stoodForNone: parts.some(({ pattern, key }) => pattern === '#' && key.length === 0),
  }))
  // A single empty word reads as no word at all.
  .filter(({ pattern, key }) => pattern !== '' && (key !== '' || topicMatches(pattern, '')));

test('a key matches the pattern that it was made from', () => {
  const seen = { stoodForNone: 0 };
  fc.assert(
    fc.property(made, fc.array(patterns, { maxLength: 5 }), ({ pattern, key, ...is }, others) => {
      const pair = new Pair();
      for (const other of others) pair.add(other);
      pair.add(pattern);
      expect(pair.match(key)).toContain(pattern);
      if (is.stoodForNone) seen.stoodForNone++;
    }),
    propertyOptions(),
  );
  expect(seen.stoodForNone).toBeGreaterThan(20);
});
