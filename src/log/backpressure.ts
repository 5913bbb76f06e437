/**
 * How much of what was appended waits, for the disk and for its level, and when that is too much.
 *
 * What is written holds no memory any more. It counts for those who wait for its sync: without a bound
 * they would be ever more, and wait ever longer. What was asked for at a weaker level is acknowledged
 * when it is written, and counts no longer, however long the log waits for its next sync.
 */
import { MIB } from '../core/limits.ts';

/** Appends without a caller who waits stop at this share of the bound: the others have room left... */
const NO_WAIT_SHARE = 1 / 4;
/** ...and when so much is not written as far as is known: in a long turn no write is seen to end. */
const NO_WAIT_UNWRITTEN_BYTES_MAX = 4 * MIB;
/** `ready` waits until this share of either is left, so that there is enough to do at once. */
const READY_SHARE = 1 / 2;

export interface BackpressureOptions {
  /** Counts what is encoded, in bytes, never going back. */
  readonly progress: { readonly encodedBytes: number };
  /** Bytes that may be appended and not acknowledged. */
  readonly queuedBytesMax: number;
}

/** One or more writes, up to where they end. */
interface WrittenEnd {
  readonly offset: number;
  /** Of `encodedBytes`. */
  readonly bytes: number;
  /** What of them was acknowledged at once: all or nothing. */
  readonly answeredBytes: number;
}

export class Backpressure {
  readonly queuedBytesMax: number;
  readonly #progress: { readonly encodedBytes: number };
  /** `encodedBytes` up to which everything is written, and acknowledged or rejected... */
  #writtenBytes = 0;
  #settledBytes = 0;
  /** ...and what is acknowledged behind that. */
  #answeredBytes = 0;
  /** Ends of writes, to know what an acknowledged offset frees. */
  readonly #ends: WrittenEnd[] = [];
  #readyWaiters: (() => void)[] = [];

  constructor({ progress, queuedBytesMax }: BackpressureOptions) {
    this.#progress = progress;
    this.queuedBytesMax = queuedBytesMax;
  }

  /** Bytes that were appended and are not acknowledged. */
  get queuedBytes(): number {
    return this.#progress.encodedBytes - this.#settledBytes - this.#answeredBytes;
  }

  /** Whether it is too much for appends that nobody waits for. */
  get isBusy(): boolean {
    return this.#progress.encodedBytes >= this.busyBytes(1);
  }

  /** `encodedBytes` from which on so much of what may pile up for them waits. */
  busyBytes(share: number): number {
    return Math.min(
      this.#settledBytes + this.#answeredBytes + share * this.queuedBytesMax * NO_WAIT_SHARE,
      this.#writtenBytes + share * NO_WAIT_UNWRITTEN_BYTES_MAX,
    );
  }

  /** Resolves at `wake`, when there is room for a good many of them. */
  ready(): Promise<void> {
    return new Promise((resolve) => this.#readyWaiters.push(resolve));
  }

  /** Answers `ready` if it may, or `always`. */
  wake(always: boolean): void {
    const waiters = this.#readyWaiters;
    if (waiters.length === 0) return;
    if (!always && this.#progress.encodedBytes >= this.busyBytes(READY_SHARE)) return;
    this.#readyWaiters = [];
    for (const waiter of waiters) waiter();
  }

  /**
   * What ends at `offset`, and at `endBytes` of `encodedBytes`, is written.
   *
   * @param isAwaited  whether somebody waits for the sync of a part of it; else it is acknowledged
   */
  written(offset: number, endBytes: number, isAwaited: boolean): void {
    const bytes = Math.max(endBytes, this.#writtenBytes); // What waited for room ends before what was cleared.
    const answeredBytes = isAwaited ? 0 : bytes - this.#writtenBytes;
    this.#writtenBytes = bytes;
    const last = this.#ends.at(-1);
    if (isAwaited) this.#ends.push({ offset, bytes, answeredBytes });
    else if (last === undefined) this.#settledBytes = bytes;
    else {
      this.#answeredBytes += answeredBytes;
      // Together with the one before, for the next sync may be far away.
      if (last.answeredBytes > 0) this.#ends.pop();
      this.#ends.push({ offset, bytes, answeredBytes: last.answeredBytes + answeredBytes });
    }
  }

  /** What is written below `offset` is acknowledged. */
  settle(offset: number): void {
    let settled = 0;
    for (const { offset: end, bytes, answeredBytes } of this.#ends) {
      if (end > offset) break;
      this.#settledBytes = bytes;
      this.#answeredBytes -= answeredBytes;
      settled++;
    }
    this.#ends.splice(0, settled);
  }

  /** Everything that was not acknowledged is rejected. */
  clear(): void {
    this.#ends.length = 0;
    this.#answeredBytes = 0;
    this.#settledBytes = this.#progress.encodedBytes;
    this.#writtenBytes = this.#settledBytes;
  }
}
