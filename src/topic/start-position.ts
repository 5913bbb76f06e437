/** Where a group begins in a partition for which nothing is committed, or not any more. */
import { argumentError, checkInteger } from '../core/assert.ts';
import type { Clock } from '../core/clock.ts';
import type { ReadFrom } from '../log/read-options.ts';

/**
 * The first or the next record, an offset, the first record created at or after `timestamp` (ms
 * since the Unix epoch), or created at most `ageMs` ago.
 */
export type StartFrom =
  | 'earliest'
  | 'latest'
  | { readonly offset: number }
  | { readonly timestamp: number }
  | { readonly ageMs: number };

/** For messages. */
export const START_FORMS = "'earliest', 'latest', { offset }, { timestamp }, { ageMs }";

/** Throws unless it is one of the forms. */
export function checkStart(name: string, from: StartFrom): StartFrom {
  if (from === 'earliest' || from === 'latest') return from;
  if (from !== null && typeof from === 'object') {
    const [[field, value] = [], ...others] = Object.entries(from);
    const isKnown = field === 'offset' || field === 'timestamp' || field === 'ageMs';
    if (isKnown && others.length === 0) {
      checkInteger(`${name}.${field}`, value, { min: 0 });
      return from;
    }
  }
  throw argumentError(TypeError, name, `one of ${START_FORMS}`, from);
}

/** As reads take it. */
export function readFromOf(from: StartFrom, clock: Clock): ReadFrom {
  if (typeof from === 'string') return from;
  if ('offset' in from) return from.offset;
  if ('timestamp' in from) return from;
  return { timestamp: Math.max(0, clock.now() - from.ageMs) };
}
