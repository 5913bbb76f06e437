/** Sees to it that what nobody waits for is synced within `flushMs`. */
import type { Clock, Timer } from '../core/clock.ts';
import type { LogMarks } from './marks.ts';
import type { SyncLoop } from './sync-loop.ts';

export interface FlushTimerOptions {
  readonly clock: Clock;
  readonly marks: LogMarks;
  readonly syncLoop: SyncLoop;
  /** May change from one write to the next. */
  readonly policy: { readonly flushMs: number };
}

export class FlushTimer {
  readonly #options: FlushTimerOptions;
  #timer: Timer | null = null;

  constructor(options: FlushTimerOptions) {
    this.#options = options;
  }

  /** Something was written. No effect when the timer runs. */
  arm(): void {
    const { clock, policy, syncLoop, marks } = this.#options;
    this.#timer ??= clock.setTimer(() => {
      this.#timer = null;
      syncLoop.requestInBackground(marks.writtenOffset);
    }, policy.flushMs);
  }

  cancel(): void {
    this.#timer?.cancel();
  }
}
