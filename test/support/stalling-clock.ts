/** A clock of tests on which time passes while nothing runs: the process was stopped, or its loop blocked. */
import { ManualClock, type Clock, type Timer } from '../../src/core/clock.ts';

export class StallingClock implements Clock {
  readonly #clock = new ManualClock();
  #stalledMs = 0;

  now(): number {
    return this.#clock.now() + this.#stalledMs;
  }

  monotonic(): number {
    return this.#clock.monotonic() + this.#stalledMs;
  }

  setTimer(callback: () => void, delayMs: number): Timer {
    return this.#clock.setTimer(callback, delayMs);
  }

  advance(deltaMs: number): void {
    this.#clock.advance(deltaMs);
  }

  /** Time passes, and no timer fires: all that were due do so with the next `advance`. */
  stall(stallMs: number): void {
    this.#stalledMs += stallMs;
  }
}
