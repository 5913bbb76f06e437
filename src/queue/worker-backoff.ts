/** How long a worker waits after a queue could not do what it was asked. */
import { Bell } from '../core/bell.ts';
import type { Clock } from '../core/clock.ts';
import type { Random } from '../core/random.ts';
import { exponential, type RetryPolicy } from './retry-policy.ts';

export interface BackoffWait {
  /** In a row, from 1. */
  readonly failures: number;
  /** Ends the wait. */
  readonly signal: AbortSignal;
  /** Longest wait, ms. */
  readonly delayMsMax?: number;
}

/** Short enough to go on soon when there is room on the disk again... */
const DELAY_MS_MIN = 50;
/** ...and long enough not to be felt when that takes hours. */
const DELAY_MS_MAX = 5000;

export class WorkerBackoff {
  readonly #clock: Clock;
  readonly #policy: RetryPolicy;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#policy = exponential({
      initialMs: DELAY_MS_MIN,
      maxMs: DELAY_MS_MAX,
      jitter: 'equal',
      random,
    });
  }

  async wait({ failures, signal, delayMsMax = DELAY_MS_MAX }: BackoffWait): Promise<void> {
    const delayMs = Math.min(this.#policy(failures, null) ?? DELAY_MS_MAX, delayMsMax);
    await new Bell().wait({ clock: this.#clock, delayMs, signal, keepsAlive: false });
  }
}
