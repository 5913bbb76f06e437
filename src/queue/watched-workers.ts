/** The workers of a handle, until they have ended. */
import type { LeaseEvents } from './share-events.ts';
import type { Worker } from './worker.ts';
import type { WorkerDelivery } from './delivery-source.ts';

/** Notes a worker that begins, and tells of one that stops by a failure. */
export function watchWorker<D extends WorkerDelivery>(
  worker: Worker<D>,
  workers: Set<Worker<D>>,
  events: Pick<LeaseEvents, 'recovered' | 'troubled'>,
): void {
  events.recovered('worker-stopped');
  workers.add(worker);
  const forget = (): void => void workers.delete(worker);
  worker.done.then(forget, (error: unknown) => {
    forget();
    events.troubled('worker-stopped', error);
  });
}
