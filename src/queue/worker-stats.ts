/** What a worker has done so far. */

/**
 * Every delivery that a handler got ends as one of `handled`, `failed`, `postponed`, `rejected`,
 * `lostLeases`, `abandoned` and `unsettled`.
 */
export interface WorkerCounts {
  /** Acked, or settled by the handler itself. */
  handled: number;
  /** The handler threw, or took too long; whatever became of the record. */
  failed: number;
  /** Of the failed ones: released to be delivered again, unless the queue allows no more failures. */
  retried: number;
  /** The handler threw a `RetryAfter`. */
  postponed: number;
  /** The handler threw a `Reject`. */
  rejected: number;
  /** The lease was over before the result counted: it was ignored. */
  lostLeases: number;
  /** Released, or left to the end of its lease, because a drain ran out of patience. */
  abandoned: number;
  /** It could not be settled: the record is delivered again when its lease ends. */
  unsettled: number;
  /** Handlers that took more than `handlerTimeoutMs`. */
  timeouts: number;
  /** Acquires and settlements that failed, also when they were tried again. */
  sourceFailures: number;
  /** Calls of the handler that ended, by themselves or not; a batch is one. */
  handlerCalls: number;
  /** Time that they took, added up, ms. */
  handlerMs: number;
  /** The longest, ms. */
  handlerMsMax: number;
}

export interface WorkerStats extends Readonly<WorkerCounts> {
  readonly name: string;
  readonly isPaused: boolean;
  /** Handlers that run now. */
  readonly running: number;
  /** Of handlers that have ended: how many have not settled yet what they handled. */
  readonly settling: number;
}

export function noCounts(): WorkerCounts {
  return {
    handled: 0,
    failed: 0,
    retried: 0,
    postponed: 0,
    rejected: 0,
    lostLeases: 0,
    abandoned: 0,
    unsettled: 0,
    timeouts: 0,
    sourceFailures: 0,
    handlerCalls: 0,
    handlerMs: 0,
    handlerMsMax: 0,
  };
}
