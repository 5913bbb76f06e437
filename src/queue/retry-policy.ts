/** How long a record waits after a failed attempt, before it is delivered again. */
import { argumentError, checkChoice, checkInteger } from '../core/assert.ts';
import { plainOptions } from '../core/options.ts';
import { systemRandom, type Random } from '../core/random.ts';

/**
 * Ms until the next attempt, given the failures so far, from 1, and what the handler threw. Null =
 * there is no use in a further one: the record is rejected, so it is dead at once, whatever
 * `failuresMax` would still allow. Any function of this form is a policy.
 */
export type RetryPolicy = (failures: number, error: unknown) => number | null;

/** Where a delay falls below what was computed: anywhere, in the upper half, not at all. */
export type Jitter = 'full' | 'equal' | 'none';

export interface LinearOptions {
  /** Ms that each further failure adds, 0..`RETRY_DELAY_MS_MAX`. */
  readonly stepMs: number;
  /** Longest delay, ms, from `stepMs` on; default 300_000, or `stepMs` if that is more. */
  readonly maxMs?: number | undefined;
}

export interface ExponentialOptions {
  /** Ms after the first failure, 0..`RETRY_DELAY_MS_MAX`; default 1000. */
  readonly initialMs?: number | undefined;
  /** Of one delay to the one before, 1..100; default 2. */
  readonly factor?: number | undefined;
  /** Longest delay, ms, from `initialMs` on; default 300_000, or `initialMs` if that is more. */
  readonly maxMs?: number | undefined;
  /** Default `full`. */
  readonly jitter?: Jitter | undefined;
  /** Default: the operating system's. */
  readonly random?: Random | undefined;
}

/** Longest delay of a release, ms: a year. */
export const RETRY_DELAY_MS_MAX = 365 * 24 * 60 * 60 * 1000;

const INITIAL_MS = 1000;
const FACTOR = 2;
const FACTOR_MAX = 100;
const MAX_MS = 5 * 60 * 1000;

const KNOWN_OF_LINEAR: ReadonlySet<string> = new Set<keyof LinearOptions>(['stepMs', 'maxMs']);
const KNOWN_OF_EXPONENTIAL: ReadonlySet<string> = new Set<keyof ExponentialOptions>([
  'initialMs',
  'factor',
  'maxMs',
  'jitter',
  'random',
]);

/** The same delay each time. @param delayMs ms, 0..`RETRY_DELAY_MS_MAX` @throws RangeError, TypeError */
export function fixed(delayMs: number): RetryPolicy {
  checkDelay('delayMs', delayMs);
  return () => delayMs;
}

/** `stepMs` after the first failure, and as much more after each further one. @throws RangeError, TypeError */
export function linear(given: LinearOptions): RetryPolicy {
  const { stepMs, maxMs = Math.max(stepMs, MAX_MS) } = plainOptions(given, KNOWN_OF_LINEAR);
  checkDelay('stepMs', stepMs);
  checkLongest(maxMs, 'stepMs', stepMs);
  return (failures) => Math.min(stepMs * failures, maxMs);
}

/**
 * `initialMs` after the first failure, `factor` times as long after each further one, up to `maxMs`;
 * what that gives is an upper bound, under which jitter spreads those that failed together.
 *
 * `full`: evenly from 0 to the bound. `equal`: evenly over its upper half. `none`: the bound itself.
 *
 * @throws RangeError or TypeError (`ERR_VARVE_INVALID_ARGUMENT`)
 *
 * Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 */
export function exponential(given: ExponentialOptions = {}): RetryPolicy {
  const options = plainOptions(given, KNOWN_OF_EXPONENTIAL);
  const { initialMs = INITIAL_MS, factor = FACTOR } = options;
  const { maxMs = Math.max(initialMs, MAX_MS), jitter = 'full', random = systemRandom } = options;
  checkDelay('initialMs', initialMs);
  checkFactor(factor);
  checkLongest(maxMs, 'initialMs', initialMs);
  checkChoice('jitter', jitter, ['full', 'equal', 'none']);
  checkRandom(random);
  return (failures) => {
    // Not a number where the first factor is 0 and the second one beyond what a number holds.
    const boundMs = initialMs === 0 ? 0 : Math.min(initialMs * factor ** (failures - 1), maxMs);
    if (jitter === 'none') return Math.round(boundMs);
    const leastMs = jitter === 'equal' ? boundMs / 2 : 0;
    return Math.round(leastMs + random.next() * (boundMs - leastMs));
  };
}

/** @throws RangeError or TypeError (`ERR_VARVE_INVALID_ARGUMENT`) */
export function checkDelay(name: string, delayMs: number): number {
  return checkInteger(name, delayMs, { min: 0, max: RETRY_DELAY_MS_MAX });
}

/** The first delay would be the longest one already, which nobody means. */
function checkLongest(maxMs: number, firstName: string, firstMs: number): void {
  checkDelay('maxMs', maxMs);
  if (maxMs >= firstMs) return;
  const wanted = `at least \`${firstName}\`, which is ${firstMs}`;
  throw argumentError(RangeError, 'maxMs', wanted, maxMs);
}

function checkFactor(factor: number): void {
  if (typeof factor !== 'number') throw argumentError(TypeError, 'factor', 'a number', factor);
  if (!(factor >= 1 && factor <= FACTOR_MAX)) {
    throw argumentError(RangeError, 'factor', `a number from 1 to ${FACTOR_MAX}`, factor);
  }
}

function checkRandom(random: Random): void {
  if (random === null || typeof random !== 'object' || typeof random.next !== 'function') {
    throw argumentError(TypeError, 'random', 'an object with a method `next`', random);
  }
}
