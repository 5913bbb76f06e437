/** What appends take beside the records, what they answer, and who waits for that. */
import { checkSignal } from '../core/abort.ts';
import { argumentError, checkChoice, checkInteger } from '../core/assert.ts';
import { unknownKey } from '../core/options.ts';
import type { Waiter } from './ack-queue.ts';
import { DURABILITY_LEVELS, type DurabilityLevel } from './log-options.ts';

export interface AppendOptions {
  /** When to answer; default the log's level. */
  readonly durability?: DurabilityLevel | undefined;
  /** Append only if the first record gets this offset, else WrongOffsetError. */
  readonly expectedOffset?: number | undefined;
  /** Stops waiting with the signal's reason; a record that was already taken stays appended. */
  readonly signal?: AbortSignal | undefined;
}

export interface AppendResult {
  readonly offset: number;
  /** The level that was reached. */
  readonly durability: DurabilityLevel;
}

export interface AppendBatchResult {
  /** Offset of the first record; the others follow without a gap. */
  readonly baseOffset: number;
  readonly recordCount: number;
  /** The level that was reached by all of them. */
  readonly durability: DurabilityLevel;
}

/** One for all calls: an object per append costs more than its fields. */
export const NO_OPTIONS: AppendOptions & { readonly epoch?: number } = Object.freeze({});

/** `AppendOptions`, checked, with the level filled in. */
export interface CheckedAppendOptions extends AppendOptions {
  readonly durability: DurabilityLevel;
}

const KNOWN: ReadonlySet<string> = new Set<keyof AppendOptions>([
  'durability',
  'expectedOffset',
  'signal',
]);

/**
 * Reads each option once: a getter is user code, which may append.
 *
 * @throws TypeError, RangeError (`ERR_VARVE_INVALID_ARGUMENT`)
 */
export function checkAppendOptions(
  options: AppendOptions,
  level: DurabilityLevel,
): CheckedAppendOptions {
  checkAppendKeys(options, KNOWN);
  const { durability = level, expectedOffset, signal } = options;
  if (expectedOffset !== undefined) checkInteger('expectedOffset', expectedOffset, { min: 0 });
  checkChoice('durability', durability, DURABILITY_LEVELS);
  checkSignal('signal', signal);
  return { durability, expectedOffset, signal };
}

/** As `plainOptions`, without a copy: some append with options each time. */
export function checkAppendKeys(options: object, known: ReadonlySet<string>): void {
  if (options === null || typeof options !== 'object') {
    throw argumentError(TypeError, 'options', 'an object', options);
  }
  for (const key of Object.keys(options)) {
    if (!known.has(key)) throw argumentError(TypeError, 'options', unknownKey(key, known), options);
  }
}

type Reject = (error: Error) => void;

/** An `append` that waits: one object rather than a closure for each outcome, 1.5 times the rate. */
export class PendingAppend implements Waiter {
  readonly baseOffset: number;
  readonly nextOffset: number;
  readonly asked: DurabilityLevel;
  readonly fail: Reject;
  readonly #resolve: (result: AppendResult) => void;

  constructor(
    offset: number,
    asked: DurabilityLevel,
    resolve: (result: AppendResult) => void,
    reject: Reject,
  ) {
    this.baseOffset = offset;
    this.nextOffset = offset + 1;
    this.asked = asked;
    this.fail = reject;
    this.#resolve = resolve;
  }

  complete(durability: DurabilityLevel): void {
    this.#resolve({ offset: this.baseOffset, durability });
  }
}
