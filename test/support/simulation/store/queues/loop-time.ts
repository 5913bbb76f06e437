/** How much of a lease is over, at least and at most: the time that a stall took does not count. */
import type { ManualClock } from '../../../../../src/core/clock.ts';

/** A stall is told from a late timer by this, and by what was left until the timer was due. */
const LATE_MS = 100;
const TICK_MS = 50;

/** A moment on the time that leases run on. */
export interface LoopMoment {
  readonly monotonicMs: number;
  readonly sparedMinMs: number;
  readonly sparedMaxMs: number;
}

export class LoopTime {
  #sparedMinMs = 0;
  #sparedMaxMs = 0;

  /** Nothing runs for so long, and then all that was due does. */
  stall(clock: ManualClock, stallMs: number): void {
    const countsMin = stallMs > LATE_MS ? 0 : stallMs;
    const countsMax = stallMs > LATE_MS + TICK_MS ? TICK_MS : stallMs;
    this.#sparedMinMs += stallMs - countsMax;
    this.#sparedMaxMs += stallMs - countsMin;
    clock.stall(stallMs);
  }

  now(clock: ManualClock): LoopMoment {
    return {
      monotonicMs: clock.monotonic(),
      sparedMinMs: this.#sparedMinMs,
      sparedMaxMs: this.#sparedMaxMs,
    };
  }

  /** What of a lease is over that began, or was renewed, then. */
  since(clock: ManualClock, begin: LoopMoment): { readonly minMs: number; readonly maxMs: number } {
    const passedMs = clock.monotonic() - begin.monotonicMs;
    return {
      minMs: passedMs - (this.#sparedMaxMs - begin.sparedMaxMs),
      maxMs: passedMs - (this.#sparedMinMs - begin.sparedMinMs),
    };
  }
}
