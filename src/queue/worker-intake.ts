/**
 * Takes deliveries for a worker: never more than its handlers can begin with at once, one acquire at
 * a time, and never in a hurry when the queue has nothing or fails.
 */
import type { ArrivalList } from '../core/arrival-list.ts';
import { Bell } from '../core/bell.ts';
import type { DeliverySource, WorkerDelivery } from './delivery-source.ts';
import { isRetryable } from './handler-errors.ts';
import type { WorkerBackoff } from './worker-backoff.ts';
import type { WorkerSettings } from './worker-options.ts';
import { WorkerRun } from './worker-run.ts';
import type { WorkerCounts } from './worker-stats.ts';

export interface WorkerIntakeOptions<D extends WorkerDelivery> {
  readonly source: DeliverySource<D>;
  readonly settings: WorkerSettings<D>;
  readonly backoff: WorkerBackoff;
  readonly counts: WorkerCounts;
  /** Runs that hold leases: also a batch that is not full. */
  readonly held: ArrivalList<WorkerRun<D>>;
  /** For how many more runs there is a handler now. */
  readonly room: () => number;
  readonly start: (run: WorkerRun<D>) => void;
  /** Deliveries came, with so much of their leases left. */
  readonly leased: (leaseMs: number) => void;
  readonly giveBack: (deliveries: readonly D[]) => Promise<void>;
  readonly report: (error: unknown) => void;
  /** The queue is of no use any more. */
  readonly onFinal: (error: unknown) => void;
}

/** One acquire waits so long, ms. As SQS's longest poll. */
const ACQUIRE_WAIT_MS = 20_000;
/** One acquire brings so many, at most. */
const ACQUIRE_MAX = 1000;

export class WorkerIntake<D extends WorkerDelivery> {
  readonly #options: WorkerIntakeOptions<D>;
  readonly #bell = new Bell();
  /** Of what is taken, or waited for, now. */
  #taking = new AbortController();
  /** A batch that is not full; a handler is kept free for it. */
  #gathering: WorkerRun<D> | null = null;
  #isPaused = false;
  #isStopped = false;
  /** Acquires in a row that failed, or brought nothing at once. */
  #failures = 0;

  constructor(options: WorkerIntakeOptions<D>) {
    this.#options = options;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** There may be room. */
  readonly ring = (): void => this.#bell.ring();

  pause(): void {
    this.#isPaused = true;
    this.#taking.abort();
    this.ring();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#taking = new AbortController();
    this.ring();
  }

  stop(): void {
    this.#isStopped = true;
    this.#taking.abort();
    this.ring();
  }

  /** Ends after `stop`, when what no handler got is given back. */
  async run(): Promise<void> {
    for (;;) {
      this.#bell.silence();
      if (this.#isHalted()) await this.#returnGathered();
      if (this.#isStopped) return;
      if (this.#isHalted() || this.#options.room() <= 0) await this.#idle();
      else await this.#take();
    }
  }

  /** A call, for an `await` may have changed it. */
  #isHalted(): boolean {
    return this.#isPaused || this.#isStopped;
  }

  async #idle(): Promise<void> {
    const { clock } = this.#options.source;
    await this.#bell.wait({ clock, delayMs: null, signal: undefined, keepsAlive: false });
  }

  async #take(): Promise<void> {
    const { source, settings } = this.#options;
    const { leaseMs, keepsAlive } = settings;
    const beganMs = source.clock.monotonic();
    const waitMs = this.#waitMs(beganMs);
    if (waitMs <= 0) {
      this.#startGathered();
      return;
    }
    const { signal } = this.#taking;
    let deliveries: readonly D[];
    try {
      const max = this.#max();
      deliveries = await source.acquire({ max, leaseMs, waitMs, signal, keepsAlive });
    } catch (error) {
      if (!signal.aborted) await this.#failed(error, signal);
      return;
    }
    if (deliveries.length > 0) return this.#handOver(deliveries);
    // What comes back at once with nothing would be asked again and again.
    const isEarly = source.clock.monotonic() - beganMs < waitMs / 2;
    if (isEarly && !signal.aborted) await this.#backOff(signal);
    else this.#failures = 0;
  }

  /** How long the next acquire may wait; 0 or less = the batch has waited long enough. */
  #waitMs(nowMs: number): number {
    const { batch } = this.#options.settings;
    if (this.#gathering === null || batch === null) return ACQUIRE_WAIT_MS;
    return Math.min(Math.ceil(this.#gathering.startedMs + batch.waitMs - nowMs), ACQUIRE_WAIT_MS);
  }

  #max(): number {
    const { room, settings } = this.#options;
    const gathered = this.#gathering?.deliveries.length ?? 0;
    return Math.min(room() * (settings.batch?.max ?? 1) - gathered, ACQUIRE_MAX);
  }

  async #failed(error: unknown, signal: AbortSignal): Promise<void> {
    const { counts, report, onFinal } = this.#options;
    counts.sourceFailures++;
    if (!isRetryable(error)) {
      onFinal(error);
      return;
    }
    report(error);
    await this.#backOff(signal);
  }

  async #backOff(signal: AbortSignal): Promise<void> {
    const { backoff, source } = this.#options;
    this.#failures++;
    const delayMsMax = Math.max(0, this.#waitMs(source.clock.monotonic()));
    await backoff.wait({ failures: this.#failures, signal, delayMsMax });
  }

  async #handOver(deliveries: readonly D[]): Promise<void> {
    this.#failures = 0;
    const { leased, settings, source, giveBack } = this.#options;
    leased(settings.leaseMs ?? deliveries[0]?.leaseLeftMs ?? 0);
    const nowMs = source.clock.monotonic();
    // A handler may stop or pause the worker.
    let at = 0;
    for (; at < deliveries.length && !this.#isHalted(); at++) {
      const delivery = deliveries[at];
      if (delivery !== undefined) this.#gather(delivery, nowMs);
    }
    if (at < deliveries.length) await giveBack(deliveries.slice(at));
  }

  #gather(delivery: D, nowMs: number): void {
    const { held, settings } = this.#options;
    if (this.#gathering === null) {
      this.#gathering = new WorkerRun([delivery], nowMs);
      held.add(this.#gathering);
    } else {
      this.#gathering.deliveries.push(delivery);
    }
    const sizeMax = settings.batch?.max ?? 1;
    if (this.#gathering.deliveries.length >= sizeMax) this.#startGathered();
  }

  #startGathered(): void {
    const run = this.#gathering;
    this.#gathering = null;
    if (run !== null) this.#options.start(run);
  }

  async #returnGathered(): Promise<void> {
    const run = this.#gathering;
    if (run === null) return;
    this.#gathering = null;
    this.#options.held.delete(run);
    await this.#options.giveBack(run.deliveries);
  }
}
