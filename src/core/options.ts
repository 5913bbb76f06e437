/** Options as callers pass them: plain objects with known keys. */
import { argumentError, present } from './assert.ts';

const KEY_CHARS_MAX = 40;
/** So many slips of the fingers leave a key recognizable, one in four characters. */
const SLIPS_MAX = 2;
const UNITS = ['Ms', 'Bytes', 'Max', 'BytesMax'];

/**
 * A copy with the caller's own properties alone: what an object inherits, perhaps from a polluted
 * prototype, nobody has asked for.
 *
 * @param name  what the caller calls it
 * @throws TypeError (`ERR_VARVE_INVALID_ARGUMENT`) for what is no object, and for an unknown key: a
 *   misspelt option must not be a default in silence
 */
export function plainOptions<O extends object>(
  given: O,
  known: ReadonlySet<string>,
  name = 'options',
): O {
  if (given === null || typeof given !== 'object') {
    throw argumentError(TypeError, name, 'an object', given);
  }
  const options: O = { ...given };
  Object.setPrototypeOf(options, null);
  for (const key of Object.keys(options)) {
    if (!known.has(key)) {
      throw argumentError(TypeError, name, unknownKey(key, known), options);
    }
  }
  return options;
}

/**
 * Whether it is an object of names and values: a Map, an array or a handle has no entries that
 * `Object.entries` would see, or others than are meant.
 */
export function isPlainObject(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** What was expected where there is a key that nobody knows, and which one may be meant. */
export function unknownKey(key: string, known: Iterable<string>): string {
  const meant = meantBy(key.slice(0, KEY_CHARS_MAX), known);
  const guess = meant === null ? '' : `, perhaps \`${meant}\``;
  return `without an unknown key \`${key.slice(0, KEY_CHARS_MAX)}\`${guess}`;
}

/** The key that is spelt nearly so, without its unit, or with its words in another order; null = none is. */
export function meantBy(key: string, known: Iterable<string>): string | null {
  const slipsMax = Math.min(SLIPS_MAX, Math.floor(key.length / 4));
  const keys = [...known];
  return (
    keys.find((each) => wordsOf(each) === wordsOf(key)) ??
    keys.find((each) => slips(each.toLowerCase(), key.toLowerCase()) <= slipsMax) ??
    keys.find((each) => UNITS.some((unit) => each === key + unit)) ??
    null
  );
}

function wordsOf(key: string): string {
  const words = key.split(/(?=[A-Z])/).map((word) => word.toLowerCase());
  return words.toSorted().join(' ');
}

/** Characters to insert, leave out or change, to have one for the other. */
function slips(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = cell(row, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, cell(row, j) + 1, cell(next, j - 1) + 1));
    }
    row = next;
  }
  return cell(row, b.length);
}

function cell(row: readonly number[], index: number): number {
  return present(row[index], 'within the row');
}

/** Throws unless `value` is true or false. */
export function checkBoolean(name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw argumentError(TypeError, name, 'a boolean', value);
  return value;
}
