/**
 * Long work in the background, in steps: it gives the event loop back every 5 ms, and moves no more bytes per
 * second than it may.
 *
 * A bucket holds what may be moved at once, that of 100 ms; what is more is owed, and waited for.
 */
import { onAbort, toError } from './abort.ts';
import { nextTurn, type Clock } from './clock.ts';

/** Longest stretch of work in one turn of the event loop, as far as `turn` is called often enough. */
const SLICE_MS = 5;
const BUCKET_MS = 100;
const SECOND_MS = 1000;

export interface PaceOptions {
  readonly clock: Clock;
  /** Null = as many as it goes. */
  readonly bytesPerSecondMax: number | null;
  /** Whether somebody waits for the work: then its pauses keep the process alive. */
  readonly keepsAlive: boolean;
  readonly signal?: AbortSignal | undefined;
}

export class Pace {
  readonly #options: PaceOptions;
  /** Bytes that may be moved now; below 0 they are owed. */
  #allowance: number;
  /** When `#allowance` was that, monotonic. */
  #allowedMs: number;
  #sliceStartMs: number;

  constructor(options: PaceOptions) {
    this.#options = options;
    this.#allowance = this.#bucketBytes;
    this.#allowedMs = options.clock.monotonic();
    this.#sliceStartMs = this.#allowedMs;
  }

  /** So many bytes were moved, or are about to be. The next `turn` waits for what is owed. */
  spend(bytes: number): void {
    this.#refill();
    this.#allowance -= bytes;
  }

  /**
   * To be called between two steps, each of them much shorter than 5 ms. Resolves at once where neither
   * the slice is over nor bytes are owed.
   *
   * @throws the signal's reason, also while it waits
   */
  async turn(): Promise<void> {
    const { clock } = this.#options;
    this.#checkAborted();
    const dueMs = this.#owedMs();
    if (dueMs === 0 && clock.monotonic() - this.#sliceStartMs < SLICE_MS) return;
    if (dueMs === 0) await nextTurn();
    // A timer may be early.
    for (let leftMs = dueMs; leftMs > 0; leftMs = this.#owedMs()) {
      await this.#pause(leftMs);
      this.#checkAborted();
    }
    this.#checkAborted();
    this.#sliceStartMs = clock.monotonic();
  }

  #checkAborted(): void {
    const { signal } = this.#options;
    if (signal?.aborted === true) throw toError(signal.reason);
  }

  /** Until less than a byte is owed, in whole ms. */
  #owedMs(): number {
    this.#refill();
    const { bytesPerSecondMax: rate } = this.#options;
    if (rate === null || this.#allowance > -1) return 0;
    return Math.ceil((-this.#allowance * SECOND_MS) / rate);
  }

  #refill(): void {
    const { clock, bytesPerSecondMax: rate } = this.#options;
    if (rate === null) return;
    const nowMs = clock.monotonic();
    const earned = ((nowMs - this.#allowedMs) * rate) / SECOND_MS;
    this.#allowance = Math.min(this.#bucketBytes, this.#allowance + earned);
    this.#allowedMs = nowMs;
  }

  get #bucketBytes(): number {
    const { bytesPerSecondMax: rate } = this.#options;
    return rate === null ? Number.POSITIVE_INFINITY : (rate * BUCKET_MS) / SECOND_MS;
  }

  /** Ends early when the signal aborts, which it has not yet. */
  #pause(delayMs: number): Promise<void> {
    const { clock, signal, keepsAlive } = this.#options;
    return new Promise((resolve) => {
      const timer = clock.setTimer(end, delayMs, { keepsAlive });
      const endWatch = signal === undefined ? null : onAbort(signal, end);
      function end(): void {
        timer.cancel();
        endWatch?.();
        resolve();
      }
    });
  }
}
