/** What conditions take which headers, after RabbitMQ's documentation and its source. */
import { describe, expect, test } from 'vitest';

import {
  checkHeaderConditions,
  hasOnlyIgnoredConditions,
  type HeaderConditionsInput,
} from '../../../src/routing/header-conditions.ts';
import { HeadersRouter } from '../../../src/routing/headers-router.ts';
import { MatchList } from '../../../src/routing/match-list.ts';

type Headers = Readonly<Record<string, string>>;

function bindingOf(given: HeaderConditionsInput | null) {
  const target = { kind: 'topic', id: 1 } as const;
  const headers = given === null ? null : checkHeaderConditions('headers', given);
  return { bindingId: 1, exchangeId: 1, target, routingKey: '', headers };
}

function headersOf(headers: Headers): ReadonlyMap<string, Uint8Array> {
  const entries = Object.entries(headers);
  return new Map(entries.map(([name, value]) => [name, new Uint8Array(Buffer.from(value))]));
}

function matchesOf(router: HeadersRouter, headers: Headers | null): number[] {
  const matches = new MatchList();
  router.match('any key', headers === null ? null : headersOf(headers), matches);
  return [...matches.slots.subarray(0, matches.count)].sort((a, b) => a - b);
}

describe('conditions', () => {
  test.each<[HeaderConditionsInput | null, Headers | null, boolean]>([
    // From the documentation: all is the default, and others may be there.
    [{ type: 'report', format: 'pdf' }, { type: 'report', format: 'pdf', more: '1' }, true],
    [{ type: 'report', format: 'pdf' }, { type: 'report', format: 'zip' }, false],
    [{ type: 'report', format: 'pdf' }, { type: 'report' }, false],
    [{ 'x-match': 'all', type: 'report' }, { type: 'report' }, true],
    [{ 'x-match': 'any', type: 'report', format: 'pdf' }, { format: 'pdf' }, true],
    [{ 'x-match': 'any', type: 'report', format: 'pdf' }, { format: 'zip' }, false],
    [{ 'x-match': 'any', type: 'report' }, null, false],
    // Without a value the header is enough, whatever it says.
    [{ type: null }, { type: '' }, true],
    [{ type: null }, { Type: 'report' }, false],
    [{ 'x-match': 'any', type: null, format: 'pdf' }, { type: 'x' }, true],
    // Names that begin with x- count under with-x alone, and x-match never.
    [{ 'x-a': '1', b: '2' }, { b: '2' }, true],
    [{ 'x-match': 'all-with-x', 'x-a': '1', b: '2' }, { b: '2' }, false],
    [{ 'x-match': 'all-with-x', 'x-a': '1', b: '2' }, { b: '2', 'x-a': '1' }, true],
    [{ 'x-match': 'any', 'x-a': '1', b: '2' }, { 'x-a': '1' }, false],
    [{ 'x-match': 'any-with-x', 'x-a': '1', b: '2' }, { 'x-a': '1' }, true],
    [{ 'x-match': 'all-with-x', b: '2' }, { b: '2', 'x-match': 'other' }, true],
    [{ 'x-match': 'any-with-x', b: '2' }, { 'x-match': 'any-with-x' }, false],
    [{ 'X-a': '1' }, {}, false],
    [{ x: '1' }, {}, false],
    // No condition that counts.
    [{}, {}, true],
    [{}, null, true],
    [null, null, true],
    [null, { a: '1' }, true],
    [{ 'x-match': 'all' }, { a: '1' }, true],
    [{ 'x-match': 'all-with-x' }, null, true],
    [{ 'x-match': 'any' }, { a: '1' }, false],
    [{ 'x-match': 'any-with-x' }, { 'x-match': 'any-with-x' }, false],
    [{ 'x-a': '1' }, null, true],
    [{ 'x-match': 'any', 'x-a': '1' }, { 'x-a': '1' }, false],
    // Values are bytes; text is its UTF-8.
    [{ a: 'é' }, { a: 'é' }, true],
    [{ a: new Uint8Array([0xc3, 0xa9]) }, { a: 'é' }, true],
    [{ a: new Uint8Array([0xe9]) }, { a: 'é' }, false],
    [{ a: '' }, { a: '' }, true],
    [{ a: '' }, { a: 'b' }, false],
    [{ a: '1' }, { a: '1.0' }, false],
    [{ __proto__: null, constructor: '1' }, {}, false],
  ])('%j of %j: %s', (given, headers, isMatch) => {
    const router = new HeadersRouter();
    router.add(0, bindingOf(given));
    expect(matchesOf(router, headers)).toEqual(isMatch ? [0] : []);
    router.remove(0);
    expect(matchesOf(router, headers)).toEqual([]);
  });

  test('are a copy: what a program does to its own changes nothing', () => {
    const value = new Uint8Array([0x31]);
    const given = { a: value };
    const router = new HeadersRouter();
    router.add(0, bindingOf(given));
    value[0] = 0x32;
    expect(matchesOf(router, { a: '1' })).toEqual([0]);
  });

  test.each<[HeaderConditionsInput, boolean]>([
    [{ 'x-a': '1' }, true],
    [{ 'x-match': 'any', 'x-a': '1', 'x-b': null }, true],
    [{ 'x-match': 'any-with-x', 'x-a': '1' }, false],
    [{ 'x-a': '1', a: '1' }, false],
    [{ 'x-match': 'any' }, false],
    [{}, false],
  ])('%j: none of them counts: %s', (given, isSo) => {
    expect(hasOnlyIgnoredConditions(checkHeaderConditions('headers', given))).toBe(isSo);
  });
});

