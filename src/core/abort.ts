/** Waiting that an `AbortSignal` can end. */

type Settle<R> = (resolve: (result: R) => void, reject: (error: Error) => void) => void;

/** A promise that also rejects when the signal aborts; what was appended stays appended. */
export function withSignal<R>(signal: AbortSignal | undefined, start: Settle<R>): Promise<R> {
  if (signal === undefined) return new Promise(start);
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(toError(signal.reason));
    signal.addEventListener('abort', onAbort, { once: true });
    const end = () => signal.removeEventListener('abort', onAbort);
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

/** An abort rejects with the signal's reason, untouched, whatever it is. */
export function toError(reason: unknown): Error {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- typed as what reject takes; kept as it is
  return reason as Error;
}
