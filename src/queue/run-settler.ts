/**
 * Settles what handlers leave behind: acks together what ended together, chooses what becomes of a
 * failed delivery, and tries again while the queue says that a later call can succeed and the lease
 * lives.
 */
import { argumentError } from '../core/assert.ts';
import type { DeliverySource, WorkerDelivery } from './delivery-source.ts';
import { reasonOf } from './error-text.ts';
import { isFinal, isLeaseLost, isReject, isRetryable, retryAfterOf } from './handler-errors.ts';
import { RETRY_DELAY_MS_MAX } from './retry-policy.ts';
import type { WorkerBackoff } from './worker-backoff.ts';
import type { WorkerSettings } from './worker-options.ts';
import type { WorkerRun } from './worker-run.ts';
import type { WorkerCounts } from './worker-stats.ts';

export interface RunSettlerOptions<D extends WorkerDelivery> {
  readonly source: DeliverySource<D>;
  readonly settings: WorkerSettings<D>;
  readonly backoff: WorkerBackoff;
  readonly counts: WorkerCounts;
  /** Aborted when nothing shall be tried again. */
  readonly stopSignal: AbortSignal;
  readonly report: (error: unknown, delivery: D | null) => void;
  readonly onSettled: (run: WorkerRun<D>) => void;
  /** The queue is of no use any more. */
  readonly onFinal: (error: unknown) => void;
}

/** As what a delivery is counted; null = no handler ever got it. */
type Ending = 'handled' | 'failed' | 'postponed' | 'rejected' | 'abandoned' | null;

/** What is done with a delivery. */
interface Answer {
  readonly ending: Ending;
  readonly isRetried?: boolean;
  readonly call: () => Promise<void>;
}

/** Until a record is handed out again whose transaction had no room on the disk, or in the queue. */
const REFUSED_DELAY_MS = 1000;

export class RunSettler<D extends WorkerDelivery> {
  readonly #options: RunSettlerOptions<D>;
  /** Their handlers have returned since the last flush. */
  #returned: WorkerRun<D>[] = [];

  constructor(options: RunSettlerOptions<D>) {
    this.#options = options;
  }

