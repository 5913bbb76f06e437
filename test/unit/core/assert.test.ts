import { describe, expect, test } from 'vitest';

import {
  argumentError,
  assert,
  AssertionError,
  checkChoice,
  checkInteger,
  checkNumber,
} from '../../../src/core/assert.ts';

describe('assert', () => {
  test('passes what holds, and names what does not', () => {
    expect(() => assert(true, 'one is one')).not.toThrow();
    expect(() => assert(false, 'one is two')).toThrow(AssertionError);
    expect(() => assert(false, 'one is two')).toThrow('invariant broken: one is two');
  });

  test('a broken invariant has no code: it is a bug, not a condition', () => {
    const error = new AssertionError('x');
    expect(error.name).toBe('AssertionError');
    expect(error).not.toHaveProperty('code');
  });
});

describe('an argument error', () => {
  test('is a built-in error with our code, the name, the expectation and what came', () => {
    const error = argumentError(RangeError, 'limit', 'an integer from 1 to 9', 12);
    expect(error).toBeInstanceOf(RangeError);
    expect(error.code).toBe('ERR_VARVE_INVALID_ARGUMENT');
    expect(error.message).toBe('Expected `limit` to be an integer from 1 to 9, got `12`');
  });

  test.each([
    [null, '`null`'],
    [undefined, 'undefined'],
    [true, '`true`'],
    [Number.NaN, '`NaN`'],
    ['text', '`"text"` (string)'],
    ['x'.repeat(100), `\`"${'x'.repeat(40)}"\` (string)`],
    ['\u001b[31m', '`"\\u001b[31m"` (string)'],
    [{ secret: 'payload' }, 'object'],
    [() => 'payload', 'function'],
  ])('describes %j without its content', (value, description) => {
    expect(argumentError(TypeError, 'x', 'y', value).message).toBe(
      `Expected \`x\` to be y, got ${description}`,
    );
  });
});

describe('checkInteger', () => {
  test('returns what is within the bounds, both inclusive', () => {
    expect(checkInteger('n', 1, { min: 1, max: 3 })).toBe(1);
    expect(checkInteger('n', 3, { min: 1, max: 3 })).toBe(3);
    expect(checkInteger('n', Number.MAX_SAFE_INTEGER, { min: 0 })).toBe(Number.MAX_SAFE_INTEGER);
  });

  test.each(['1', null, undefined, 1n, {}])('a %s is no number at all', (value) => {
    expect(() => checkInteger('n', value, { min: 0 })).toThrow(TypeError);
  });

  test.each([0, 4, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])('%s is out', (value) => {
    expect(() => checkInteger('n', value, { min: 1, max: 3 })).toThrow(RangeError);
    expect(() => checkInteger('n', value, { min: 1, max: 3 })).toThrow('an integer from 1 to 3');
  });
});

describe('checkNumber', () => {
  const BOUNDS = { min: 0.01, max: 1 };

  test('returns what is within the bounds, both inclusive, whole or not', () => {
    for (const value of [0.01, 1 / 3, 1]) expect(checkNumber('n', value, BOUNDS)).toBe(value);
  });

  test.each(['1', null, undefined, 1n, {}])('a %s is no number at all', (value) => {
    expect(() => checkNumber('n', value, BOUNDS)).toThrow(TypeError);
  });

  test.each([0, 0.009, 1.001, Number.NaN, Number.POSITIVE_INFINITY])('%s is out', (value) => {
    expect(() => checkNumber('n', value, BOUNDS)).toThrow(RangeError);
    expect(() => checkNumber('n', value, BOUNDS)).toThrow('a number from 0.01 to 1');
  });
});

describe('checkChoice', () => {
  test('returns the choice, or names all of them', () => {
    expect(checkChoice('level', 'os', ['os', 'sync'])).toBe('os');
    expect(() => checkChoice('level', 'OS', ['os', 'sync'])).toThrow(
      'Expected `level` to be one of os, sync, got `"OS"` (string)',
    );
    expect(() => checkChoice('level', undefined, ['os', 'sync'])).toThrow(TypeError);
  });
});
