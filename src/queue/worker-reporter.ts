/** Tells a worker's user what goes wrong; nothing that he does then harms the worker. */
import type { WorkerDelivery } from './delivery-source.ts';
import type { WorkerSettings } from './worker-options.ts';

export class WorkerReporter<D extends WorkerDelivery> {
  readonly #settings: WorkerSettings<D>;

  constructor(settings: WorkerSettings<D>) {
    this.#settings = settings;
  }

  /** @param delivery  null = it is about none */
  readonly report = (error: unknown, delivery: D | null = null): void => {
    if (this.#settings.onError !== null) void this.#tell(error, delivery);
  };

  /** The worker has ended before its time: without `onError`, a warning says so. */
  reportEnd(error: unknown): void {
    if (this.#settings.onError === null) this.#warn('stopped', error);
    else this.report(error);
  }

  async #tell(error: unknown, delivery: D | null): Promise<void> {
    try {
      await this.#settings.onError?.(error, delivery);
    } catch (failure) {
      this.#warn('has an onError that failed', failure);
    }
  }

  #warn(what: string, error: unknown): void {
    const why = error instanceof Error ? error.message : typeof error;
    const { name } = this.#settings;
    process.emitWarning(`worker "${name}" ${what}: ${why}`, { code: 'VARVE_WORKER' });
  }
}
