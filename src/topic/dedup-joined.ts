/**
 * Records with ids that came in calls of their own, one behind the other: what becomes of them is followed
 * together, for to follow each costs several times the append.
 */
import { FailedError } from '../core/errors.ts';
import type { Waiter } from '../log/ack-queue.ts';
import type { DurabilityLevel } from '../log/log-options.ts';
import type { Log } from '../log/log.ts';
import type { PendingRun } from './dedup-pending.ts';
import type { TopicAppendResult } from './topic-results.ts';

/** So many wait for each other before a duplicate of one hears of it. */
const JOINED_MAX = 256;
/** Those of a run are forgotten at one time. */
const JOINED_MS = 1;

/** Where a record stands, and when its caller is answered. */
export interface JoinedPlace {
  readonly log: Log<Uint8Array>;
  readonly partition: number;
  readonly offset: number;
  readonly asked: DurabilityLevel;
}

/** Who is told of a joined run. */
interface JoinedOutcome {
  /** The first so many are there, for all to see. */
  entered(run: PendingRun, count: number): void;
  /** What is left of it is free. */
  dropped(run: PendingRun): void;
  inDoubt(run: PendingRun, error: Error): void;
}

/** Records of many calls that follow each other in a log, and are written together. */
export class JoinedFlight {
  readonly run: PendingRun;
  readonly #outcome: JoinedOutcome;
  readonly #first: JoinedPlace;
  readonly #end: () => void;
  /** Of the first that were answered, and of those that were refused. */
  #enteredCount = 0;
  #failedCount = 0;
  #refusedCount = 0;
  #failure: Error | null = null;

  constructor(
    outcome: JoinedOutcome,
    first: JoinedPlace,
    { run, end }: { readonly run: PendingRun; readonly end: () => void },
  ) {
    this.#outcome = outcome;
    this.#first = first;
    this.run = run;
    this.#end = end;
  }

  /** Whether a record may join: those of one level are answered in their order. */
  takes({ log, offset, asked }: JoinedPlace, nowMs: number): boolean {
    const { baseOffset, count, timeMs } = this.run;
    if (log !== this.#first.log || asked !== this.#first.asked) return false;
    if (offset !== baseOffset + count || nowMs - timeMs >= JOINED_MS) return false;
    return count < JOINED_MAX && this.#enteredCount + this.#failedCount + this.#refusedCount === 0;
  }

  /** The next one is there, for all to see. */
  complete(): void {
    this.#enteredCount++;
    this.#look();
  }

  /** One was refused, or its fate is not known; so it is of those behind it. */
  fail(error: Error): void {
    if (error instanceof FailedError) {
      this.#failure = error;
      this.#failedCount++;
    } else {
      this.#refusedCount++;
      this.run.count--; // At once: others may come to stand there.
    }
    this.#look();
  }

  /** When all were answered. */
  #look(): void {
    const { run } = this;
    const entered = this.#enteredCount;
    if (entered + this.#failedCount < run.count) return;
    this.#end();
    if (entered > 0) this.#outcome.entered(run, entered);
    if (this.#failure === null) {
      this.#outcome.dropped(run); // What was refused is free, and the others are in the table.
      return;
    }
    run.baseOffset += entered;
    run.count -= entered;
    this.#outcome.inDoubt(run, this.#failure);
  }
}

/** Who waits for an `append`. */
interface JoinedCaller {
  readonly resolve: (result: TopicAppendResult) => void;
  readonly reject: (error: Error) => void;
}

/** One call whose record is in a joined run. */
export class JoinedAppend implements Waiter {
  readonly baseOffset: number;
  readonly nextOffset: number;
  readonly asked: DurabilityLevel;
  readonly #partition: number;
  readonly #flight: JoinedFlight;
  readonly #caller: JoinedCaller;

  constructor(
    { partition, offset, asked }: JoinedPlace,
    flight: JoinedFlight,
    caller: JoinedCaller,
  ) {
    this.baseOffset = offset;
    this.nextOffset = offset + 1;
    this.asked = asked;
    this.#partition = partition;
    this.#flight = flight;
    this.#caller = caller;
  }

  complete(durability: DurabilityLevel): void {
    this.#flight.complete();
    const partition = this.#partition;
    this.#caller.resolve({ partition, offset: this.baseOffset, durability, duplicate: false });
  }

  readonly fail = (error: Error): void => {
    this.#flight.fail(error);
    this.#caller.reject(error);
  };
}
