/**
 * Has a bare log compacted by itself: now and then, and when a segment was sealed. What failed is tried again
 * after a minute, then after two, and so on.
 */
import type { Clock, Timer } from '../core/clock.ts';
import { COMPACTION_RETRY_MS_MAX, COMPACTION_RETRY_MS_MIN } from '../core/limits.ts';
import type { Compactor } from './compactor.ts';

export interface CompactionTimerOptions {
  readonly clock: Clock;
  /** Between two looks, ms. */
  readonly checkMs: number;
  readonly compactor: Pick<Compactor, 'compactDue'>;
}

export class CompactionTimer {
  readonly #options: CompactionTimerOptions;
  #timer: Timer | null = null;
  #isRunning = false;
  /** A segment was sealed meanwhile. */
  #isWanted = false;
  /** 0 = the last run did not fail. */
  #retryMs = 0;
  #isClosed = false;

  constructor(options: CompactionTimerOptions) {
    this.#options = options;
    this.#wait(options.checkMs);
  }

  /** A segment was sealed. After a failure that is no reason to try again earlier. */
  rolled(): void {
    this.#isWanted = true;
    if (this.#retryMs === 0) this.#look();
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  #look(): void {
    if (!this.#isRunning && !this.#isClosed) void this.#run();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    this.#timer?.cancel();
    const { compactor, checkMs } = this.#options;
    do {
      this.#isWanted = false;
      try {
        await compactor.compactDue();
        this.#retryMs = 0;
      } catch {
        // Why it failed it says itself, in its figures.
        const doubledMs = Math.min(2 * this.#retryMs, COMPACTION_RETRY_MS_MAX);
        this.#retryMs = Math.max(COMPACTION_RETRY_MS_MIN, doubledMs);
      }
    } while (this.#isWanted && this.#retryMs === 0 && !this.#isClosed);
    this.#isRunning = false;
    if (!this.#isClosed) this.#wait(this.#retryMs === 0 ? checkMs : this.#retryMs);
  }

  #wait(delayMs: number): void {
    this.#timer = this.#options.clock.setTimer(() => this.#look(), delayMs);
  }
}