describe('refused are', () => {
  test.each<[unknown, RegExp, string]>([
    [{ 'x-match': 'one' }, /`headers\['x-match'\]` to be one of all, any, all-with-x/, 'INVALID'],
    [{ 'x-match': null }, /to be one of all, any, all-with-x/, 'INVALID'],
    [{ 'x-match': Buffer.from('all') }, /to be one of all, any, all-with-x/, 'INVALID'],
    [{ a: 1 }, /`headers\['a'\]` to be a string, a Uint8Array or null, got `1`/, 'INVALID'],
    [{ a: undefined }, /a string, a Uint8Array or null/, 'INVALID'],
    [new Map([['a', '1']]), /a plain object of names and values/, 'INVALID'],
    [[], /a plain object of names and values/, 'INVALID'],
    [null, /a plain object of names and values/, 'INVALID'],
    [{ '\ud800': '1' }, /names without lone surrogates/, 'INVALID'],
    [{ ['n'.repeat(256)]: '1' }, /header name of 256 bytes is above the limit of 255/, 'TOO_LARGE'],
    [{ a: 'v'.repeat(65_536) }, /header conditions of 65537 bytes is above/, 'TOO_LARGE'],
  ])('%#', (given, message, code) => {
    const refused = () => checkHeaderConditions('headers', given as HeaderConditionsInput);
    expect(refused).toThrow(message);
    expect(refused).toThrow(
      expect.objectContaining({ code: expect.stringContaining(code) as string }),
    );
  });
});

test('a binding is found once, by whichever of its conditions', () => {
  const router = new HeadersRouter();
  router.add(0, bindingOf({ 'x-match': 'any', a: '1', b: null, c: '3' }));
  router.add(1, bindingOf({ a: '1', b: null, c: '3' }));
  router.add(2, bindingOf({ a: '1' }));
  expect(matchesOf(router, { a: '1', b: '2', c: '3' })).toEqual([0, 1, 2]);
  expect(matchesOf(router, { b: '2' })).toEqual([0]);
});

test('of conditions that many share, the other one is what a binding is found by', () => {
  const router = new HeadersRouter();
  const count = 20_000;
  for (let slot = 0; slot < count; slot++) {
    router.add(slot, bindingOf({ kind: 'order', region: `r${slot}` }));
  }
  const records = Array.from({ length: 20_000 }, (_, n) => ({ kind: 'order', region: `r${n}` }));
  // 400 million comparisons if all that have the kind were looked at.
  for (const [slot, headers] of records.entries()) {
    expect(matchesOf(router, headers)).toEqual([slot]);
  }
});
