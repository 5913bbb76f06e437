/** Says when segments of a partition may be rewritten: not while somebody reads its files as they stand. */
import { ConflictError } from '../core/errors.ts';

interface Rewriting {
  readonly ending: AbortController;
  readonly done: Promise<unknown>;
}

export class RewriteGate {
  /** Name of the partition, as callers are told. */
  readonly #name: string;
  readonly #running = new Set<Rewriting>();
  #shutCount = 0;

  constructor(name: string) {
    this.#name = name;
  }

  get isShut(): boolean {
    return this.#shutCount > 0;
  }

  /**
   * Runs `action`, which may put other segments in the place of those that are there.
   *
   * @param ending  aborted, with a ConflictError, when the gate is shut, or is already: `action` ends soon then
   * @throws ConflictError while it is shut; as `action`
   */
  async run<R>(ending: AbortController, action: () => Promise<R>): Promise<R> {
    if (this.isShut) {
      const refusal = this.#refusal();
      ending.abort(refusal);
      throw refusal;
    }
    const done = action();
    const rewriting = { ending, done };
    this.#running.add(rewriting);
    try {
      return await done;
    } finally {
      this.#running.delete(rewriting);
    }
  }

  /** Ends what goes on, and lets nobody in until the returned function is called, once. */
  async shut(): Promise<() => void> {
    this.#shutCount++;
    for (const { ending } of this.#running) ending.abort(this.#refusal());
    await Promise.allSettled([...this.#running].map(({ done }) => done));
    return () => {
      this.#shutCount--;
    };
  }

  #refusal(): ConflictError {
    const stored = 'being compared with its exchange';
    const requested = 'segments rewritten';
    return new ConflictError({ kind: 'partition', name: this.#name, stored, requested });
  }
}
