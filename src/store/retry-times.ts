/** When what failed for a log, or was refused, is tried again: after a while that doubles each time. */
import type { Clock } from '../core/clock.ts';

interface Retry {
  readonly delayMs: number;
  /** Monotonic. */
  readonly atMs: number;
}

/** The first while, ms, and the longest. */
export interface RetryDelays {
  readonly minMs: number;
  readonly maxMs: number;
}

export class RetryTimes {
  readonly #clock: Clock;
  readonly #delays: RetryDelays;
  /** By log. */
  readonly #retries = new Map<number, Retry>();

  constructor(clock: Clock, delays: RetryDelays) {
    this.#clock = clock;
    this.#delays = delays;
  }

  /** Whether nothing speaks against a try now. */
  isTime(logId: number): boolean {
    return this.#clock.monotonic() >= (this.#retries.get(logId)?.atMs ?? 0);
  }

  failed(logId: number): void {
    const { minMs, maxMs } = this.#delays;
    const doubledMs = 2 * (this.#retries.get(logId)?.delayMs ?? 0);
    const delayMs = Math.min(Math.max(minMs, doubledMs), maxMs);
    this.#retries.set(logId, { delayMs, atMs: this.#clock.monotonic() + delayMs });
  }

  succeeded(logId: number): void {
    this.#retries.delete(logId);
  }

  /** Forgets all other logs. */
  keepOnly(logs: { has(logId: number): boolean }): void {
    for (const logId of this.#retries.keys()) if (!logs.has(logId)) this.#retries.delete(logId);
  }
}
