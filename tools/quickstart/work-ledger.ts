/**
 * What the workers said that they did, from a pipe. A line is `handled <worker> <number>` or
 * `threw <worker> <number>`.
 */

/** Gathers the lines of all lives of the process; half a line at the end of one was not said. */
export class WorkLedger {
  readonly #handled = new Set<number>();
  readonly #byWorker = new Map<number, number>();
  #threwCount = 0;
  #handledCount = 0;
  #partial = '';

  /** How often handlers ended well, flights that came twice counted twice. */
  get handledCount(): number {
    return this.#handledCount;
  }

  get threwCount(): number {
    return this.#threwCount;
  }

  /** How often each worker's did, by its number. */
  get byWorker(): readonly number[] {
    return [...this.#byWorker].toSorted(([one], [two]) => one - two).map(([, count]) => count);
  }

  /** Numbers of the flights that were handled. */
  get handled(): ReadonlySet<number> {
    return this.#handled;
  }

  read(chunk: string): void {
    const lines = (this.#partial + chunk).split('\n');
    this.#partial = lines.pop() ?? '';
    for (const line of lines) this.#readLine(line);
  }

  /** The process has ended. */
  endLife(): void {
    this.#partial = '';
  }

  #readLine(line: string): void {
    const match = /^(handled|threw) (\d+) (\d+)$/.exec(line);
    if (match === null) throw new Error(`not a line of a worker: ${JSON.stringify(line)}`);
    const [, what, worker, number] = match;
    if (what === 'threw') {
      this.#threwCount += 1;
      return;
    }
    this.#handledCount += 1;
    this.#handled.add(Number(number));
    const before = this.#byWorker.get(Number(worker)) ?? 0;
    this.#byWorker.set(Number(worker), before + 1);
  }
}
