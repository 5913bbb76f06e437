/** A headers router finds the bindings that its slow twin does, while they come and go. */
import { deepStrictEqual } from 'node:assert/strict';

import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import type { Binding } from '../../src/routing/binding.ts';
import {
  checkHeaderConditions,
  HEADER_MATCHES,
  hasOnlyIgnoredConditions,
} from '../../src/routing/header-conditions.ts';
import { HeadersRouter } from '../../src/routing/headers-router.ts';
import { MatchList } from '../../src/routing/match-list.ts';
import { manyExamples } from '../support/property.ts';
import { headersMatch, type Conditions } from '../support/reference/headers-match.ts';

/** Histories in which some 110,000 records are looked at. */
const HISTORIES = 9000;
const LOOKUPS_MIN = 100_000;

const names = fc.constantFrom('a', 'b', 'c', 'x-a', 'x-b', 'x-', 'X-a', '');
const values = fc.constantFrom<(string | Uint8Array)[]>(
  '1',
  '2',
  '',
  'é',
  new Uint8Array([0x31]),
  new Uint8Array([0xc3, 0xa9]),
  new Uint8Array([0xff, 0x00]),
);
const matches = fc.constantFrom(...HEADER_MATCHES, undefined);
const conditions = fc
  .tuple(
    fc.dictionary(names, fc.option(values, { freq: 4 }), { maxKeys: 4, noNullPrototype: true }),
    matches,
  )
  .map(([dictionary, match]): Conditions => ({
    ...dictionary,
    ...(match === undefined ? {} : { 'x-match': match }),
  }));
const headers = fc
  .dictionary(fc.oneof({ weight: 9, arbitrary: names }, fc.constant('x-match')), values, {
    maxKeys: 6,
  })
  .map((input) => new Map(Object.entries(input).map(([name, value]) => [name, bytesOf(value)])));

const steps = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('add' as const),
        given: fc.option(conditions, { freq: 20 }),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), at: fc.nat() }) },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('match' as const),
        record: fc.option(headers, { freq: 20 }),
      }),
    },
  ),
  { maxLength: 60, size: 'max' },
);

function bytesOf(value: string | Uint8Array): Uint8Array {
  return new Uint8Array(Buffer.from(value));
}

function bindingOf(given: Conditions | null): Binding {
  return {
    bindingId: 1,
    exchangeId: 1,
    target: { kind: 'topic', id: 1 },
    routingKey: '',
    headers: given === null ? null : checkHeaderConditions('headers', given),
  };
}

test('a headers router matches what its slow twin does', () => {
  const kinds = ['all', 'any', 'all-with-x', 'any-with-x', 'no x-match', 'no conditions'];
  const matched = new Map(kinds.map((kind) => [kind, 0]));
  const seen = { lookups: 0, none: 0, removed: 0, onlyIgnored: 0 };
  fc.assert(
    fc.property(steps, (history) => {
      const router = new HeadersRouter();
      const bound = new Map<number, Conditions | null>();
      const found = new MatchList();
      for (const [slot, step] of history.entries()) {
        if (step.kind === 'add') {
          const binding = bindingOf(step.given);
          bound.set(slot, step.given);
          router.add(slot, binding);
          if (binding.headers !== null && hasOnlyIgnoredConditions(binding.headers)) {
            seen.onlyIgnored++;
          }
        } else if (step.kind === 'remove') {
          const taken = [...bound.keys()][step.at % bound.size];
          if (taken === undefined) continue;
          router.remove(taken);
          bound.delete(taken);
          seen.removed++;
        } else {
          found.clear();
          seen.lookups++;
          router.match('', step.record, found);
          const expected = [...bound].filter(([, given]) => headersMatch(given, step.record));
          deepStrictEqual(
            [...found.slots.subarray(0, found.count)].sort((a, b) => a - b),
            expected.map(([at]) => at),
          );
          if (expected.length === 0) seen.none++;
          for (const [, given] of expected) {
            const kind = given === null ? 'no conditions' : (given['x-match'] ?? 'no x-match');
            matched.set(String(kind), (matched.get(String(kind)) ?? 0) + 1);
          }
        }
      }
    }),
    manyExamples(HISTORIES),
  );
  expect(seen.lookups).toBeGreaterThan(LOOKUPS_MIN);
  for (const count of [...matched.values(), ...Object.values(seen)]) {
    expect(count).toBeGreaterThan(20);
  }
  expect([...matched.keys()]).toEqual(kinds);
});
