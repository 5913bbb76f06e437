/**
 * The time by which records are old, for what must not be done because a clock was set wrong: deletion by
 * age, compaction by age. One for all logs of a store: of logs that come and go each would begin with
 * whatever the clock says by then.
 *
 * It is the least that the wall clock has said for a day, each saying carried on by the monotonic clock. So it
 * follows a clock that was set back at once; of one that went ahead it keeps to the time from before, which
 * goes on, and believes the new one when it has stood for `CLOCK_BELIEVED_MS`, for it may be the right one. Two
 * times that at most, and the time to the next look. How often anybody looks, and why, changes nothing.
 *
 * A machine that was suspended looks the same where the monotonic clock stands still meanwhile (Linux): what
 * is due goes later for it. What the clock did before this was made nobody can tell from a long rest.
 */
import type { Clock } from '../core/clock.ts';
import { CLOCK_BELIEVED_MS } from '../core/limits.ts';

export class AgeClock {
  readonly #clock: Clock;
  /** Of the monotonic clock: since when `#leastAheadMs` counts. */
  #sinceMs: number;
  /** How far the wall clock was ahead of the monotonic one: at the least since then, and in the period before. */
  #leastAheadMs: number;
  #leastBeforeMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#sinceMs = clock.monotonic();
    this.#leastAheadMs = clock.now() - this.#sinceMs;
    this.#leastBeforeMs = this.#leastAheadMs;
  }

  /** Milliseconds since the Unix epoch, whole; never more than the wall clock says. */
  now(): number {
    const monotonicMs = this.#clock.monotonic();
    const aheadMs = this.#clock.now() - monotonicMs;
    if (monotonicMs - this.#sinceMs >= CLOCK_BELIEVED_MS) {
      // That it is ahead is seen now: until now it was as it was at the last look.
      this.#leastBeforeMs = this.#leastAheadMs;
      this.#leastAheadMs = aheadMs;
      this.#sinceMs = monotonicMs;
    }
    this.#leastAheadMs = Math.min(this.#leastAheadMs, aheadMs);
    return Math.floor(monotonicMs + Math.min(this.#leastAheadMs, this.#leastBeforeMs));
  }
}
