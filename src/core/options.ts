/** Options as callers pass them: plain objects with known keys. */
import { argumentError } from './assert.ts';

const KEY_CHARS_MAX = 40;

/**
 * A copy with the caller's own properties alone: what an object inherits, perhaps from a polluted
 * prototype, nobody has asked for.
 *
 * @throws TypeError (`ERR_VARVE_INVALID_ARGUMENT`) for what is no object, and for an unknown key: a
 *   misspelt option must not be a default in silence
 */
export function plainOptions<O extends object>(given: O, known: ReadonlySet<string>): O {
  if (given === null || typeof given !== 'object') {
    throw argumentError(TypeError, 'options', 'an object', given);
  }
  const options: O = { ...given };
  Object.setPrototypeOf(options, null);
  for (const key of Object.keys(options)) {
    if (!known.has(key)) {
      throw argumentError(TypeError, 'options', unknownKey(key), options);
    }
  }
  return options;
}

/** What was expected where there is a key that nobody knows. */
export function unknownKey(key: string): string {
  return `without an unknown key \`${key.slice(0, KEY_CHARS_MAX)}\``;
}

/** Throws unless `value` is true or false. */
export function checkBoolean(name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw argumentError(TypeError, name, 'a boolean', value);
  return value;
}
