/** Runs a handler over the deliveries of a queue: how many at a time, how long, what counts. */
import { onAbort } from '../core/abort.ts';
import { ArrivalList } from '../core/arrival-list.ts';
import { argumentError, checkFunction, checkInteger } from '../core/assert.ts';
import type { Timer } from '../core/clock.ts';
import { ClosedError } from '../core/errors.ts';
import { plainOptions } from '../core/options.ts';
import { isThenable } from '../core/thenable.ts';
import type { TransactionRegistry } from '../transaction/transaction-registry.ts';
import { handleInTransaction, type TransactionalParts } from './transactional-run.ts';
import type { DeliverySource, WorkerDelivery } from './delivery-source.ts';
import { isClosed, timeoutError } from './handler-errors.ts';
import { RunSettler } from './run-settler.ts';
import { RunTimers } from './run-timers.ts';
import { WorkerBackoff } from './worker-backoff.ts';
import { WorkerIntake } from './worker-intake.ts';
import {
  resolveWorkerOptions,
  type AnyHandler,
  type BatchHandler,
  type BatchOptions,
  type Handler,
  type WorkerOptions,
  type WorkerSettings,
} from './worker-options.ts';
import { WorkerReporter } from './worker-reporter.ts';
import type { WorkerRun } from './worker-run.ts';
import { noCounts, type WorkerStats } from './worker-stats.ts';

export interface DrainOptions {
  /** Patience with handlers that run, ms, 0..86_400_000; default: any. */
  readonly timeoutMs?: number | undefined;
}

/** Of the drains that wait. */
interface DrainWaiter {
  /** It was called by a handler that runs. */
  readonly isInside: boolean;
  readonly resolve: () => void;
}

const DRAIN_MS_MAX = 24 * 60 * 60 * 1000;
const KNOWN_OF_DRAIN: ReadonlySet<string> = new Set<keyof DrainOptions>(['timeoutMs']);
/** While so many runs per handler are not settled, nothing more is taken: their handlers are free... */
const UNSETTLED_PER_HANDLER = 2;
/** ...or so many of few handlers, which else would wait for the disk with all that they are done with. */
const UNSETTLED_MIN = 16;

/**
 * Calls `handler` for every record of the queue, or every batch of them: see `ShareGroup.work`.
 *
 * @throws TypeError or RangeError (`ERR_VARVE_INVALID_ARGUMENT`)
 */
export function work<D extends WorkerDelivery>(
  source: DeliverySource<D>,
  handler: BatchHandler<D>,
  options: WorkerOptions<D> & { readonly batch: BatchOptions },
): Worker<D>;
export function work<D extends WorkerDelivery>(
  source: DeliverySource<D>,
  handler: Handler<D>,
  options?: WorkerOptions<D> & { readonly batch?: undefined },
): Worker<D>;
/** For who has told the two apart already. */
export function work<D extends WorkerDelivery>(
  source: DeliverySource<D>,
  handler: AnyHandler<D>,
  options?: WorkerOptions<D>,
  transactions?: TransactionRegistry,
): Worker<D>;
export function work<D extends WorkerDelivery>(
  source: DeliverySource<D>,
  handler: AnyHandler<D>,
  options: WorkerOptions<D> = {},
  transactions?: TransactionRegistry,
): Worker<D> {
  checkFunction('handler', handler);
  const settings = resolveWorkerOptions(options, source.random);
  if (settings.isTransactional && transactions === undefined) {
    throw argumentError(TypeError, 'transactional', 'of a queue with transactions', true);
  }
  return new Worker(source, handler, settings, transactions);
}

/** A handler at work. Made by `ShareGroup.work`. */
export class Worker<D extends WorkerDelivery = WorkerDelivery> implements AsyncDisposable {
  readonly #source: DeliverySource<D>;
  readonly #handler: AnyHandler<D>;
  readonly #settings: WorkerSettings<D>;
  readonly #counts = noCounts();
  /** Runs that hold leases, in the order in which they started. */
  readonly #held = new ArrivalList<WorkerRun<D>>();
  /** Nothing is tried again from here on. */
  readonly #hardStop = new AbortController();
  readonly #reporter: WorkerReporter<D>;
  readonly #settler: RunSettler<D>;
  readonly #timers: RunTimers<D>;
  readonly #intake: WorkerIntake<D>;
  readonly #transactional: TransactionalParts<D>;
  readonly #vigil: Timer | undefined;
  readonly #done: Promise<void>;
  #endWell: () => void = () => undefined;
  #endBadly: (error: unknown) => void = () => undefined;
  readonly #drains = new Set<DrainWaiter>();
  #unwatch: (() => void) | null = null;
  #running = 0;
  #settling = 0;
  /** Its handler is being called: whatever happens now, that handler does. */
  #calling: WorkerRun<D> | null = null;
  #hasIntakeEnded = false;
  #hasFailed = false;
  #failure: { readonly error: unknown } | null = null;

