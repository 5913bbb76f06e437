/** Lets a number of asynchronous actions run at a time, the others in the order in which they came. */
import type { Clock, Timer } from './clock.ts';

export interface SemaphorePatience {
  readonly clock: Clock;
  /** One action that takes longer gives its place up, ms: what hangs is not to hold up the others. */
  readonly patienceMs: number;
}

export class Semaphore {
  readonly #max: number;
  readonly #patience: SemaphorePatience | null;
  #runningCount = 0;
  readonly #waiting: (() => void)[] = [];
  /** Whether one runs that has given its place up: not more of them, for each may hold a thread. */
  #hasStuck = false;

  constructor(max: number, patience: SemaphorePatience | null = null) {
    this.#max = max;
    this.#patience = patience;
  }

  /** Runs `action` when its turn has come; its failure does not stop later ones. */
  async run<R>(action: () => Promise<R>): Promise<R> {
    if (this.#runningCount < this.#max) this.#runningCount++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    let isStuck = false;
    const watch = this.#watch(() => (isStuck = true));
    try {
      return await action();
    } finally {
      watch?.cancel();
      if (isStuck) this.#hasStuck = false;
      else this.#givePlace();
    }
  }

  /** Calls `onStuck` when one that runs has had to give its place up. */
  #watch(onStuck: () => void): Timer | null {
    if (this.#patience === null) return null;
    const { clock, patienceMs } = this.#patience;
    const look = (): void => {
      if (this.#hasStuck) {
        timer = clock.setTimer(look, patienceMs); // That one may end.
        return;
      }
      this.#hasStuck = true;
      onStuck();
      this.#givePlace();
    };
    let timer = clock.setTimer(look, patienceMs);
    return { cancel: () => timer.cancel() };
  }

  #givePlace(): void {
    const next = this.#waiting.shift(); // Takes over this one's place.
    if (next === undefined) this.#runningCount--;
    else next();
  }
}
