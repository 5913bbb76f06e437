/** What transactions refuse. */
import { StoreError } from './errors.ts';

/** How far a transaction is that takes no more. */
export type TransactionEnd =
  /** Its action has returned: it is being committed. */
  'committing' | 'committed' | 'aborted' | 'timed-out';

const ENDS: Readonly<Record<TransactionEnd, string>> = {
  committing: 'it is being committed',
  committed: 'it is committed',
  aborted: 'it was aborted',
  'timed-out': 'it took longer than its `timeoutMs`',
};

/** The transaction is over, or takes no more. Unless it is committed, nothing of it happened. */
export class TransactionEndedError extends StoreError {
  readonly code = 'ERR_VARVE_TRANSACTION_ENDED';
  readonly details: {
    /** As it was given; may be empty. */
    readonly name: string;
    readonly state: TransactionEnd;
  };

  constructor(details: TransactionEndedError['details']) {
    const { name, state } = details;
    super(`transaction ${name === '' ? '' : `${name} `}is closed: ${ENDS[state]}`);
    this.details = details;
  }
}
