/**
 * What a value from outside must look like: one description gives its type, and the check of what
 * came, from JSON or from anybody.
 */
import {
  argumentError,
  checkChoice,
  checkInteger,
  checkNumber,
  type IntegerBounds,
} from './assert.ts';
import { checkBoolean, unknownKey } from './options.ts';

/** One kind of value. A method, not a property: a list of shapes holds shapes of any type. */
export interface Shape<T> {
  /**
   * The value, and nothing that was not asked for.
   *
   * @throws TypeError, RangeError (`ERR_VARVE_INVALID_ARGUMENT`) that names it
   */
  check(name: string, value: unknown): T;
}

type Shapes = Readonly<Record<string, Shape<unknown>>>;
type StructOf<S extends Shapes> = {
  readonly [Name in keyof S]: S[Name] extends Shape<infer T> ? T : never;
};

export const text: Shape<string> = {
  check(name, value) {
    if (typeof value !== 'string') throw argumentError(TypeError, name, 'a string', value);
    return value;
  },
};

export const flag: Shape<boolean> = { check: checkBoolean };

/** Nothing at all: null. */
export const nothing: Shape<null> = {
  check(name, value) {
    if (value !== null) throw argumentError(TypeError, name, 'null', value);
    return value;
  },
};

/** A safe integer, from 0 on unless `bounds` say otherwise. */
export function integer(bounds: IntegerBounds = { min: 0 }): Shape<number> {
  return { check: (name, value) => checkInteger(name, value, bounds) };
}

/** A part of a whole, from 0 to 1. */
export const share: Shape<number> = {
  check: (name, value) => checkNumber(name, value, { min: 0, max: 1 }),
};

/** How many, or which: from 0. */
export const count = integer();

export function choice<const C extends string>(choices: readonly C[]): Shape<C> {
  return { check: (name, value) => checkChoice(name, value, choices) };
}

/** The shape, or null. */
export function nullable<T>(shape: Shape<T>): Shape<T | null> {
  return { check: (name, value) => (value === null ? null : shape.check(name, value)) };
}

/** The shape, or nothing. */
export function optional<T>(shape: Shape<T>): Shape<T | undefined> {
  return { check: (name, value) => (value === undefined ? undefined : shape.check(name, value)) };
}

/** Any number of them, in order. */
export function list<T>(shape: Shape<T>): Shape<readonly T[]> {
  return {
    check(name, value) {
      if (!Array.isArray(value)) throw argumentError(TypeError, name, 'a list', value);
      return value.map((item: unknown, at) => shape.check(`${name}[${at}]`, item));
    },
  };
}

/** An object with these fields and no others. */
export function struct<S extends Shapes>(shapes: S): Shape<StructOf<S>> {
  return {
    check(name, value) {
      const fields = fieldsOf(name, value);
      const unknown = [...fields.keys()].find((key) => !Object.hasOwn(shapes, key));
      if (unknown !== undefined) {
        throw argumentError(TypeError, name, unknownKey(unknown, Object.keys(shapes)), value);
      }
      return checkFields(name, fields, shapes);
    },
  };
}

/** An object with these fields; others, of a newer version, are left out. */
export function structWith<S extends Shapes>(shapes: S): Shape<StructOf<S>> {
  return { check: (name, value) => checkFields(name, fieldsOf(name, value), shapes) };
}

/** Its own fields alone: what it inherits nobody has sent. @throws TypeError for what is no object */
export function fieldsOf(name: string, value: unknown): ReadonlyMap<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw argumentError(TypeError, name, 'an object', value);
  }
  return new Map(Object.entries(value));
}

function checkFields<S extends Shapes>(
  name: string,
  fields: ReadonlyMap<string, unknown>,
  shapes: S,
): StructOf<S> {
  const checked = Object.entries(shapes).map(([key, shape]) => [
    key,
    shape.check(`${name}.${key}`, fields.get(key)),
  ]);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- each shape gave its own type
  return Object.fromEntries(checked) as StructOf<S>;
}
