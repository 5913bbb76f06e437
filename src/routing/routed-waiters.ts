/** Those who wait until a published record is in all of its destinations. */
import { onAbort, toError } from '../core/abort.ts';
import type { Projection } from './projection.ts';

export interface RoutedRecord {
  /** In the source. */
  readonly offset: number;
  readonly topicIds: readonly number[];
}

interface RoutedWaiter extends RoutedRecord {
  /** @param error  null = it is there */
  readonly end: (error: Error | null) => void;
}

export class RoutedWaiters {
  #waiters: RoutedWaiter[] = [];
  readonly #projected: Pick<Projection, 'knownPosition' | 'outlets'>;
  /** Why nobody will say it any more. */
  #closed: Error | null = null;

  constructor(projected: Pick<Projection, 'knownPosition' | 'outlets'>) {
    this.#projected = projected;
  }

  /** Resolves when the record is there. @throws the signal's reason; what `rejectAll` was given */
  async wait(record: RoutedRecord, signal?: AbortSignal): Promise<void> {
    if (this.#isThere(record)) return;
    if (this.#closed !== null) throw this.#closed;
    signal?.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      let unwatch: (() => void) | null = null;
      const end = (error: Error | null): void => {
        unwatch?.();
        if (error === null) resolve();
        else reject(error);
      };
      const waiter = { ...record, end };
      this.#waiters.push(waiter);
      if (signal === undefined) return;
      unwatch = onAbort(signal, () => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        reject(toError(signal.reason));
      });
    });
  }

  /** Answers all whose records are there. O(those who wait). */
  look(): void {
    let left = 0;
    for (const waiter of this.#waiters) {
      if (this.#isThere(waiter)) waiter.end(null);
      else this.#waiters[left++] = waiter;
    }
    this.#waiters.length = left;
  }

  /** Nobody will say it any more, to those either who ask from here on. */
  rejectAll(error: Error): void {
    this.#closed = error;
    for (const waiter of this.#waiters.splice(0)) waiter.end(error);
  }

  /** Whether a record is synced in all of its destinations. Of a topic that is gone there is no log. */
  #isThere({ offset, topicIds }: RoutedRecord): boolean {
    const { knownPosition, outlets } = this.#projected;
    if (knownPosition <= offset) return false;
    return topicIds.every((topicId) =>
      outlets.of(topicId).every(({ syncedPosition }) => syncedPosition > offset),
    );
  }
}
