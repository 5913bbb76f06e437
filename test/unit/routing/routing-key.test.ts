/** What may be a routing key or a pattern. */
import { expect, test } from 'vitest';

import { TooLargeError } from '../../../src/core/errors.ts';
import { BadPatternError } from '../../../src/core/routing-errors.ts';
import { checkRoutingKey } from '../../../src/format/routing-header.ts';
import { checkPattern, checkRoutingKeys } from '../../../src/routing/routing-key.ts';

const INVALID = { code: 'ERR_VARVE_INVALID_ARGUMENT' };

test.each([
  '',
  '.',
  'a.b',
  '#',
  '*.a*.#',
  'x'.repeat(255),
  'é'.repeat(127),
  `${'é'.repeat(127)}x`,
  '€'.repeat(85),
  '😀'.repeat(63),
  'control \u0000 characters\n',
])('%j may be both', (text) => {
  expect(checkRoutingKey('key', text)).toBe(text);
  expect(checkPattern('pattern', text)).toBe(text);
});

test.each([
  ['x'.repeat(256), 256, 256],
  [`${'é'.repeat(127)}éx`, 257, 128],
  ['€'.repeat(86), 258, 86],
  ['😀'.repeat(64), 256, 64],
  ['x'.repeat(100_000), 100_000, 256],
])('too long is %# neither', (text, bytes, column) => {
  expect(() => checkRoutingKey('key', text)).toThrow(TooLargeError);
  expect(() => checkRoutingKey('key', text)).toThrow(
    `routing key of ${bytes} bytes is above the limit of 255`,
  );
  expect(() => checkPattern('pattern', text)).toThrow(
    expect.objectContaining({
      code: 'ERR_VARVE_BAD_PATTERN',
      details: { name: 'pattern', pattern: text, column, reason: 'more than 255 bytes' },
    }),
  );
  expect(() => checkPattern('pattern', text)).toThrow(/^.{0,120}$/u);
});

test.each([
  ['\ud800', 1],
  ['a.\udc00b', 3],
  ['😀.\ud83d.a', 3],
])('half a surrogate pair has no bytes: %#', (text, column) => {
  expect(() => checkRoutingKey('key', text)).toThrow(RangeError);
  expect(() => checkRoutingKey('key', text)).toThrow(expect.objectContaining(INVALID));
  expect(() => checkPattern('pattern', text)).toThrow(BadPatternError);
  expect(() => checkPattern('pattern', text)).toThrow(`has a lone surrogate at column ${column}`);
});

test.each([undefined, null, 7, Buffer.from('a'), ['a']])('%j is no text', (value) => {
  expect(() => checkRoutingKey('key', value)).toThrow(expect.objectContaining(INVALID));
  expect(() => checkPattern('pattern', value)).toThrow(/Expected `pattern` to be a string/);
});

test('further routing keys are an array of them, 64 at most', () => {
  const keys = ['a', '', 'a', 'x'.repeat(255)];
  const checked = checkRoutingKeys('cc', keys);
  expect(checked).toEqual(keys);
  keys.push('later');
  expect(checked).toHaveLength(4);
  expect(checkRoutingKeys('cc', [])).toEqual([]);
  const many = Array.from({ length: 64 }, () => 'k');
  expect(checkRoutingKeys('cc', many)).toEqual(many);
  expect(() => checkRoutingKeys('cc', [...many, 'k'])).toThrow(RangeError);
  expect(() => checkRoutingKeys('cc', [...many, 'k'])).toThrow(expect.objectContaining(INVALID));
});

test.each([
  ['a', /`cc` to be an array/],
  [null, /`cc` to be an array/],
  [{ 0: 'a', length: 1 }, /`cc` to be an array/],
  [['a', 7], /`cc\[1\]` to be a string/],
  [[undefined], /`cc\[0\]` to be a string/],
  [['\ud800'], /`cc\[0\]` to be text without lone surrogates/],
])('%j are no further routing keys', (keys, said) => {
  expect(() => checkRoutingKeys('cc', keys)).toThrow(expect.objectContaining(INVALID));
  expect(() => checkRoutingKeys('cc', keys)).toThrow(said);
});

test('each further routing key has the limit of one', () => {
  expect(() => checkRoutingKeys('bcc', ['a', 'x'.repeat(256)])).toThrow(TooLargeError);
});
