/** Asks the process that has a store open. */
import { connect } from 'node:net';

import { MIB } from '../core/limits.ts';
import { toError } from '../core/abort.ts';
import { findControlPlace } from './control-place.ts';
import { ioError, toIoError } from './io-error.ts';

/** No answer is larger: a store with 100,000 topics needs 40 MiB. */
const ANSWER_BYTES_MAX = 256 * MIB;
const NEWLINE = 10;
/** No store, no socket, or one that a dead owner left. */
const NOBODY: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ECONNREFUSED']);

export interface AskOptions {
  /** Ends the waiting, not what was asked for. */
  readonly signal: AbortSignal;
}

/**
 * Sends one line to the owner of the store in `directory`, and returns its answer.
 *
 * @returns null when nobody listens there: nothing was done
 * @throws IoError: ECONNRESET when the owner went away before it answered, and may have done what it
 *   was asked for; else nothing was done. The signal's reason
 */
export async function askControl(
  directory: string,
  request: string,
  { signal }: AskOptions,
): Promise<string | null> {
  signal.throwIfAborted();
  try {
    const path = await findControlPlace(directory);
    return path === null ? null : await exchange(path, request, signal);
  } catch (cause) {
    if (signal.aborted) throw cause;
    const error = toIoError(cause, { operation: 'askOwner', path: directory });
    if (NOBODY.has(error.details.errno)) return null;
    throw error;
  }
}

function exchange(path: string, request: string, signal: AbortSignal): Promise<string> {
  const at = { operation: 'askOwner', path };
  return new Promise((resolve, reject) => {
    const socket = connect({ path });
    const chunks: Buffer[] = [];
    let sizeBytes = 0;
    let isConnected = false;
    const onAbort = (): void => {
      reject(toError(signal.reason));
      socket.destroy();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('connect', () => {
      isConnected = true;
      socket.write(`${request}\n`);
    });
    socket.on('data', (chunk: Buffer) => {
      const end = chunk.indexOf(NEWLINE);
      chunks.push(end < 0 ? chunk : chunk.subarray(0, end));
      sizeBytes += chunk.length;
      if (end >= 0) resolve(Buffer.concat(chunks).toString('utf8'));
      if (end >= 0 || sizeBytes > ANSWER_BYTES_MAX) socket.destroy();
    });
    socket.on('error', (cause) => {
      // Reset while it waited to be accepted: the owner closed, and had no request of ours.
      const isNobody = !isConnected && 'code' in cause && cause.code === 'ECONNRESET';
      if (isNobody) reject(ioError('ECONNREFUSED', at, { cause }));
      else reject(isConnected ? ioError('ECONNRESET', at, { cause }) : cause);
    });
    socket.once('close', () => {
      signal.removeEventListener('abort', onAbort);
      reject(ioError('ECONNRESET', at)); // Unless it was answered.
    });
  });
}
