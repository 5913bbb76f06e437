/** The transactions of a store that are not over: how long each may take, and their end with the store. */
import { onAbort } from '../core/abort.ts';
import { ArrivalList } from '../core/arrival-list.ts';
import { checkFunction } from '../core/assert.ts';
import type { Clock, Timer } from '../core/clock.ts';
import type { ClosedError } from '../core/errors.ts';
import type { TransactionSettings } from './transaction-options.ts';
import { TransactionTally, type TransactionCounts } from './transaction-counts.ts';
import { Transaction } from './transaction.ts';
import { TransactionRun, type OpenState, type RunHome } from './transaction-run.ts';

/** A transaction that is not over. */
export interface OpenTransaction {
  /** Grows with each that is begun, from 1. */
  readonly id: number;
  /** As it was given; may be empty. */
  readonly name: string;
  readonly state: OpenState;
  /** When it was begun, wall time. */
  readonly startedMs: number;
  /** Of what it has collected, as counted for its limit. */
  readonly sizeBytes: number;
  /** Records. */
  readonly appendCount: number;
  readonly ackCount: number;
  readonly positionCount: number;
}

export interface TimedOutTransaction {
  /** As it was given; may be empty. */
  readonly name: string;
  /** Since it was begun, by the wall clock. */
  readonly durationMs: number;
}

export interface TransactionRegistryParts extends Pick<RunHome, 'journal' | 'committer'> {
  readonly clock: Clock;
}

export class TransactionRegistry {
  readonly #clock: Clock;
  readonly #home: RunHome;
  readonly #open = new ArrivalList<TransactionRun>();
  readonly #tally = new TransactionTally();
  /** Told of each that took too long. Must not throw. */
  onTimedOut: (timedOut: TimedOutTransaction) => void = () => undefined;
  #count = 0;
  #busyCount = 0;
  #whenIdle: (() => void) | null = null;
  #closed: ClosedError | null = null;
  /** Of the first that may take too long: one for all of them, as nearly none does. */
  #timer: Timer | null = null;
  #timerMs = Number.POSITIVE_INFINITY;

  constructor({ journal, committer, clock }: TransactionRegistryParts) {
    this.#clock = clock;
    this.#home = {
      journal,
      committer,
      clock,
      over: (run) => this.#open.delete(run),
      decided: ({ label }, outcome) => {
        this.#tally.add(outcome);
        if (outcome !== 'timed-out') return;
        const { name, startedMs } = label;
        this.onTimedOut({ name, durationMs: Math.max(0, clock.now() - startedMs) });
      },
      busy: (by) => {
        this.#busyCount += by;
        if (this.#busyCount === 0) this.#whenIdle?.();
      },
    };
  }

  /** Runs `action`, then commits what it has collected. @throws as `Store.transaction`, or rejects so */
  run<R>(
    action: (transaction: Transaction) => R | Promise<R>,
    { timeoutMs, signal, confirm = 'committed', name }: TransactionSettings,
  ): Promise<R> {
    checkFunction('action', action);
    signal?.throwIfAborted();
    if (this.#closed !== null) throw this.#closed;
    const deadlineMs =
      timeoutMs === null ? Number.POSITIVE_INFINITY : this.#clock.monotonic() + timeoutMs;
    const startedMs = this.#clock.now();
    const run = new TransactionRun<R>(this.#home, {
      id: ++this.#count,
      name,
      startedMs,
      deadlineMs,
    });
    this.#open.add(run);
    if (deadlineMs < this.#timerMs) this.#setTimer(deadlineMs);
    const transaction = new Transaction(run);
    const unwatch =
      signal === undefined ? null : onAbort(signal, () => void run.abort(signal.reason));
    const committed = run.run(action, transaction);
    if (unwatch !== null) committed.then(unwatch, unwatch);
    return confirm === 'committed' ? committed : arrived(committed, run, signal);
  }

  counts(): TransactionCounts {
    return this.#tally.counts(this.#open.size);
  }

  /** Oldest first. */
  list(): readonly OpenTransaction[] {
    return Array.from(this.#open, (run) => {
      const { state, sizeBytes, recordCount: appendCount, ackCount, positionCount } = run;
      const { id, name, startedMs } = run.label;
      return { id, name, state, startedMs, sizeBytes, appendCount, ackCount, positionCount };
    });
  }

  /** Takes no more, and ends those that are not being committed. Resolves when the others are. */
  async close(error: ClosedError): Promise<void> {
    this.#closed = error;
    this.#timer?.cancel();
    for (const run of this.#open) run.close(error);
    while (this.#busyCount > 0) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
      });
    }
  }

  #setTimer(deadlineMs: number): void {
    this.#timer?.cancel();
    this.#timerMs = deadlineMs;
    const delayMs = deadlineMs - this.#clock.monotonic();
    this.#timer = this.#clock.setTimer(() => this.#endLate(), delayMs);
  }

  #endLate(): void {
    this.#timerMs = Number.POSITIVE_INFINITY;
    const nowMs = this.#clock.monotonic();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const run of this.#open) {
      const { deadlineMs } = run.label;
      if (deadlineMs <= nowMs) run.timeOut();
      else nextMs = Math.min(nextMs, deadlineMs);
    }
    if (nextMs < Number.POSITIVE_INFINITY) this.#setTimer(nextMs);
  }
}

/** It is over by then: neither its time nor the closing of the store waits for that. */
async function arrived<R>(
  committed: Promise<R>,
  run: TransactionRun<R>,
  signal: AbortSignal | undefined,
): Promise<R> {
  const result = await committed;
  await run.arrived(signal);
  return result;
}
