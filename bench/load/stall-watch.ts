/**
 * Watches an event loop for stalls, in two ways that check each other: the longest gap between two
 * turns of a `setImmediate` chain, which sees everything that keeps the loop from its next turn;
 * and Node's `monitorEventLoopDelay`, a 1 ms timer whose figures include that millisecond.
 *
 * The chain keeps the loop busy, so it measures a process that never sleeps.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';

const NS_PER_MS = 1e6;

export type StallFigures = {
  /** Longest gap between two turns. */
  readonly maxStallMs: number;
  /** By the timer. */
  readonly p99StallMs: number;
  readonly timerMaxStallMs: number;
  readonly turns: number;
};

export class StallWatch {
  readonly #delay = monitorEventLoopDelay({ resolution: 1 });
  #lastMs = performance.now();
  #maxMs = 0;
  #turns = 0;
  #isStopped = false;

  constructor() {
    this.#delay.enable();
    setImmediate(this.#turn);
  }

  /** Ends the watch; the time since the last turn counts, too. */
  stop(): StallFigures {
    this.#note();
    this.#isStopped = true;
    this.#delay.disable();
    return {
      maxStallMs: this.#maxMs,
      p99StallMs: this.#delay.percentile(99) / NS_PER_MS,
      timerMaxStallMs: this.#delay.max / NS_PER_MS,
      turns: this.#turns,
    };
  }

  readonly #turn = (): void => {
    if (this.#isStopped) return;
    this.#note();
    this.#turns++;
    setImmediate(this.#turn);
  };

  #note(): void {
    const nowMs = performance.now();
    this.#maxMs = Math.max(this.#maxMs, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
  }
}
