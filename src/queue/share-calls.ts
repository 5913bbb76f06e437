/** What the calls of a share group accept, checked. */
import { checkSignal } from '../core/abort.ts';
import { argumentError, checkInteger } from '../core/assert.ts';
import { checkBoolean, plainOptions } from '../core/options.ts';
import type { ReleaseOptions } from './delivery.ts';
import { checkLeaseMs } from './share-settings.ts';

export interface AcquireOptions {
  /** Records at most, 1..100_000; default 1. */
  readonly max?: number | undefined;
  /** How long the leases last, ms, 10..43_200_000; default that of the group. */
  readonly leaseMs?: number | undefined;
  /**
   * Waits so long for a record, ms, when none is ready: up to Infinity; default 0. As soon as one is,
   * it resolves with what is ready then.
   */
  readonly waitMs?: number | undefined;
  /** Ends the wait with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Whether the process stays alive while it waits; default true. */
  readonly keepsAlive?: boolean | undefined;
}

export interface DeliveriesOptions {
  readonly leaseMs?: number | undefined;
  /** Ends the iteration with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Whether the process stays alive while it waits; default true. */
  readonly keepsAlive?: boolean | undefined;
}

const ACQUIRE_MAX = 100_000;
const DELAY_MS_MAX = 10 * 366 * 24 * 60 * 60 * 1000;

const ACQUIRE_KEYS: ReadonlySet<string> = new Set<keyof AcquireOptions>([
  'max',
  'leaseMs',
  'waitMs',
  'signal',
  'keepsAlive',
]);
const DELIVERIES_KEYS: ReadonlySet<string> = new Set<keyof DeliveriesOptions>([
  'leaseMs',
  'signal',
  'keepsAlive',
]);
const RELEASE_KEYS: ReadonlySet<string> = new Set<keyof ReleaseOptions>([
  'delayMs',
  'failed',
  'error',
]);

/** With every default filled in. @throws TypeError, RangeError */
export function checkAcquireOptions(given: AcquireOptions, groupLeaseMs: number) {
  const options = plainOptions(given, ACQUIRE_KEYS);
  const { max = 1, waitMs = 0, leaseMs = groupLeaseMs, signal, keepsAlive = true } = options;
  checkInteger('max', max, { min: 1, max: ACQUIRE_MAX });
  checkLeaseMs(leaseMs);
  if (typeof waitMs !== 'number' || !(waitMs >= 0)) {
    throw argumentError(RangeError, 'waitMs', 'a number from 0 on', waitMs);
  }
  checkSignal('signal', signal);
  return { max, waitMs, leaseMs, signal, keepsAlive: checkBoolean('keepsAlive', keepsAlive) };
}

/** @throws TypeError, RangeError */
export function checkDeliveriesOptions(given: DeliveriesOptions): DeliveriesOptions {
  const options = plainOptions(given, DELIVERIES_KEYS);
  const { leaseMs, signal, keepsAlive = true } = options;
  if (leaseMs !== undefined) checkLeaseMs(leaseMs);
  checkSignal('signal', signal);
  return { leaseMs, signal, keepsAlive: checkBoolean('keepsAlive', keepsAlive) };
}

/** With every default filled in. @throws TypeError, RangeError */
export function checkReleaseOptions(given: ReleaseOptions) {
  const { delayMs = 0, failed = false, error } = plainOptions(given, RELEASE_KEYS);
  checkInteger('delayMs', delayMs, { min: 0, max: DELAY_MS_MAX });
  return { delayMs, failed: checkBoolean('failed', failed), error };
}
