/**
 * Standard output: buffered, with backpressure, and quiet when its reader leaves.
 *
 * Node ignores SIGPIPE, so a closed pipe shows as an EPIPE error event; unhandled, it would end
 * `varve cat log | head -1` with a stack trace and exit code 1.
 */
import type { Writable } from 'node:stream';
import { OutputClosedError } from './command-error.ts';

/** Handed on when this much is there: a pipe's capacity on Linux. */
const DRAIN_BYTES = 64 * 1024;
/** So long a reader has for the result of a verb that was stopped. */
const LAST_WORDS_MS = 1000;

export class Output {
  readonly #stream: Writable;
  readonly #signal: AbortSignal;
  #buffer = Buffer.allocUnsafe(2 * DRAIN_BYTES);
  #sizeBytes = 0;
  #failure: Error | null = null;
  #onFailure: ((error: Error) => void) | null = null;

  constructor(stream: Writable, signal: AbortSignal) {
    this.#stream = stream;
    this.#signal = signal;
    stream.on('error', (error: NodeJS.ErrnoException) => {
      this.#failure ??= isClosedPipe(error) ? new OutputClosedError() : error;
      this.#onFailure?.(this.#failure);
    });
  }

  /** Whether `drain` should be awaited before more is written. */
  get isFull(): boolean {
    return this.#sizeBytes >= DRAIN_BYTES;
  }

  /** Copies text or bytes into the buffer. */
  write(chunk: string | Uint8Array): void {
    if (typeof chunk === 'string') {
      this.#reserve(chunk.length * 3); // UTF-8 takes at most 3 bytes for each UTF-16 unit.
      this.#sizeBytes += this.#buffer.write(chunk, this.#sizeBytes);
    } else {
      this.#reserve(chunk.length);
      this.#buffer.set(chunk, this.#sizeBytes);
      this.#sizeBytes += chunk.length;
    }
  }

  /**
   * Hands everything to the stream and waits until it took it.
   *
   * @throws OutputClosedError when the reader left; the signal's reason when it fires meanwhile
   */
  async drain(): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    if (this.#sizeBytes === 0) return;
    // The buffer is free again when the write settled; if it never does, nothing more is written.
    await this.#writeBytes(this.#buffer.subarray(0, this.#sizeBytes), this.#signal);
    this.#sizeBytes = 0;
  }

  /**
   * As `drain`, for what a verb says at its end. One that was stopped says what it did, too, but does not
   * wait for long for a reader that stopped reading.
   *
   * @throws as `drain`
   */
  async finish(): Promise<void> {
    if (!this.#signal.aborted || this.#failure !== null || this.#sizeBytes === 0) {
      return this.drain();
    }
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(this.#signal.reason), LAST_WORDS_MS);
    try {
      await this.#writeBytes(this.#buffer.subarray(0, this.#sizeBytes), patience.signal);
      this.#sizeBytes = 0;
    } finally {
      clearTimeout(timer);
    }
  }

  #reserve(moreBytes: number): void {
    const neededBytes = this.#sizeBytes + moreBytes;
    if (neededBytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(neededBytes, this.#buffer.length * 2));
    this.#buffer.copy(larger, 0, 0, this.#sizeBytes);
    this.#buffer = larger;
  }

  #writeBytes(bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(asError(signal.reason));
      if (signal.aborted) return onAbort(); // A reader that stopped reading must not hold us up.
      signal.addEventListener('abort', onAbort, { once: true });
      this.#onFailure = reject;
      this.#stream.write(bytes, (error) => {
        signal.removeEventListener('abort', onAbort);
        this.#onFailure = null;
        if (error === null || error === undefined) resolve();
        else reject(isClosedPipe(error) ? new OutputClosedError() : error);
      });
    });
  }
}

function isClosedPipe(error: Error): boolean {
  const code = 'code' in error ? error.code : '';
  return code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED';
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
