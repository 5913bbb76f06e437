/** Batches of several partitions as one sequence: each as soon as it is there, none favoured. */
import { onAbort } from '../core/abort.ts';
import type { Clock } from '../core/clock.ts';
import { planRead, type ReadOptions } from '../log/read-options.ts';

/** What a source has brought. */
interface Arrival<B> {
  readonly source: AsyncGenerator<B, void, void>;
  readonly result: IteratorResult<B, void> | null;
  readonly error: unknown;
}

export interface MergeOptions {
  /** Of all of it: what ends it, and whether the process stays alive while it waits. */
  readonly read: ReadOptions;
  readonly clock: Clock;
}

/**
 * Yields what the sources yield, in the order in which it arrives: of batches that are there already,
 * one of each source in turn. Ends with the last of them, and with the first failure of any.
 *
 * @param open  opens the sources; they must end when `signal` is aborted, for one that waits for
 *   further records ends by no other means, and keep no process alive: that is the merger's
 */
export async function* mergeBatches<B>(
  open: (signal: AbortSignal) => readonly AsyncGenerator<B, void, void>[],
  { read, clock }: MergeOptions,
): AsyncGenerator<B, void, void> {
  const { signal, keepsAlive } = planRead(read);
  const ending = new AbortController();
  const arrivals: Arrival<B>[] = [];
  let wake: (() => void) | null = null;
  const arrive = (arrival: Arrival<B>): void => {
    arrivals.push(arrival);
    wake?.();
  };
  // Not Promise.race: each call would leave a listener behind at each source that stays silent.
  const ask = (source: AsyncGenerator<B, void, void>): void => {
    source.next().then(
      (result) => arrive({ source, result, error: null }),
      (error: unknown) => arrive({ source, result: null, error }),
    );
  };
  const unwatch = signal === null ? null : onAbort(signal, () => ending.abort(signal.reason));
  const sources = open(ending.signal);
  try {
    for (const source of sources) ask(source);
    for (let left = sources.length; left > 0;) {
      signal?.throwIfAborted(); // As a read of one partition: at once.
      const arrival = arrivals.shift();
      if (arrival === undefined) {
        const vigil = keepsAlive ? clock.keepAlive?.() : undefined;
        await new Promise<void>((resolve) => (wake = resolve));
        vigil?.cancel();
        continue;
      }
      const { source, result, error } = arrival;
      if (result === null) throw error;
      if (result.done === true) left--;
      else {
        yield result.value;
        ask(source);
      }
    }
  } finally {
    unwatch?.();
    ending.abort();
    await Promise.allSettled(sources.map((source) => source.return()));
  }
}