  /** @internal */
  constructor(
    source: DeliverySource<D>,
    handler: AnyHandler<D>,
    settings: WorkerSettings<D>,
    transactions?: TransactionRegistry,
  ) {
    this.#source = source;
    this.#handler = handler;
    this.#settings = settings;
    const { clock } = source;
    const counts = this.#counts;
    const backoff = new WorkerBackoff(clock, settings.random);
    this.#reporter = new WorkerReporter(settings);
    const { report } = this.#reporter;
    const onFinal = (error: unknown): void => this.#fail(error);
    const shared = { source, settings, backoff, counts, report, onFinal };
    this.#settler = new RunSettler({
      ...shared,
      stopSignal: this.#hardStop.signal,
      onSettled: (run) => this.#settled(run),
    });
    this.#transactional = {
      transactions,
      settler: this.#settler,
      call: (run) => this.#call(run),
      leave: (run) => this.#leave(run),
      threw: (run, error) => this.#threw(run, error),
    };
    this.#timers = new RunTimers({
      ...settings,
      clock,
      held: this.#held,
      onTimeout: (run) => this.#timedOut(run),
      onError: report,
    });
    this.#intake = new WorkerIntake({
      ...shared,
      held: this.#held,
      room: () => this.#room(),
      start: (run) => this.#start(run),
      leased: (leaseMs) => this.#timers.leased(leaseMs),
      giveBack: (deliveries) => this.#settler.giveBack(deliveries),
    });
    this.#vigil = settings.keepsAlive ? clock.keepAlive?.() : undefined;
    this.#done = new Promise((resolve, reject) => {
      this.#endWell = resolve;
      this.#endBadly = reject;
    });
    this.#done.catch(() => undefined); // It is told otherwise, too: nobody has to watch it.
    if (settings.signal !== undefined) {
      this.#unwatch = onAbort(settings.signal, () => void this.drain());
    }
    void this.#takeIn();
  }

  get name(): string {
    return this.#settings.name;
  }

  /**
   * Resolves when the worker has ended: it was drained or closed, or its queue was closed. Rejects
   * when the queue failed for good. That is also told to `onError`; without one, a warning of the
   * process says so.
   */
  get done(): Promise<void> {
    return this.#done;
  }

  /** Takes nothing more until `resume`. Handlers that run go on; a batch that is not full is given back. */
  pause(): void {
    this.#intake.pause();
  }

  resume(): void {
    this.#intake.resume();
  }

  /**
   * Ends the worker: it takes nothing more and waits for the handlers that run, and for what they
   * settle. After `timeoutMs` it waits no more: their signals are aborted with a ClosedError, their
   * records are released, which is no failure, and whatever they still return is ignored.
   *
   * Called by a handler before it first waits for anything, it waits for the other handlers, and
   * spares this one. After that it cannot know who asks: a handler that awaits it then waits for
   * itself, as long as `timeoutMs` allows.
   *
   * @returns how many deliveries were abandoned that way
   * @throws RangeError or TypeError (`ERR_VARVE_INVALID_ARGUMENT`)
   */
  async drain(options: DrainOptions = {}): Promise<number> {
    const { timeoutMs } = plainOptions(options, KNOWN_OF_DRAIN);
    if (timeoutMs !== undefined) {
      checkInteger('timeoutMs', timeoutMs, { min: 0, max: DRAIN_MS_MAX });
    }
    const isInside = this.#calling !== null;
    if (this.#calling !== null) this.#calling.isDraining = true;
    const abandonedBefore = this.#counts.abandoned;
    this.#intake.stop();
    const timer = this.#loseFaithAfter(timeoutMs, isInside);
    await this.#idle(isInside);
    timer?.cancel();
    return this.#counts.abandoned - abandonedBefore;
  }

  /** `drain` without patience: what runs is abandoned, what has ended is settled. Idempotent. */
  async close(): Promise<void> {
    await this.drain({ timeoutMs: 0 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  stats(): WorkerStats {
    return Object.freeze({
      name: this.name,
      isPaused: this.#intake.isPaused,
      running: this.#running,
      settling: this.#settling,
      ...this.#counts,
    });
  }

  async #takeIn(): Promise<void> {
    try {
      await this.#intake.run();
    } catch (error) {
      this.#fail(error);
    }
    this.#hasIntakeEnded = true;
    this.#look();
  }

  #room(): number {
    const { concurrency } = this.#settings;
    const unsettledMax = Math.max(UNSETTLED_PER_HANDLER * concurrency, UNSETTLED_MIN);
    return Math.min(concurrency - this.#running, unsettledMax - this.#running - this.#settling);
  }

  #start(run: WorkerRun<D>): void {
    run.state = 'handling';
    run.startedMs = this.#source.clock.monotonic();
    this.#running++;
    this.#timers.started(run);
    this.#calling = run;
    try {
      if (this.#settings.isTransactional) {
        void handleInTransaction(run, this.#transactional);
        return;
      }
      const result = this.#call(run);
      if (isThenable(result)) this.#await(run, result);
      else this.#returned(run);
    } catch (error) {
      this.#threw(run, error);
    } finally {
      this.#calling = null;
    }
  }

  #call(run: WorkerRun<D>): unknown {
    const { deliveries } = run;
    const [first] = deliveries;
    const isSingle = this.#settings.batch === null && first !== undefined;
    const handle = this.#handler;
    return handle(isSingle ? first : deliveries, run);
  }

  #await(run: WorkerRun<D>, result: PromiseLike<unknown>): void {
    Promise.resolve(result).then(
      () => this.#returned(run),
      (error: unknown) => this.#threw(run, error),
    );
  }

  #returned(run: WorkerRun<D>): void {
    if (run.state !== 'handling') return; // It was timed out or abandoned.
    this.#leave(run);
    this.#settler.ack(run);
  }

  #threw(run: WorkerRun<D>, error: unknown): void {
    if (run.state !== 'handling') return;
    this.#leave(run);
    void this.#settler.fail(run, error);
  }

  #timedOut(run: WorkerRun<D>): void {
    const error = timeoutError(this.#settings.handlerTimeoutMs ?? 0);
    this.#counts.timeouts++;
    this.#leave(run);
    run.abandon(error);
    void this.#settler.fail(run, error);
  }

  #abandon(reason: unknown, sparesDraining: boolean): void {
    this.#hardStop.abort(reason);
    for (const run of this.#held) {
      if (run.state !== 'handling' || (sparesDraining && run.isDraining)) continue;
      this.#leave(run);
      run.abandon(reason);
      void this.#settler.abandon(run);
    }
  }

  /** The handler is free. */
  #leave(run: WorkerRun<D>): void {
    const handlerMs = this.#source.clock.monotonic() - run.startedMs;
    run.state = 'settling';
    this.#running--;
    this.#settling++;
    this.#counts.handlerCalls++;
    this.#counts.handlerMs += handlerMs;
    this.#counts.handlerMsMax = Math.max(this.#counts.handlerMsMax, handlerMs);
    this.#intake.ring();
  }

  #settled(run: WorkerRun<D>): void {
    this.#held.delete(run);
    this.#settling--;
    this.#intake.ring();
    if (this.#hasIntakeEnded) this.#look();
  }

  #loseFaithAfter(timeoutMs: number | undefined, sparesDraining: boolean): Timer | null {
    if (timeoutMs === undefined) return null;
    const abandon = (): void => {
      const closed = new ClosedError({ resource: 'worker', name: this.name });
      this.#abandon(closed, sparesDraining);
    };
    if (timeoutMs > 0) {
      return this.#source.clock.setTimer(abandon, timeoutMs, { keepsAlive: true });
    }
    abandon();
    return null;
  }

  async #idle(isInside: boolean): Promise<void> {
    if (this.#isIdle(isInside)) return;
    await new Promise<void>((resolve) => this.#drains.add({ isInside, resolve }));
  }

  #isIdle(isInside: boolean): boolean {
    if (!this.#hasIntakeEnded) return false;
    if (!isInside) return this.#held.size === 0;
    for (const { isDraining } of this.#held) if (!isDraining) return false;
    return true;
  }

  /** Something has ended: perhaps everything. */
  #look(): void {
    for (const waiter of this.#drains) {
      if (!this.#isIdle(waiter.isInside)) continue;
      this.#drains.delete(waiter);
      waiter.resolve();
    }
    if (this.#isIdle(false)) this.#end();
  }

  #end(): void {
    this.#vigil?.cancel();
    this.#timers.cancel();
    this.#unwatch?.();
    if (this.#failure === null) this.#endWell();
    else this.#endBadly(this.#failure.error);
  }

  /** The queue is of no use any more; that it was closed is no failure. */
  #fail(error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    if (!isClosed(error)) {
      this.#failure = { error };
      this.#reporter.reportEnd(error);
    }
    this.#intake.stop();
    this.#abandon(error, false);
  }
}
