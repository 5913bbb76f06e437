/**
 * Bounds the fdatasyncs that the logs of a store have in flight together: each holds a thread of
 * Node's pool, which has four for the whole program.
 *
 * In the order in which they came; those that nobody waits for have one slot at most, and what the
 * journal syncs goes first, so that it waits for the end of one sync and never for a queue of them.
 */
import { SYNCS_IN_FLIGHT_MAX } from '../core/limits.ts';

/** Whose sync it is: the journal's, one that a caller waits for, or neither. */
export type SyncRank = 'journal' | 'awaited' | 'background';

/** The turn of one sync. */
export interface SyncTurn {
  /** Resolves when it may begin; null = at once. */
  readonly begun: Promise<void> | null;
  /** Somebody waits for it now. */
  hurry(): void;
  /** Call it once, after the sync. */
  end(): void;
}

class Turn implements SyncTurn {
  begun: Promise<void> | null = null;
  rank: SyncRank;
  begin: () => void = () => undefined;
  readonly #turns: SyncTurns;

  constructor(turns: SyncTurns, rank: SyncRank) {
    this.#turns = turns;
    this.rank = rank;
  }

  hurry(): void {
    if (this.rank !== 'background') return;
    this.#turns.hurried(this);
  }

  end(): void {
    this.#turns.ended(this);
  }
}

export class SyncTurns {
  readonly #max: number;
  readonly #running = new Set<Turn>();
  #waiting: Turn[] = [];

  constructor(max = SYNCS_IN_FLIGHT_MAX) {
    this.#max = max;
  }

  /** Syncs that wait for their turn. */
  get waitingCount(): number {
    return this.#waiting.length;
  }

  get runningCount(): number {
    return this.#running.size;
  }

  take(rank: SyncRank): SyncTurn {
    const turn = new Turn(this, rank);
    if (this.#waiting.length === 0 && this.#mayBegin(turn)) this.#running.add(turn);
    else {
      turn.begun = new Promise((resolve) => (turn.begin = resolve));
      if (rank === 'journal') this.#waiting.unshift(turn);
      else this.#waiting.push(turn);
      this.#beginNext();
    }
    return turn;
  }

  /** @internal */
  hurried(turn: Turn): void {
    turn.rank = 'awaited'; // Also of one that runs: its slot is not that of the background any more.
    this.#beginNext();
  }

  /** @internal */
  ended(turn: Turn): void {
    this.#running.delete(turn);
    this.#beginNext();
  }

  #beginNext(): void {
    for (const turn of this.#waiting) {
      if (this.#running.size >= this.#max) break;
      if (!this.#mayBegin(turn)) continue;
      this.#running.add(turn);
      turn.begin();
    }
    this.#waiting = this.#waiting.filter((turn) => !this.#running.has(turn));
  }

  #mayBegin({ rank }: Turn): boolean {
    if (this.#running.size >= this.#max) return false;
    return rank !== 'background' || ![...this.#running].some((one) => one.rank === 'background');
  }
}
