/** Waiting that an `AbortSignal` can end. */
import { argumentError } from './assert.ts';

type Settle<R> = (resolve: (result: R) => void, reject: (error: Error) => void) => void;

/**
 * Who waits for a signal. Each signal has one listener of ours, however many reads, members and
 * appends share it: Node warns of a leak from the eleventh on. None is left when nobody waits.
 */
const waiting = new WeakMap<AbortSignal, Watchers>();

interface Watchers {
  readonly callbacks: Set<() => void>;
  readonly listener: () => void;
}

/**
 * Calls `callback`, which must not throw, once the signal aborts; at once when it did already.
 *
 * @returns ends that; idempotent
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  if (signal.aborted) {
    callback();
    return () => undefined;
  }
  const watchers = waiting.get(signal) ?? watch(signal);
  const own = (): void => callback(); // Another one for each call, also with the same callback.
  watchers.callbacks.add(own);
  return () => {
    if (!watchers.callbacks.delete(own) || watchers.callbacks.size > 0) return;
    waiting.delete(signal);
    signal.removeEventListener('abort', watchers.listener);
  };
}

function watch(signal: AbortSignal): Watchers {
  const callbacks = new Set<() => void>();
  const listener = (): void => {
    waiting.delete(signal);
    for (const callback of callbacks) callback(); // One that ended meanwhile is not met any more.
    callbacks.clear();
  };
  const watchers = { callbacks, listener };
  waiting.set(signal, watchers);
  signal.addEventListener('abort', listener, { once: true });
  return watchers;
}

/** A promise that also rejects when the signal aborts; what was appended stays appended. */
export function withSignal<R>(signal: AbortSignal | undefined, start: Settle<R>): Promise<R> {
  if (signal === undefined) return new Promise(start);
  return new Promise((resolve, reject) => {
    const end = onAbort(signal, () => reject(toError(signal.reason)));
    start(
      (result) => {
        end();
        resolve(result);
      },
      (error) => {
        end();
        reject(error);
      },
    );
  });
}

/** Throws unless `value` is an `AbortSignal`, of whatever realm, or nothing. */
export function checkSignal(name: string, value: AbortSignal | undefined): void {
  if (value === undefined) return;
  const isSignal =
    value !== null &&
    typeof value === 'object' &&
    typeof value.aborted === 'boolean' &&
    typeof value.addEventListener === 'function';
  if (!isSignal) throw argumentError(TypeError, name, 'an AbortSignal', value);
}

/** An abort rejects with the signal's reason, untouched, whatever it is. */
export function toError(reason: unknown): Error {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- typed as what reject takes; kept as it is
  return reason as Error;
}
