/** Lets a number of asynchronous actions run at a time, the others in the order in which they came. */

export class Semaphore {
  readonly #max: number;
  #runningCount = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(max: number) {
    this.#max = max;
  }

  /** Runs `action` when its turn has come; its failure does not stop later ones. */
  async run<R>(action: () => Promise<R>): Promise<R> {
    if (this.#runningCount < this.#max) this.#runningCount++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await action();
    } finally {
      const next = this.#waiting.shift(); // Takes over this one's place.
      if (next === undefined) this.#runningCount--;
      else next();
    }
  }
}
