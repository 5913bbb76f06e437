/** One client of a control endpoint: it sends one line, and gets one line. */
import type { Socket } from 'node:net';

import type { Clock, Timer } from '../core/clock.ts';
import { MIB } from '../core/limits.ts';
import type { ControlOptions } from './file-system.ts';
import { GrowableBytes } from './growable-bytes.ts';

/** A longer request is not for us: the largest record that a topic may allow, in base64, fits. */
export const REQUEST_BYTES_MAX = 24 * MIB;
/** What the requests of all clients may take together. */
export const REQUESTS_BYTES_MAX = 2 * REQUEST_BYTES_MAX;
/** Time for a request to be whole, from the connection on, and for its answer to be fetched. */
export const CLIENT_MS_MAX = 10_000;
/** Time to take note that nothing is answered any more: it holds up who closes. */
export const FAREWELL_MS_MAX = 1_000;
const NEWLINE = 10;

/** Shared by the clients of an endpoint. */
export class RequestRoom {
  #takenBytes = 0;

  /** Whether there is room, which is taken then. */
  take(sizeBytes: number): boolean {
    if (this.#takenBytes + sizeBytes > REQUESTS_BYTES_MAX) return false;
    this.#takenBytes += sizeBytes;
    return true;
  }

  give(sizeBytes: number): void {
    this.#takenBytes -= sizeBytes;
  }
}

export class ControlConnection {
  readonly #socket: Socket;
  readonly #answer: ControlOptions['answer'];
  readonly #farewell: string | undefined;
  readonly #clock: Clock;
  readonly #closed: Promise<void>;
  readonly #room: RequestRoom;
  readonly #request = new GrowableBytes();
  #timer: Timer;
  /** Of the request, once it is whole. */
  #answering: Promise<void> | null = null;
  #isTurnedAway = false;

  constructor(socket: Socket, { answer, farewell, clock }: ControlOptions, room: RequestRoom) {
    this.#socket = socket;
    this.#answer = answer;
    this.#farewell = farewell;
    this.#clock = clock;
    this.#room = room;
    this.#timer = this.#destroyAfter(CLIENT_MS_MAX);
    this.#closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#timer.cancel();
        void this.#forget(); // Also when the client left: what it sent is being worked on.
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

  /** Ends it, once what it asked for is done and answered, or it knows that nothing was. */
  async close(): Promise<void> {
    if (this.#answering === null && this.#farewell !== undefined) this.#turnAway(this.#farewell);
    else {
      await this.#answering;
      // What was answered is in the kernel's buffer by now, unless the client let that run full.
      this.#socket.destroy();
    }
    await this.#closed;
  }

  /** Its side stays open meanwhile: a client that fails to write does not read any more. */
  #turnAway(farewell: string): void {
    if (this.#isTurnedAway || this.#socket.destroyed) return;
    this.#isTurnedAway = true;
    this.#socket.ref(); // Else a process with nothing else to do ends in the middle of closing.
    this.#timer.cancel();
    this.#timer = this.#destroyAfter(FAREWELL_MS_MAX);
    this.#socket.end(`${farewell}\n`);
  }

  async #forget(): Promise<void> {
    await this.#answering;
    this.#room.give(this.#request.sizeBytes);
  }

  #take(chunk: Buffer): void {
    if (this.#answering !== null || this.#isTurnedAway) return; // There is one request per connection.
    const end = chunk.indexOf(NEWLINE);
    const part = end < 0 ? chunk : chunk.subarray(0, end);
    const { sizeBytes } = this.#request;
    const isTooLong = sizeBytes + part.length > REQUEST_BYTES_MAX;
    if (isTooLong || !this.#room.take(part.length)) {
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
    this.#timer = this.#destroyAfter(CLIENT_MS_MAX);
    this.#socket.resume(); // Else its end is never seen.
    this.#socket.end(`${line}\n`);
  }

  #destroyAfter(delayMs: number): Timer {
    return this.#clock.setTimer(() => this.#socket.destroy(), delayMs);
  }
}