  /** The handler returned: acks what it has not settled itself. */
  ack(run: WorkerRun<D>): void {
    this.#returned.push(run);
    if (this.#returned.length === 1) queueMicrotask(() => this.#flush());
  }

  /** The handler returned, and its transaction is committed with the acks. */
  committed(run: WorkerRun<D>): void {
    this.#options.counts.handled += run.deliveries.length;
    this.#options.onSettled(run);
  }

  /** The handler returned, and its transaction was refused: nothing of it happened. */
  async refused(run: WorkerRun<D>, error: unknown): Promise<void> {
    const isTransient = isRetryable(error) || isLeaseLost(error) || isFinal(error);
    if (!isTransient) return this.fail(run, error); // It will be too large again.
    const unsettled = this.#unsettledOf(run.deliveries);
    const { counts, report, onFinal, onSettled } = this.#options;
    if (!isLeaseLost(error)) counts.sourceFailures++;
    if (isFinal(error)) {
      onFinal(error);
      this.#giveUp(unsettled.length);
    } else {
      const delayMs = isLeaseLost(error) ? 0 : REFUSED_DELAY_MS;
      if (!isLeaseLost(error)) for (const delivery of unsettled) report(error, delivery);
      await Promise.all(
        unsettled.map((delivery) =>
          this.#settle(delivery, {
            ending: 'postponed',
            call: () => delivery.release({ delayMs, error }),
          }),
        ),
      );
    }
    onSettled(run);
  }

  /** The handler threw. */
  async fail(run: WorkerRun<D>, error: unknown): Promise<void> {
    const unsettled = this.#unsettledOf(run.deliveries);
    const isAsked = retryAfterOf(error) !== null || isReject(error);
    // A lost lease is told of when the delivery proves to be lost.
    const isToldLater = isLeaseLost(error) && unsettled.length > 0;
    if (!isAsked && !isToldLater) this.#tell(error, unsettled, run);
    await Promise.all(
      unsettled.map(async (delivery) => {
        const isHeld = await this.#settle(delivery, this.#answerTo(error, delivery));
        if (isToldLater && isHeld) this.#options.report(error, delivery);
      }),
    );
    this.#options.onSettled(run);
  }

  #tell(error: unknown, unsettled: readonly D[], { deliveries }: WorkerRun<D>): void {
    // What it settled is settled, but that it failed shall not go unseen.
    const concerned = unsettled.length > 0 ? unsettled : deliveries.slice(0, 1);
    for (const delivery of concerned) this.#options.report(error, delivery);
  }

  /** Nobody waits for the handler any more. */
  async abandon(run: WorkerRun<D>): Promise<void> {
    await Promise.all(
      this.#unsettledOf(run.deliveries).map((delivery) =>
        this.#settle(delivery, { ending: 'abandoned', call: () => delivery.release() }),
      ),
    );
    this.#options.onSettled(run);
  }

  /** No handler got them. */
  async giveBack(deliveries: readonly D[]): Promise<void> {
    await Promise.all(
      deliveries.map((delivery) =>
        this.#settle(delivery, { ending: null, call: () => delivery.giveBack() }),
      ),
    );
  }

  #flush(): void {
    const runs = this.#returned;
    this.#returned = [];
    const unsettled: D[] = [];
    for (const { deliveries } of runs) {
      for (const delivery of deliveries) {
        if (delivery.isSettled) this.#options.counts.handled++;
        else unsettled.push(delivery);
      }
    }
    void this.#ackRuns(runs, unsettled);
  }

  async #ackRuns(runs: readonly WorkerRun<D>[], unsettled: readonly D[]): Promise<void> {
    if (unsettled.length > 0) await this.#ackAll(unsettled);
    for (const run of runs) this.#options.onSettled(run);
  }

  async #ackAll(deliveries: readonly D[]): Promise<void> {
    const { source, counts } = this.#options;
    let unsettled = deliveries;
    for (let failures = 1; ; failures++) {
      try {
        await source.ackAll(unsettled);
        counts.handled += unsettled.length;
        return;
      } catch (error) {
        unsettled = this.#unsettledOf(unsettled);
        if (!isRetryable(error)) return this.#ackRest(unsettled, error);
        if (!(await this.#mayTryAgain(error, failures, null))) {
          this.#giveUp(unsettled.length);
          return;
        }
      }
    }
  }

  /** @param error  why they could not be acked together with others */
  async #ackRest(unsettled: readonly D[], error: unknown): Promise<void> {
    // All ended all the same, and the writer failed behind them: nobody else says so.
    if (unsettled.length === 0) await this.#mayTryAgain(error, 1, null);
    await this.#ackEach(unsettled);
  }

  /** Each learns its own fate: most often the lease of one was lost, and the others are acked. */
  async #ackEach(deliveries: readonly D[]): Promise<void> {
    await Promise.all(
      deliveries.map((delivery) =>
        this.#settle(delivery, { ending: 'handled', call: () => delivery.ack() }),
      ),
    );
  }

  /** @returns whether the lease lived */
  async #settle(delivery: D, { ending, isRetried = false, call }: Answer): Promise<boolean> {
    const { counts } = this.#options;
    for (let failures = 1; ; failures++) {
      try {
        await call();
        if (ending !== null) counts[ending]++;
        if (isRetried) counts.retried++;
        return true;
      } catch (error) {
        if (isLeaseLost(error)) return this.#lost(error, delivery, ending);
        if (await this.#mayTryAgain(error, failures, delivery)) continue;
        if (ending !== null) this.#giveUp(1);
        return true;
      }
    }
  }

  #lost(error: unknown, delivery: D, ending: Ending): false {
    if (ending === null) return false; // No handler has had it: nothing is lost.
    this.#options.counts.lostLeases++;
    this.#options.report(error, delivery);
    return false;
  }

  /** Waits before a settlement is tried again; false when it is not. */
  async #mayTryAgain(error: unknown, failures: number, delivery: D | null): Promise<boolean> {
    const { counts, report, backoff, stopSignal: signal, onFinal } = this.#options;
    counts.sourceFailures++;
    if (isFinal(error)) {
      onFinal(error);
      return false;
    }
    report(error, delivery);
    if (!isRetryable(error) || signal.aborted) return false;
    await backoff.wait({ failures, signal });
    return true; // A last time when nothing shall be tried again.
  }

  #giveUp(count: number): void {
    const { counts, stopSignal } = this.#options;
    counts[stopSignal.aborted ? 'abandoned' : 'unsettled'] += count;
  }

  /** Those that the handler has not settled itself; the others are counted. */
  #unsettledOf(deliveries: readonly D[]): readonly D[] {
    const unsettled = deliveries.filter(({ isSettled }) => !isSettled);
    this.#options.counts.handled += deliveries.length - unsettled.length;
    return unsettled;
  }

  #answerTo(error: unknown, delivery: D): Answer {
    const askedMs = retryAfterOf(error);
    if (askedMs !== null) {
      const call = (): Promise<void> => delivery.release({ delayMs: askedMs, error });
      return { ending: 'postponed', call };
    }
    if (isReject(error)) {
      const { reason } = error;
      return { ending: 'rejected', call: () => delivery.reject(reason) };
    }
    const delayMs = this.#delayMs(error, delivery);
    const why = reasonOf(error);
    if (delayMs === null) return { ending: 'failed', call: () => delivery.reject(why) };
    const call = (): Promise<void> => delivery.release({ delayMs, failed: true, error: why });
    return { ending: 'failed', isRetried: true, call };
  }

  /** What the policy says; the default one where it fails, for the worker must go on. */
  #delayMs(error: unknown, delivery: D): number | null {
    const { settings, report } = this.#options;
    const failures = delivery.failures + 1;
    try {
      const delayMs = settings.retry(failures, error);
      if (delayMs === null) return null;
      if (typeof delayMs === 'number' && delayMs >= 0) {
        return Math.min(Math.round(delayMs), RETRY_DELAY_MS_MAX);
      }
      throw argumentError(TypeError, 'retry', 'a function that returns ms or null', delayMs);
    } catch (failure) {
      report(failure, delivery);
      return settings.defaultRetry(failures, error);
    }
  }
}
