/** Who waits for a table: for the end of a round, or for a record. */
import { withSignal } from '../core/abort.ts';
import type { TablePlace } from './table-options.ts';

interface RecordWait extends TablePlace {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class TableWaits {
  /** By partition: everything below was applied. */
  positions: ReadonlyMap<number, number> = new Map();
  /** Whether calls wait for the end of the round. */
  isHeld = false;
  #rounds: (() => void)[] = [];
  readonly #records = new Map<number, RecordWait>();
  #nextWait = 0;

  hasReached({ partition, offset }: TablePlace): boolean {
    return (this.positions.get(partition) ?? 0) > offset;
  }

  /** Resolves when the next round is over, or there will be none. */
  nextRound(): Promise<void> {
    return new Promise((resolve) => this.#rounds.push(resolve));
  }

  /** A round was applied. */
  advance(positions: ReadonlyMap<number, number>): void {
    this.positions = positions;
    this.#endRound();
    for (const wait of this.#records.values()) if (this.hasReached(wait)) wait.resolve();
  }

  /** Resolves when a record was applied. @throws the signal's reason; what `fail` is given */
  async reached({ partition, offset }: TablePlace, signal: AbortSignal | undefined): Promise<void> {
    const number = this.#nextWait++;
    try {
      await withSignal<void>(signal, (resolve, reject) => {
        this.#records.set(number, { partition, offset, resolve, reject });
      });
    } finally {
      this.#records.delete(number);
    }
  }

  /** There will be no further round. */
  fail(error: Error): void {
    for (const { reject } of this.#records.values()) reject(error);
    this.#endRound();
  }

  #endRound(): void {
    this.isHeld = false;
    const rounds = this.#rounds;
    this.#rounds = [];
    for (const resolve of rounds) resolve();
  }
}
