/** One call of a handler with a transaction, which acks what it handled. */
import { present } from '../core/assert.ts';
import { ackIn, type Acknowledgeable } from '../transaction/commit-part.ts';
import type { TransactionRegistry } from '../transaction/transaction-registry.ts';
import type { WorkerDelivery } from './delivery-source.ts';
import type { RunSettler } from './run-settler.ts';
import type { WorkerRun } from './worker-run.ts';

export interface TransactionalParts<D extends WorkerDelivery> {
  readonly transactions: TransactionRegistry | undefined;
  readonly settler: RunSettler<D>;
  readonly call: (run: WorkerRun<D>) => unknown;
  /** The handler is free. */
  readonly leave: (run: WorkerRun<D>) => void;
  readonly threw: (run: WorkerRun<D>, error: unknown) => void;
}

/** Leases are the bound, and `handlerTimeoutMs`. */
const WITHOUT_TIMEOUT = { timeoutMs: null, name: '' };

/** Never rejects. */
export async function handleInTransaction<D extends WorkerDelivery>(
  run: WorkerRun<D>,
  { transactions, settler, call, leave, threw }: TransactionalParts<D>,
): Promise<void> {
  let hasReturned = false;
  try {
    await present(transactions, 'it was checked').run(async (tx) => {
      run.transaction = tx;
      await call(run);
      if (run.state !== 'handling') return; // It was timed out or abandoned, and its transaction with it.
      hasReturned = true;
      leave(run);
      const unsettled = run.deliveries.filter(({ isSettled }) => !isSettled);
      tx.ack(unsettled.filter(isAcknowledgeable));
    }, WITHOUT_TIMEOUT);
    settler.committed(run);
  } catch (error) {
    if (hasReturned) await settler.refused(run, error);
    else threw(run, error);
  }
}

function isAcknowledgeable<D extends object>(delivery: D): delivery is D & Acknowledgeable {
  return ackIn in delivery;
}
