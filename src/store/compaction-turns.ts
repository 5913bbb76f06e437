/**
 * One compaction at a time in a store: each may take as much memory for keys as there may be. What somebody
 * asks for comes before what is due by itself, and has that give way: what it has put in place stays.
 */
import { onAbort, toError } from '../core/abort.ts';

interface Turn {
  readonly ending: AbortController;
  readonly isAsked: boolean;
  readonly begin: () => void;
}

export class CompactionTurns {
  readonly #waiting: Turn[] = [];
  #running: Turn | null = null;

  /**
   * Runs `action` when its turn has come. Who is aborted while he waits does not wait any longer.
   *
   * @param ending  also aborted by who needs the turn of one that nobody asked for
   * @throws the reason of `ending`; as `action`
   */
  async run<R>(
    { ending, isAsked }: Pick<Turn, 'ending' | 'isAsked'>,
    action: () => Promise<R>,
  ): Promise<R> {
    await this.#take(ending, isAsked);
    try {
      return await action();
    } finally {
      this.#next();
    }
  }

  async #take(ending: AbortController, isAsked: boolean): Promise<void> {
    const { signal } = ending;
    signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const leave = onAbort(signal, () => {
        this.#waiting.splice(this.#waiting.indexOf(turn), 1);
        reject(toError(signal.reason));
      });
      const begin = (): void => {
        leave();
        resolve();
      };
      const turn: Turn = { ending, isAsked, begin };
      this.#waiting.push(turn);
      if (this.#running === null) this.#next();
      else if (isAsked && !this.#running.isAsked) this.#running.ending.abort();
    });
  }

  #next(): void {
    const asked = this.#waiting.findIndex((turn) => turn.isAsked);
    const [next = null] = this.#waiting.splice(Math.max(asked, 0), 1);
    this.#running = next;
    next?.begin();
  }
}
