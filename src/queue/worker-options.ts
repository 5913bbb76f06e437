/** What `work` accepts, checked. */
import { checkSignal } from '../core/abort.ts';
import { argumentError, checkChoice, checkFunction, checkInteger } from '../core/assert.ts';
import { checkBoolean, plainOptions } from '../core/options.ts';
import { systemRandom, type Random } from '../core/random.ts';
import type { Transaction } from '../transaction/transaction.ts';
import type { WorkerDelivery } from './delivery-source.ts';
import { exponential, fixed, linear, type RetryPolicy } from './retry-policy.ts';
import { checkLeaseMs } from './share-settings.ts';

/** What a handler gets besides what it handles. Members may be taken off it. */
export interface HandlerContext {
  /**
   * Aborted when the result is of no use any more, with the reason: LeaseLostError (of a batch: when
   * no lease of it lives), a `TimeoutError` after `handlerTimeoutMs`, ClosedError when the worker was
   * closed or its drain ran out of patience.
   */
  readonly signal: AbortSignal;
  /** How often the record was acquired, from 1; of a batch, the record acquired most often. */
  readonly attempt: number;
  /**
   * Extends the lease, of a batch all that live and are unsettled.
   *
   * @throws LeaseLostError when none lives; the signal's reason once it is aborted
   */
  readonly renew: (leaseMs?: number) => void;
}

/** What a handler of a transactional worker gets. */
export interface TransactionalContext extends HandlerContext {
  /** Committed, with the acks of what the handler did not settle itself, when it has ended well. */
  readonly tx: Transaction;
}

/**
 * Handles one record. When it returns, or its promise resolves, the record is acked; when it throws,
 * the attempt has failed, but for a `RetryAfter` or a `Reject`. A record that it settled itself is
 * left alone.
 */
export type Handler<D extends WorkerDelivery> = (delivery: D, context: HandlerContext) => unknown;

/** Handles a batch, the same way: what it did not settle itself shares one fate. */
export type BatchHandler<D extends WorkerDelivery> = (
  deliveries: readonly D[],
  context: HandlerContext,
) => unknown;

export type TransactionalHandler<D extends WorkerDelivery> = (
  delivery: D,
  context: TransactionalContext,
) => unknown;

export type TransactionalBatchHandler<D extends WorkerDelivery> = (
  deliveries: readonly D[],
  context: TransactionalContext,
) => unknown;

/** Either kind of handler. A method, for its parameter is then compared both ways. */
export type AnyHandler<D extends WorkerDelivery> = {
  handle(work: D | readonly D[], context: TransactionalContext): unknown;
}['handle'];

/** Batches by count or time: whichever comes first. */
export interface BatchOptions {
  /** Records of a batch, 1..10_000. */
  readonly max: number;
  /** Ms from its first record on until a batch is handled although it is not full, 0..3_600_000. */
  readonly waitMs: number;
}

export interface WorkerOptions<D extends WorkerDelivery = WorkerDelivery> {
  /**
   * Handlers that run at a time, 1..10_000; default 1. A handler is free when it returns; of what is
   * handled and not durably acknowledged yet there are at most as many again, or 16 in all, which is
   * what a crash has handled twice.
   */
  readonly concurrency?: number | undefined;
  /** When a failed record is delivered again; default exponential with full jitter, 1 s to 5 min. */
  readonly retry?: RetryPolicy | undefined;
  /** Ms until a handler that has not ended counts as failed, 1..86_400_000; default: it has any time. */
  readonly handlerTimeoutMs?: number | undefined;
  /** `auto` (default): leases are renewed while the handler runs, at half of their time. */
  readonly renew?: 'auto' | 'off' | undefined;
  /**
   * Each call of the handler gets a transaction, `context.tx`: committed with the acks when it ends well,
   * abandoned when it fails; default false.
   */
  readonly transactional?: boolean | undefined;
  /** Of each lease, ms, 10..43_200_000; default: the queue's. */
  readonly leaseMs?: number | undefined;
  /** The handler gets arrays; default: single deliveries. */
  readonly batch?: BatchOptions | undefined;
  /**
   * Told of whatever goes wrong: what a handler threw, but for `RetryAfter` and `Reject`; a handler
   * that took too long; a lease that was lost; a settlement or an acquire that failed (also one that
   * is tried again); a policy that failed. The delivery is null when it is about none.
   */
  readonly onError?: ((error: unknown, delivery: D | null) => unknown) | undefined;
  /** Ends the worker as `drain()` does. */
  readonly signal?: AbortSignal | undefined;
  /** For warnings and `stats()`; default `worker`. */
  readonly name?: string | undefined;
  /** Whether the process stays alive while the worker works or waits; default true. */
  readonly keepsAlive?: boolean | undefined;
}

