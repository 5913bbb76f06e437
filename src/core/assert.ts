/** Invariants of the engine (a failure is a bug in Varve) and checks of what callers pass in. */

/** A broken invariant: a bug in Varve, never an operating condition. Carries no code. */
export class AssertionError extends Error {
  constructor(message: string) {
    super(`invariant broken: ${message}`);
    this.name = 'AssertionError';
  }
}

/** Throws an `AssertionError` unless `condition` holds. The message is the condition, in words. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

type ArgumentErrorClass = typeof TypeError | typeof RangeError;

/** Builds the error for a caller's mistake: a built-in class that carries our code. */
export function argumentError(
  ErrorClass: ArgumentErrorClass,
  name: string,
  expectation: string,
  found: unknown,
): TypeError & { readonly code: 'ERR_VARVE_INVALID_ARGUMENT' } {
  const error = new ErrorClass(
    `Expected \`${name}\` to be ${expectation}, got ${describeValue(found)}`,
  );
  return Object.assign(error, { code: 'ERR_VARVE_INVALID_ARGUMENT' as const });
}

/** A short, safe description: what it is, and the value only when it is a number, boolean or null. */
function describeValue(value: unknown): string {
  if (value === null || typeof value === 'number' || typeof value === 'boolean') {
    return `\`${String(value)}\``;
  }
  if (typeof value === 'string') return `\`${JSON.stringify(value.slice(0, 40))}\` (string)`;
  // What callers take for a time, or for a single thing.
  if (value instanceof Date) return 'Date';
  return Array.isArray(value) ? 'array' : typeof value;
}

export interface IntegerBounds {
  readonly min: number;
  readonly max?: number;
}

/** Throws unless `value` is a safe integer within the bounds (both inclusive). */
export function checkInteger(name: string, value: unknown, bounds: IntegerBounds): number {
  const { min, max = Number.MAX_SAFE_INTEGER } = bounds;
  if (typeof value !== 'number') {
    throw argumentError(TypeError, name, 'an integer', value);
  }
  if (!Number.isSafeInteger(value) || value < min || value > max) {
    throw argumentError(RangeError, name, `an integer from ${min} to ${max}`, value);
  }
  return value;
}

/** Throws unless `value` is a number within the bounds (both inclusive), whole or not. */
export function checkNumber(name: string, value: unknown, bounds: Required<IntegerBounds>): number {
  const { min, max } = bounds;
  if (typeof value !== 'number') throw argumentError(TypeError, name, 'a number', value);
  if (value >= min && value <= max) return value;
  throw argumentError(RangeError, name, `a number from ${min} to ${max}`, value); // NaN too.
}

/** Throws unless `value` is one of `choices`. */
export function checkChoice<const C extends string>(
  name: string,
  value: unknown,
  choices: readonly C[],
): C {
  const found = choices.find((choice) => choice === value);
  if (found === undefined) {
    throw argumentError(TypeError, name, `one of ${choices.join(', ')}`, value);
  }
  return found;
}

/** Throws unless `value` can be called. */
export function checkFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') throw argumentError(TypeError, name, 'a function', value);
}

/** Throws unless `value` is an object. */
export function checkObject<O extends object>(name: string, value: O): O {
  if (value !== null && typeof value === 'object') return value;
  throw argumentError(TypeError, name, 'an object', value);
}

/** Throws unless `value` is an array. */
export function checkArray(name: string, value: unknown): void {
  if (!Array.isArray(value)) throw argumentError(TypeError, name, 'an array', value);
}

/** `value`, which the engine knows to be there; `why` says how it knows. */
export function present<V>(value: V | null | undefined, why: string): V {
  if (value === null || value === undefined) throw new AssertionError(why);
  return value;
}
