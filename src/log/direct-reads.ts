/**
 * Reads on the calling thread, as long as the disk answers at once.
 *
 * A trip through the thread pool costs 30 times what the page cache needs for the read itself
 * (PERFORMANCE: 29 k/s against 864 k/s). The other side of it is that a slow disk would hold up the
 * event loop, so the clock decides: after a read that took long, none is made here for a while.
 */
import type { Clock } from '../core/clock.ts';
import { isIoError } from '../core/errors.ts';
import {
  DIRECT_READ_PAUSE_MS,
  DIRECT_READ_PAUSE_MS_MAX,
  FAST_READS_TO_FORGET,
  SLOW_READ_MS,
} from '../core/limits.ts';
import type { File } from '../io/file-system.ts';

/** Of one log. */
export class DirectReads {
  readonly #clock: Clock;
  /** Monotonic time before which the disk is not asked here. */
  #pausedUntilMs = Number.NEGATIVE_INFINITY;
  /** How long it is not asked after the next slow read. */
  #pauseMs = DIRECT_READ_PAUSE_MS;
  /** Reads in a row that were not slow. */
  #fastReads = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Reads as much as the file has.
   *
   * @returns how many bytes; null = not now, or not without an error: ask the thread pool, which
   *   tells of it
   */
  read(file: File, into: Uint8Array, position: number): number | null {
    const startMs = this.#clock.monotonic();
    if (startMs < this.#pausedUntilMs) return null;
    const count = readSync(file, into, position);
    this.#noteDuration(startMs);
    return count;
  }

  /** A disk that is slow again and again is asked less and less; a hiccup is soon forgotten. */
  #noteDuration(startMs: number): void {
    const endMs = this.#clock.monotonic();
    if (endMs - startMs > SLOW_READ_MS) {
      this.#pausedUntilMs = endMs + this.#pauseMs;
      this.#pauseMs = Math.min(4 * this.#pauseMs, DIRECT_READ_PAUSE_MS_MAX);
      this.#fastReads = 0;
    } else if (++this.#fastReads === FAST_READS_TO_FORGET) this.#pauseMs = DIRECT_READ_PAUSE_MS;
  }
}

function readSync(file: File, into: Uint8Array, position: number): number | null {
  try {
    return file.readSync(into, position);
  } catch (error) {
    if (isIoError(error)) return null;
    throw error;
  }
}
