/** What a read asks for, checked. */
import { checkSignal } from '../core/abort.ts';
import { argumentError, checkChoice, checkFunction, checkInteger } from '../core/assert.ts';
import { checkBoolean, plainOptions } from '../core/options.ts';
import type { LogGap } from './recovery-report.ts';

/**
 * Where a read begins: the first or the next record, an offset, the first record whose create time
 * is at or after `timestamp` (ms since the Unix epoch), or the last `last` offsets.
 */
export type ReadFrom =
  | 'earliest'
  | 'latest'
  | number
  | { readonly timestamp: number }
  | { readonly last: number }
  | { readonly offset: number; readonly epoch: number };

export interface ReadOptions {
  /** Default `earliest`. */
  readonly from?: ReadFrom | undefined;
  /** Offsets below this; default the visible end when the read begins, or none with `follow`. */
  readonly to?: number | undefined;
  /** At most this many records; default all. */
  readonly limit?: number | undefined;
  /** Waits for further records at the end instead of stopping; default false. */
  readonly follow?: boolean | undefined;
  /**
   * Whether the process stays alive while `follow` waits for further records; default true. False: it
   * ends when it has nothing else to do, as with a timer after `unref()`.
   */
  readonly keepsAlive?: boolean | undefined;
  /** Ends the read with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** `fail` (default) throws at damage; `skip` goes on behind it and reports each gap. */
  readonly onCorruption?: 'fail' | 'skip' | undefined;
  /** Called for each gap that `skip` passes. */
  readonly onGap?: ((gap: LogGap) => void) | undefined;
}

/** What the store reads for itself may ask for more. */
export interface SourceOptions extends ReadOptions {
  /** Whether it ends before what a power cut could take back; default false. */
  readonly isDurable?: boolean;
}

export interface ReadPlan {
  readonly from: ReadFrom;
  readonly to: number | null;
  readonly limit: number;
  readonly follow: boolean;
  readonly keepsAlive: boolean;
  readonly signal: AbortSignal | null;
  readonly skipsDamage: boolean;
  readonly onGap: ((gap: LogGap) => void) | null;
}

const KNOWN: ReadonlySet<string> = new Set<keyof ReadOptions>([
  'from',
  'to',
  'limit',
  'follow',
  'keepsAlive',
  'signal',
  'onCorruption',
  'onGap',
]);

/** Checks options. @throws TypeError or RangeError (`ERR_VARVE_INVALID_ARGUMENT`) */
export function planRead(given: ReadOptions): ReadPlan {
  const options = plainOptions(given, KNOWN);
  const { to, limit, onCorruption = 'fail', follow = false, keepsAlive = true } = options;
  checkSignal('signal', options.signal);
  if (options.onGap !== undefined) checkFunction('onGap', options.onGap);
  return {
    from: options.from === undefined ? 'earliest' : checkFrom(options.from),
    to: to === undefined ? null : checkInteger('to', to, { min: 0 }),
    limit:
      limit === undefined ? Number.POSITIVE_INFINITY : checkInteger('limit', limit, { min: 0 }),
    follow: checkBoolean('follow', follow),
    keepsAlive: checkBoolean('keepsAlive', keepsAlive),
    signal: options.signal ?? null,
    skipsDamage: checkChoice('onCorruption', onCorruption, ['fail', 'skip']) === 'skip',
    onGap: options.onGap ?? null,
  };
}

/** @throws TypeError, RangeError */
export function checkFrom(from: ReadFrom): ReadFrom {
  if (from === 'earliest' || from === 'latest') return from;
  if (typeof from === 'number') return checkInteger('from', from, { min: 0 });
  if (from !== null && typeof from === 'object') {
    if ('timestamp' in from) checkInteger('from.timestamp', from.timestamp, { min: 0 });
    else if ('last' in from) checkInteger('from.last', from.last, { min: 0 });
    else if ('offset' in from) {
      checkInteger('from.offset', from.offset, { min: 0 });
      checkInteger('from.epoch', from.epoch, { min: 0 });
    } else throw noPlace(from);
    return from;
  }
  throw noPlace(from);
}

function noPlace(from: unknown): TypeError {
  const forms = "'earliest', 'latest', an offset, { timestamp }, { last } or { offset, epoch }";
  return argumentError(TypeError, 'from', forms, from);
}
