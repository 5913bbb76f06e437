/** Wall time for appends: those of one turn of the event loop share it, up to a number. */
import type { Clock } from '../core/clock.ts';

/** Appends that get the same time: to ask the clock costs as much as the copy of a small record. */
const USES_MAX = 64;

export class TurnTime {
  readonly #clock: Clock;
  #nowMs = 0;
  #uses = 0;
  /** Whether the time is of this turn: something else than an append may have begun it. */
  #isKnown = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds since the Unix epoch; `isSameTurn`: as the append before. */
  nowMs(isSameTurn: boolean): number {
    if (!isSameTurn || !this.#isKnown || this.#uses === USES_MAX) {
      this.#uses = 0;
      this.#isKnown = true;
      this.#nowMs = this.#clock.now();
    }
    this.#uses++;
    return this.#nowMs;
  }

  /** The turn is over. */
  end(): void {
    this.#isKnown = false;
  }
}
