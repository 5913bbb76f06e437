/** Those who wait until a published record is in all of its destinations. */

export interface RoutedWaiter {
  /** Of the record in the source. */
  readonly offset: number;
  readonly topicIds: readonly number[];
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class RoutedWaiters {
  readonly #waiters: RoutedWaiter[] = [];
  readonly #isThere: (waiter: RoutedWaiter) => boolean;

  /** @param isThere  whether a record is synced in all of its destinations */
  constructor(isThere: (waiter: RoutedWaiter) => boolean) {
    this.#isThere = isThere;
  }

  /** Resolves when the record is there. */
  wait(offset: number, topicIds: readonly number[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ offset, topicIds, resolve, reject });
      this.look();
    });
  }

  /** Answers all whose records are there. @param common  below it all logs have all, but those behind */
  look(): void {
    let left = 0;
    for (const waiter of this.#waiters) {
      if (this.#isThere(waiter)) waiter.resolve();
      else this.#waiters[left++] = waiter;
    }
    this.#waiters.length = left;
  }

  /** Nobody will say it any more. */
  rejectAll(error: Error): void {
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
  }
}
