/**
 * Renews leases and ends handlers that take too long: one timer each for all runs of a worker, since
 * a timer for each would cost more than most handlers.
 */
import type { ArrivalList } from '../core/arrival-list.ts';
import type { Clock, Timer } from '../core/clock.ts';
import type { WorkerDelivery } from './delivery-source.ts';
import { isLeaseLost } from './handler-errors.ts';
import type { WorkerRun } from './worker-run.ts';

export interface RunTimersOptions<D extends WorkerDelivery> {
  readonly clock: Clock;
  /** Runs that hold leases, in the order in which they started. */
  readonly held: ArrivalList<WorkerRun<D>>;
  readonly renewsLeases: boolean;
  /** To which leases are renewed; undefined = the queue's own. */
  readonly leaseMs: number | undefined;
  /** Null = a handler has any time. */
  readonly handlerTimeoutMs: number | null;
  readonly onTimeout: (run: WorkerRun<D>) => void;
  readonly onError: (error: unknown, delivery: D) => void;
}

/** Two looks at the leases are so much of a lease apart, at least, and renew what is due by the next. */
const RENEWAL_SPACING = 1 / 16;
const RENEWAL_SHARE = 1 / 2;
/** A timer that is so late, ms, was kept waiting by a blocked event loop. */
const STALL_MS = 100;

export class RunTimers<D extends WorkerDelivery> {
  readonly #options: RunTimersOptions<D>;
  /** How long leases are, as far as is known. */
  #leaseMs = 0;
  #renewal: Timer | null = null;
  #renewalDueMs = 0;
  #timeout: Timer | null = null;
  #timeoutDueMs = 0;

  constructor(options: RunTimersOptions<D>) {
    this.#options = options;
  }

  /** Deliveries came, with so much of their leases left. */
  leased(leaseMs: number): void {
    if (!this.#options.renewsLeases || !(leaseMs > 0)) return;
    this.#leaseMs = leaseMs;
    this.#armRenewal(this.#options.clock.monotonic() + leaseMs * RENEWAL_SHARE);
  }

  /** The handler of a run was called. */
  started({ startedMs }: WorkerRun<D>): void {
    const { handlerTimeoutMs } = this.#options;
    if (handlerTimeoutMs === null || this.#timeout !== null) return;
    this.#armTimeout(startedMs + handlerTimeoutMs, startedMs);
  }

  cancel(): void {
    this.#renewal?.cancel();
    this.#timeout?.cancel();
  }

  #armRenewal(dueMs: number): void {
    if (this.#renewal !== null && this.#renewalDueMs <= dueMs) return;
    this.#renewal?.cancel();
    const { clock } = this.#options;
    this.#renewalDueMs = dueMs;
    this.#renewal = clock.setTimer(() => this.#renewDue(), dueMs - clock.monotonic());
  }

  #renewDue(): void {
    this.#renewal = null;
    const { held, clock } = this.#options;
    const halfMs = this.#leaseMs * RENEWAL_SHARE;
    const spacingMs = this.#leaseMs * RENEWAL_SPACING;
    let nextMs = halfMs;
    for (const run of held) {
      for (const delivery of run.deliveries) {
        const leftMs = delivery.isSettled ? 0 : this.#renewIfDue(delivery, halfMs + spacingMs);
        if (leftMs > 0) nextMs = Math.min(nextMs, leftMs - halfMs);
      }
    }
    if (held.size > 0) this.#armRenewal(clock.monotonic() + Math.max(nextMs, spacingMs));
  }

  /** @returns what is left of the lease then */
  #renewIfDue(delivery: D, dueMs: number): number {
    const leftMs = delivery.leaseLeftMs;
    if (leftMs <= 0 || leftMs > dueMs) return leftMs;
    const { leaseMs, onError } = this.#options;
    try {
      delivery.renew(leaseMs);
    } catch (error) {
      // A lost lease is counted and told when the handler has ended.
      if (!isLeaseLost(error)) onError(error, delivery);
    }
    return delivery.leaseLeftMs;
  }

  #armTimeout(dueMs: number, nowMs: number): void {
    this.#timeoutDueMs = dueMs;
    this.#timeout = this.#options.clock.setTimer(() => this.#endOverdue(), dueMs - nowMs);
  }

  #endOverdue(): void {
    this.#timeout = null;
    const { clock, held, handlerTimeoutMs, onTimeout } = this.#options;
    if (handlerTimeoutMs === null) return;
    const nowMs = clock.monotonic();
    const lateMs = nowMs - this.#timeoutDueMs;
    // Whatever the others waited for may have come while one of them blocked the loop.
    if (lateMs > STALL_MS) {
      this.#armTimeout(nowMs + Math.min(lateMs, handlerTimeoutMs), nowMs);
      return;
    }
    for (const run of held) {
      if (run.state !== 'handling') continue;
      const dueMs = run.startedMs + handlerTimeoutMs;
      if (dueMs > nowMs) {
        this.#armTimeout(dueMs, nowMs);
        return;
      }
      onTimeout(run);
    }
  }
}
