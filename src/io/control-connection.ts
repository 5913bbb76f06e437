/** One client of a control endpoint: it sends one line, and gets one line. */
import type { Socket } from 'node:net';

import type { Clock, Timer } from '../core/clock.ts';
import { MIB } from '../core/limits.ts';
import type { ControlOptions } from './file-system.ts';
import { GrowableBytes } from './growable-bytes.ts';

/** A longer request is not for us. */
export const REQUEST_BYTES_MAX = MIB;
/** Time for a request to be whole, from the connection on, and for its answer to be fetched. */
export const CLIENT_MS_MAX = 10_000;
const NEWLINE = 10;

export class ControlConnection {
  readonly #socket: Socket;
  readonly #answer: ControlOptions['answer'];
  readonly #clock: Clock;
  readonly #closed: Promise<void>;
  readonly #request = new GrowableBytes();
  #timer: Timer;
  /** Of the request, once it is whole. */
  #answering: Promise<void> | null = null;

  constructor(socket: Socket, { answer, clock }: ControlOptions) {
    this.#socket = socket;
    this.#answer = answer;
    this.#clock = clock;
    this.#timer = this.#destroyLater();
    this.#closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#timer.cancel();
        resolve();
      });
    });
    socket.unref();
    socket.on('error', () => socket.destroy()); // It went away: what it asked for is done all the same.
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.once('end', () => {
      if (this.#answering === null) socket.destroy(); // Half a request is none.
    });
  }

  /** Resolves when the client is gone. */
  get closed(): Promise<void> {
    return this.#closed;
  }

  /** Ends it, once what it asked for is done and answered. */
  async close(): Promise<void> {
    await this.#answering;
    // What was answered is in the kernel's buffer by now, unless the client let that run full.
    this.#socket.destroy();
    await this.#closed;
  }

  #take(chunk: Buffer): void {
    if (this.#answering !== null) return; // There is one request per connection.
    const end = chunk.indexOf(NEWLINE);
    const part = end < 0 ? chunk : chunk.subarray(0, end);
    const { sizeBytes } = this.#request;
    if (sizeBytes + part.length > REQUEST_BYTES_MAX) {
      this.#socket.destroy();
      return;
    }
    this.#request.write(part, sizeBytes);
    if (end >= 0) this.#answering = this.#serve(this.#request.slice(0, sizeBytes + part.length));
  }

  async #serve(request: Uint8Array): Promise<void> {
    this.#timer.cancel(); // It takes the time it takes.
    this.#socket.pause(); // More of the client would only fill memory.
    let line: string;
    try {
      line = await this.#answer(request);
    } catch {
      this.#socket.destroy(); // An answer that could not be told.
      return;
    }
    if (this.#socket.destroyed) return;
    this.#timer = this.#destroyLater();
    this.#socket.resume(); // Else its end is never seen.
    this.#socket.end(`${line}\n`);
  }

  #destroyLater(): Timer {
    return this.#clock.setTimer(() => this.#socket.destroy(), CLIENT_MS_MAX);
  }
}
