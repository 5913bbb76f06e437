/**
 * Tells whether the wall clock has jumped: what is done by the age of records must not be done because a
 * clock was set wrong.
 */
import type { Clock } from '../core/clock.ts';
import { CLOCK_STEP_MS_MAX } from '../core/limits.ts';

export class ClockWatch {
  readonly #clock: Clock;
  /** Both clocks at the last look. */
  #wallMs: number;
  #monotonicMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#wallMs = clock.now();
    this.#monotonicMs = clock.monotonic();
  }

  /**
   * Whether the wall clock ran ahead of the monotonic one, by more than `CLOCK_STEP_MS_MAX`, since the last
   * look, or since this was made. The next look takes the new time for right.
   *
   * @param nowMs  the wall clock, as the caller has read it
   */
  hasJumped(nowMs: number): boolean {
    const isAhead = this.isAhead(nowMs);
    this.#wallMs = nowMs;
    this.#monotonicMs = this.#clock.monotonic();
    return isAhead;
  }

  /** The same, and no look: the next one says it, too. */
  isAhead(nowMs: number): boolean {
    const stepMs = nowMs - this.#wallMs - (this.#clock.monotonic() - this.#monotonicMs);
    return stepMs > CLOCK_STEP_MS_MAX;
  }
}
