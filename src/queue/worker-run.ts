/** What one call of a handler works on: one delivery, or a batch of them. */
import { onAbort } from '../core/abort.ts';
import { argumentError } from '../core/assert.ts';
import type { Transaction } from '../transaction/transaction.ts';
import type { WorkerDelivery } from './delivery-source.ts';
import type { TransactionalContext } from './worker-options.ts';

/** `gathering`: a batch that is not full. `settling`: the handler's result counts or came too late. */
export type RunState = 'gathering' | 'handling' | 'settling';

/**
 * The handler's context at the same time. Nothing here is made per delivery before somebody asks:
 * most handlers are over before they need a signal.
 */
export class WorkerRun<D extends WorkerDelivery> implements TransactionalContext {
  readonly deliveries: D[];
  state: RunState = 'gathering';
  /** On the monotonic clock: when its handler was called; until then, when its first record came. */
  startedMs: number;
  /** Its handler waits for the worker's end, which therefore cannot wait for the handler. */
  isDraining = false;
  /** Null where the worker is not transactional. */
  transaction: Transaction | null = null;
  #controller: AbortController | null = null;
  #isAborted = false;
  #abortReason: unknown = null;
  #renew: ((leaseMs?: number) => void) | null = null;

  constructor(deliveries: D[], startedMs: number) {
    this.deliveries = deliveries;
    this.startedMs = startedMs;
  }

  get signal(): AbortSignal {
    this.#controller ??= this.#makeController();
    return this.#controller.signal;
  }

  /** What handlers of others do not see. */
  get tx(): Transaction {
    if (this.transaction !== null) return this.transaction;
    throw argumentError(TypeError, 'transactional', 'true, of who uses `context.tx`', false);
  }

  get attempt(): number {
    let most = 0;
    for (const { attempt } of this.deliveries) most = Math.max(most, attempt);
    return most;
  }

  get renew(): (leaseMs?: number) => void {
    this.#renew ??= (leaseMs) => this.#renewAll(leaseMs);
    return this.#renew;
  }

  /** Nobody waits for the handler any more: it is told so, and its transaction is over, whatever it does. */
  abandon(reason: unknown): void {
    this.#abort(reason);
    this.transaction?.abandon(reason);
  }

  #makeController(): AbortController {
    const controller = new AbortController();
    // At once where a lease was lost before anybody asked.
    for (const { signal } of this.deliveries) onAbort(signal, () => this.#lost(signal));
    if (this.#isAborted) controller.abort(this.#abortReason);
    return controller;
  }

  /** Tells the handler that its result is of no use; the first reason stays. */
  #abort(reason: unknown): void {
    if (this.#isAborted) return;
    this.#isAborted = true;
    this.#abortReason = reason;
    this.#controller?.abort(reason);
  }

  /** The work is of use as long as one record of it can still be settled. */
  #lost({ reason }: AbortSignal): void {
    if (!this.deliveries.some(isHeld)) this.#abort(reason);
  }

  #renewAll(leaseMs: number | undefined): void {
    // It may be any value that a caller has aborted with.
    // oxlint-disable-next-line typescript/only-throw-error -- the reason is kept as it is
    if (this.#isAborted) throw this.#abortReason;
    let isRenewed = false;
    let failure: unknown = null;
    for (const delivery of this.deliveries) {
      if (delivery.isSettled) continue;
      try {
        delivery.renew(leaseMs);
        isRenewed = true;
      } catch (error) {
        failure ??= error;
      }
    }
    // oxlint-disable-next-line typescript/only-throw-error -- what `renew` threw, as it is
    if (!isRenewed && failure !== null) throw failure;
  }
}

/** Its lease lives, as far as anybody was told. */
function isHeld({ signal, isSettled }: WorkerDelivery): boolean {
  return !signal.aborted && !isSettled;
}
