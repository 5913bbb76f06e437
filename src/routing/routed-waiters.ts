/** Those who wait until a published record is in all of its destinations. */
import type { Projection } from './projection.ts';

export interface RoutedWaiter {
  /** Of the record in the source. */
  readonly offset: number;
  readonly topicIds: readonly number[];
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class RoutedWaiters {
  readonly #waiters: RoutedWaiter[] = [];
  readonly #projected: Pick<Projection, 'knownPosition' | 'outlets'>;

  constructor(projected: Pick<Projection, 'knownPosition' | 'outlets'>) {
    this.#projected = projected;
  }

  /** Resolves when the record is there. */
  wait(offset: number, topicIds: readonly number[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ offset, topicIds, resolve, reject });
      this.look();
    });
  }

  /** Answers all whose records are there. */
  look(): void {
    let left = 0;
    for (const waiter of this.#waiters) {
      if (this.#isThere(waiter)) waiter.resolve();
      else this.#waiters[left++] = waiter;
    }
    this.#waiters.length = left;
  }

  /** Whether a record is synced in all of its destinations. Of a topic that is gone there is no log. */
  #isThere({ offset, topicIds }: RoutedWaiter): boolean {
    const { knownPosition, outlets } = this.#projected;
    if (knownPosition <= offset) return false;
    return topicIds.every((topicId) =>
      outlets.of(topicId).every(({ syncedPosition }) => syncedPosition > offset),
    );
  }

  /** Nobody will say it any more. */
  rejectAll(error: Error): void {
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
  }
}
