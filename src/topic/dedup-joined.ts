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

/**
 * All of a run were answered, but for what was refused, which is not of it any more.
 *
 * @param completeCount  the first so many have their level
 * @param failure  why nobody knows what became of the others; null = there are none
 */
export type OnAnswered = (completeCount: number, failure: Error | null) => void;

/** Records of many calls that follow each other in a log, and are written together. */
export class JoinedFlight {
  readonly run: PendingRun;
  readonly #first: JoinedPlace;
  readonly #onAnswered: OnAnswered;
  #completeCount = 0;
  #failedCount = 0;
  #refusedCount = 0;
  #failure: Error | null = null;

  constructor(run: PendingRun, first: JoinedPlace, onAnswered: OnAnswered) {
    this.run = run;
    this.#first = first;
    this.#onAnswered = onAnswered;
  }

  /** Whether a record may join: those of one level are answered in their order. */
  takes({ log, offset, asked }: JoinedPlace, nowMs: number): boolean {
    const { baseOffset, count, timeMs } = this.run;
    if (log !== this.#first.log || asked !== this.#first.asked) return false;
    if (offset !== baseOffset + count || nowMs - timeMs >= JOINED_MS) return false;
    const answered = this.#completeCount + this.#failedCount + this.#refusedCount;
    return count < JOINED_MAX && answered === 0;
  }

  /** The next one has its level: others may have yet to see it, as behind a commit that is being written. */
  complete(): void {
    this.#completeCount++;
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

  #look(): void {
    if (this.#completeCount + this.#failedCount < this.run.count) return;
    this.#onAnswered(this.#completeCount, this.#failure);
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
