/** Has rows of a table go that retention took: in steps, so that others get on while there are many. */
import { nextTurn } from '../core/clock.ts';
import type { TableRows } from './table-rows.ts';

/** Steps before the event loop has its turn: a table of some thousand keys is never behind. */
const STEPS_AT_ONCE = 2;

export class TableTrim {
  readonly #rows: Pick<TableRows<unknown>, 'drop'>;
  /** By partition: rows below are gone, or are about to go. */
  readonly #floors: number[] = [];
  #isDue = false;
  #isRunning = false;

  constructor(rows: Pick<TableRows<unknown>, 'drop'>) {
    this.#rows = rows;
  }

  /** Rows of that partition below an offset are to go; `run` does it. */
  raise(partition: number, offset: number): void {
    if (offset <= (this.#floors[partition] ?? 0)) return;
    this.#floors[partition] = offset;
    this.#isDue = true;
  }

  /** Begins at once. Resolves when all of them are gone, or somebody else has begun with it. */
  async run(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    let steps = 0;
    while (this.#isDue) {
      this.#isDue = false; // Where a floor is raised meanwhile, it is gone through once more.
      for (const step = this.#rows.drop(this.#floors); step.next().done !== true;) {
        if (++steps >= STEPS_AT_ONCE) await nextTurn();
      }
    }
    this.#isRunning = false;
  }
}
