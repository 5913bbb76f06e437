/**
 * An open file descriptor that is never used after it was closed.
 *
 * The kernel hands a closed number to the next file that is opened, so a late write would land in
 * a stranger's file. Here every operation in flight is counted, and `close` waits for them.
 */
import fs from 'node:fs';

import { ioError, toIoError } from './io-error.ts';
import type { IoOperation } from './io-error.ts';

/** What the callbacks of `node:fs` are: an error or null first. */
export type Done<T> = (error: NodeJS.ErrnoException | null, value: T) => void;

/** Windows lacks them; undefined is 0 to the bit operators. */
const { O_NOFOLLOW, O_NONBLOCK } = fs.constants;

/**
 * Flags of every open: no symbolic link at the end of the path, and no waiting for the other end
 * of a fifo. Node adds O_CLOEXEC, so no child inherits the descriptor (nor a lock on it).
 */
const FLAGS_ALWAYS = O_NOFOLLOW | O_NONBLOCK;

/** Runs one callback operation of `node:fs` as a promise that rejects with `IoError`. */
export function callFs<T>(at: IoOperation, start: (done: Done<T>) => void): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const done: Done<T> = (error, value) => {
      if (error === null) resolve(value);
      else reject(toIoError(error, at));
    };
    try {
      start(done);
    } catch (error) {
      // Node throws at once on a path with a NUL; to a caller it is a path that cannot be.
      reject(at.path.includes('\0') ? ioError('EINVAL', at, { cause: error }) : error);
    }
  });
}

export class Descriptor {
  readonly path: string;
  readonly #fd: number;
  #inFlightCount = 0;
  #closing: Promise<void> | null = null;
  #whenIdle: (() => void) | null = null;

  private constructor(path: string, fd: number) {
    this.path = path;
    this.#fd = fd;
  }

  /**
   * Opens a regular file and nothing else; a new one has mode 0600.
   *
   * @throws IoError as open(2); EISDIR for a directory, EINVAL for a fifo, socket or device
   */
  static async open(path: string, flags: number): Promise<Descriptor> {
    const at = { operation: 'open', path };
    const fd = await callFs<number>(at, (done) => fs.open(path, flags | FLAGS_ALWAYS, 0o600, done));
    const descriptor = new Descriptor(path, fd);
    try {
      const stat = await descriptor.stat();
      if (stat.isDirectory()) throw ioError('EISDIR', at);
      if (!stat.isFile()) throw ioError('EINVAL', at);
      return descriptor;
    } catch (error) {
      await descriptor.close();
      throw error;
    }
  }

  /** Runs one callback operation. @throws IoError; EBADF after `close` was called */
  run<T>(
    operation: string,
    position: number | null,
    start: (fd: number, done: Done<T>) => void,
  ): Promise<T> {
    if (this.#closing !== null) return Promise.reject(this.#closedError(operation, position));
    this.#inFlightCount += 1;
    return new Promise<T>((resolve, reject) => {
      const done: Done<T> = (error, value) => {
        this.#finished();
        if (error === null) resolve(value);
        else reject(toIoError(error, this.#at(operation, position)));
      };
      try {
        start(this.#fd, done);
      } catch (error) {
        this.#finished();
        throw error; // A mistake of ours, such as a bad buffer: not an operating condition.
      }
    });
  }

  /** Runs one operation on the calling thread. @throws as `run` */
  runSync<T>(operation: string, position: number | null, run: (fd: number) => T): T {
    if (this.#closing !== null) throw this.#closedError(operation, position);
    try {
      return run(this.#fd);
    } catch (error) {
      throw toIoError(error, this.#at(operation, position));
    }
  }

  stat(): Promise<fs.BigIntStats> {
    return this.run<fs.BigIntStats>('stat', null, (fd, done) => {
      fs.fstat(fd, { bigint: true }, done);
    });
  }

  /** Waits for operations in flight. Idempotent: every call waits for the same close. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#inFlightCount > 0) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
      });
    }
    const at = { operation: 'close', path: this.path };
    await callFs<void>(at, (done) => fs.close(this.#fd, (error) => done(error ?? null)));
  }

  #finished(): void {
    this.#inFlightCount -= 1;
    if (this.#inFlightCount === 0) this.#whenIdle?.();
  }

  #closedError(operation: string, position: number | null): Error {
    return ioError('EBADF', this.#at(operation, position));
  }

  #at(operation: string, position: number | null): IoOperation {
    return position === null
      ? { operation, path: this.path }
      : { operation, path: this.path, position };
  }
}
