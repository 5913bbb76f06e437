/** Runs asynchronous actions one after the other, in the order in which they were asked for. */

export class Mutex {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `action` when all earlier ones have settled; its failure does not stop later ones. */
  run<R>(action: () => Promise<R>): Promise<R> {
    const result = this.#last.then(action);
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** Resolves when everything asked for so far has settled. */
  async idle(): Promise<void> {
    await this.#last;
  }
}
