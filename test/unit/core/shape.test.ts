/** What comes from outside is checked, named and copied before anybody uses it. */
import { describe, expect, test } from 'vitest';

import {
  choice,
  flag,
  integer,
  list,
  nothing,
  nullable,
  optional,
  struct,
  structWith,
  text,
  type Shape,
} from '../../../src/core/shape.ts';

const person = struct({
  name: text,
  age: optional(integer({ min: 0, max: 150 })),
  isAdult: nullable(flag),
  roles: list(choice(['reader', 'writer'])),
  nothing,
});
const whole = { name: 'a', age: 3, isAdult: null, roles: ['reader'], nothing: null };

describe('a struct', () => {
  test('is what was sent, and a copy of it', () => {
    const checked = person.check('args', whole);
    expect(checked).toEqual(whole);
    expect(checked).not.toBe(whole);
    const { age, ...without } = whole;
    expect(age).toBe(3);
    expect(person.check('args', without)).toEqual({ ...without, age: undefined });
  });

  test.each<[string, unknown, string]>([
    ['null', null, '`args` to be an object, got `null`'],
    ['a list', [], '`args` to be an object'],
    ['text', 'x', '`args` to be an object'],
    ['a missing field', { ...whole, name: undefined }, '`args.name` to be a string'],
    ['a number as text', { ...whole, name: 1 }, '`args.name` to be a string, got `1`'],
    ['a number too large', { ...whole, age: 151 }, '`args.age` to be an integer from 0 to 150'],
    ['text as a number', { ...whole, age: '3' }, '`args.age` to be an integer'],
    ['a fraction', { ...whole, age: 1.5 }, '`args.age` to be an integer'],
    ['null where it may not be', { ...whole, age: null }, '`args.age` to be an integer'],
    ['a flag as a number', { ...whole, isAdult: 1 }, '`args.isAdult` to be a boolean'],
    ['no list', { ...whole, roles: 'reader' }, '`args.roles` to be a list'],
    ['no choice', { ...whole, roles: ['reader', 'king'] }, '`args.roles[1]` to be one of reader'],
    ['something for nothing', { ...whole, nothing: 0 }, '`args.nothing` to be null'],
    ['an unknown key', { ...whole, agee: 3 }, '`args` to be without an unknown key `agee`'],
    ['a key of Object', { ...whole, toString: 3 }, 'unknown key `toString`'],
    ['a prototype as JSON', JSON.parse('{"__proto__":{"name":"a"}}'), 'unknown key `__proto__`'],
  ])('refuses %s', (_what, value, message) => {
    expect(() => person.check('args', value)).toThrow(message);
    expect(() => person.check('args', value)).toThrow(
      expect.objectContaining({ code: 'ERR_VARVE_INVALID_ARGUMENT' }),
    );
  });

  test('takes nothing from a prototype', () => {
    const inherited: unknown = Object.create({ name: 'a' });
    const named: Shape<{ readonly name: string }> = struct({ name: text });
    expect(() => named.check('args', inherited)).toThrow('`args.name` to be a string');
  });
});

test('a struct with more leaves out what it does not know', () => {
  const shape = structWith({ name: text });
  expect(shape.check('answer', { name: 'a', later: 1 })).toEqual({ name: 'a' });
  expect(() => shape.check('answer', { later: 1 })).toThrow('`answer.name` to be a string');
});
