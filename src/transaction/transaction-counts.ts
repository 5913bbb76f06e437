/** How the transactions of a store ended, counted since it was opened. */

export type TransactionOutcome = 'committed' | 'aborted' | 'timed-out' | 'failed';

export interface TransactionCounts {
  /** Not over yet. */
  readonly openCount: number;
  readonly committedCount: number;
  /** Given up by who began them: their action threw, or their signal was aborted; or the store was closed. */
  readonly abortedCount: number;
  /** Not being committed in time. */
  readonly timedOutCount: number;
  /** Refused when they were to be committed: a lease was lost, the disk was full, a log had failed. */
  readonly failedCount: number;
}

export class TransactionTally {
  readonly #counts = { committed: 0, aborted: 0, 'timed-out': 0, failed: 0 };

  add(outcome: TransactionOutcome): void {
    this.#counts[outcome]++;
  }

  counts(openCount: number): TransactionCounts {
    const { committed, aborted, failed, 'timed-out': timedOut } = this.#counts;
    return {
      openCount,
      committedCount: committed,
      abortedCount: aborted,
      timedOutCount: timedOut,
      failedCount: failed,
    };
  }
}
