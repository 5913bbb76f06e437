/** The turn of the event loop in which records are appended: what time it is there, and its end. */
import { inNextTurn, type Clock } from '../core/clock.ts';

/** Appends that get the same time: to ask the clock costs as much as the copy of a small record. */
const USES_MAX = 64;
/**
 * Small writes end within the turn in which they begin, and who waits for them goes on at once: a caller
 * that awaits one append after the other would hold up timers, sockets, and syncs that have ended. After
 * so many, half a millisecond or so, the next one waits for the next turn.
 */
const WRITES_PER_TURN = 64;

export class AppendTurn {
  readonly #clock: Clock;
  readonly #write: () => void;
  #nowMs = 0;
  #uses = 0;
  /** Whether the time is of this turn: something else than an append may have begun it. */
  #isKnown = false;
  /** Until the end of the turn in which something was appended. */
  #isEndPlanned = false;
  #writeCount = 0;

  /** @param write  called at the end of a turn, when that was planned */
  constructor(clock: Clock, write: () => void) {
    this.#clock = clock;
    this.#write = write;
  }

  /** Milliseconds since the Unix epoch: appends of one turn share it, up to a number. */
  nowMs(): number {
    if (!this.#isEndPlanned || !this.#isKnown || this.#uses === USES_MAX) {
      this.#uses = 0;
      this.#isKnown = true;
      this.#nowMs = this.#clock.now();
    }
    this.#uses++;
    return this.#nowMs;
  }

  /**
   * Has `write` called at the end of this turn: `nextTick` runs when all continuations that are ready
   * have run, so the callers who were answered together append together again.
   */
  planEnd(): void {
    if (this.#isEndPlanned) return;
    this.#isEndPlanned = true;
    this.#writeCount = (this.#writeCount + 1) % WRITES_PER_TURN;
    if (this.#writeCount === 0) inNextTurn(this.#end);
    else process.nextTick(this.#end);
  }

  readonly #end = (): void => {
    this.#isEndPlanned = false;
    this.#isKnown = false;
    this.#write();
  };
}