/** `WorkerOptions` with every default filled in. */
export interface WorkerSettings<D extends WorkerDelivery> {
  readonly concurrency: number;
  readonly retry: RetryPolicy;
  /** What counts when `retry` fails. */
  readonly defaultRetry: RetryPolicy;
  readonly handlerTimeoutMs: number | null;
  readonly renewsLeases: boolean;
  readonly leaseMs: number | undefined;
  readonly isTransactional: boolean;
  readonly batch: BatchOptions | null;
  readonly onError: ((error: unknown, delivery: D | null) => unknown) | null;
  readonly signal: AbortSignal | undefined;
  readonly name: string;
  readonly keepsAlive: boolean;
  readonly random: Random;
}

const CONCURRENCY_MAX = 10_000;
const BATCH_RECORDS_MAX = 10_000;
const BATCH_WAIT_MS_MAX = 60 * 60 * 1000;
const HANDLER_TIMEOUT_MS_MAX = 24 * 60 * 60 * 1000;

const KNOWN: ReadonlySet<string> = new Set<keyof WorkerOptions>([
  'concurrency',
  'retry',
  'handlerTimeoutMs',
  'renew',
  'leaseMs',
  'transactional',
  'batch',
  'onError',
  'signal',
  'name',
  'keepsAlive',
]);
const KNOWN_OF_BATCH: ReadonlySet<string> = new Set<keyof BatchOptions>(['max', 'waitMs']);

/** @throws TypeError or RangeError (`ERR_VARVE_INVALID_ARGUMENT`) */
export function resolveWorkerOptions<D extends WorkerDelivery>(
  given: WorkerOptions<D>,
  random: Random = systemRandom,
): WorkerSettings<D> {
  const options = plainOptions(given, KNOWN);
  const { concurrency = 1, handlerTimeoutMs, leaseMs, onError, signal } = options;
  const defaultRetry = exponential({ random });
  const { retry = defaultRetry, renew = 'auto', name = 'worker', keepsAlive = true } = options;
  checkRetry(retry);
  if (onError !== undefined) checkFunction('onError', onError);
  checkSignal('signal', signal);
  return Object.freeze({
    concurrency: checkInteger('concurrency', concurrency, { min: 1, max: CONCURRENCY_MAX }),
    retry,
    defaultRetry,
    handlerTimeoutMs: checkTimeout(handlerTimeoutMs),
    renewsLeases: checkChoice('renew', renew, ['auto', 'off']) === 'auto',
    leaseMs: checkLease(leaseMs),
    isTransactional: checkBoolean('transactional', options.transactional ?? false),
    batch: options.batch === undefined ? null : checkBatch(options.batch),
    onError: onError ?? null,
    signal,
    name: checkName(name),
    keepsAlive: checkBoolean('keepsAlive', keepsAlive),
    random,
  });
}

/** What makes policies is a function, too: handed in without a call, it would fail at every failure. */
const POLICY_MAKERS: ReadonlySet<unknown> = new Set([fixed, linear, exponential]);

function checkRetry(retry: RetryPolicy): void {
  checkFunction('retry', retry);
  if (!POLICY_MAKERS.has(retry)) return;
  const expected = `a policy, as \`${retry.name}\` returns one when it is called`;
  throw argumentError(TypeError, 'retry', expected, retry);
}

function checkTimeout(timeoutMs: number | undefined): number | null {
  if (timeoutMs === undefined) return null;
  return checkInteger('handlerTimeoutMs', timeoutMs, { min: 1, max: HANDLER_TIMEOUT_MS_MAX });
}

function checkLease(leaseMs: number | undefined): number | undefined {
  return leaseMs === undefined ? undefined : checkLeaseMs(leaseMs);
}

function checkBatch(given: BatchOptions): BatchOptions {
  const { max, waitMs } = plainOptions(given, KNOWN_OF_BATCH, 'batch');
  return Object.freeze({
    max: checkInteger('batch.max', max, { min: 1, max: BATCH_RECORDS_MAX }),
    waitMs: checkInteger('batch.waitMs', waitMs, { min: 0, max: BATCH_WAIT_MS_MAX }),
  });
}

function checkName(name: string): string {
  if (typeof name !== 'string' || name === '') {
    throw argumentError(TypeError, 'name', 'a text that is not empty', name);
  }
  return name;
}
