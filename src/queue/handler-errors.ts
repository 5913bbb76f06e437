/** What a handler throws to say what becomes of its record, and what a worker knows of errors. */
import { isStoreError } from '../core/errors.ts';
import { checkDelay, RETRY_DELAY_MS_MAX } from './retry-policy.ts';

/** By which the classes are known, also when two copies of the package are loaded. */
const RETRY_AFTER = Symbol.for('varve.retry-after');
const REJECT = Symbol.for('varve.reject');

/**
 * Thrown by a handler: the record is delivered again, after `delayMs`, and this attempt does not
 * count as a failure. For what cannot be done yet: a limit was reached, a service asks to wait.
 */
export class RetryAfter extends Error {
  readonly [RETRY_AFTER] = true;
  readonly delayMs: number;

  /**
   * @param delayMs  ms, 0..365 days
   * @throws RangeError or TypeError (`ERR_VARVE_INVALID_ARGUMENT`), which counts as a failure
   */
  constructor(delayMs: number, options?: ErrorOptions) {
    checkDelay('delayMs', delayMs);
    super(`again after ${delayMs} ms`, options);
    this.name = 'RetryAfter';
    this.delayMs = delayMs;
  }
}

/**
 * Thrown by a handler: no attempt will ever succeed, so the record is dead at once, with reason
 * `rejected`, in the dead-letter queue when there is one.
 */
export class Reject extends Error {
  readonly [REJECT] = true;
  /** A text or an error, kept with the record. */
  readonly reason: unknown;

  constructor(reason?: unknown, options?: ErrorOptions) {
    super(textOf(reason), options);
    this.name = 'Reject';
    this.reason = reason;
  }
}

function textOf(reason: unknown): string {
  if (reason instanceof Error) return reason.message;
  return typeof reason === 'string' ? reason : 'rejected';
}

/** Ms that a handler asks to wait; null when it threw something else. */
export function retryAfterOf(error: unknown): number | null {
  if (!isMarked(error, RETRY_AFTER, 'RetryAfter') || !('delayMs' in error)) return null;
  const { delayMs } = error; // Of another copy: nobody has checked it here.
  if (typeof delayMs !== 'number' || !(delayMs >= 0)) return null;
  return Math.min(Math.round(delayMs), RETRY_DELAY_MS_MAX);
}

/** Whether a handler asks for the record's death. */
export function isReject(error: unknown): error is Reject {
  return isMarked(error, REJECT, 'Reject') && 'reason' in error;
}

function isMarked(error: unknown, marker: symbol, name: string): error is Error {
  return error instanceof Error && error.name === name && marker in error;
}

/** The lease is over: what was asked of it has changed nothing. */
export function isLeaseLost(error: unknown): boolean {
  return isStoreError(error, 'ERR_VARVE_LEASE_LOST');
}

/** The same call can succeed later. */
export function isRetryable(error: unknown): boolean {
  return error instanceof Error && 'retryable' in error && error.retryable === true;
}

/** Whether the queue is of no use any more: it was closed, or its writer stopped for good. */
export function isFinal(error: unknown): boolean {
  return isClosed(error) || isStoreError(error, 'ERR_VARVE_FAILED');
}

/** Whether the queue was closed. */
export function isClosed(error: unknown): boolean {
  return isStoreError(error, 'ERR_VARVE_CLOSED');
}

/** What `AbortSignal.timeout` would give: a handler branches on its name, `TimeoutError`. */
export function timeoutError(timeoutMs: number): Error {
  return new DOMException(`the handler took more than ${timeoutMs} ms`, 'TimeoutError');
}
