/**
 * Bounds the fdatasyncs that the logs of a store have in flight together: each holds a thread of
 * Node's pool, which has four for the whole program.
 *
 * In the order in which they came; those that nobody waits for have one slot at most, and what the
 * journal syncs goes first, so that it waits for the end of one sync and never for a queue of them.
 *
 * A log has one slot at most, and one sync that takes too long gives its slot up to the others: a file
 * whose device hangs holds up nobody else. A second such one does hold its slot: of four threads one
 * must stay for the program.
 */
import type { Clock, Timer } from '../core/clock.ts';
import { SYNC_PATIENCE_MS, SYNCS_IN_FLIGHT_MAX } from '../core/limits.ts';

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
  beganMs = 0;
  readonly log: object;
  readonly #turns: SyncTurns;

  constructor(turns: SyncTurns, rank: SyncRank, log: object) {
    this.#turns = turns;
    this.rank = rank;
    this.log = log;
  }

  hurry(): void {
    if (this.rank !== 'background') return;
    this.#turns.hurried(this);
  }

  end(): void {
    this.#turns.ended(this);
  }
}

export interface SyncTurnsOptions {
  readonly clock: Clock;
  /** Syncs in flight together, but for one that takes too long; default `SYNCS_IN_FLIGHT_MAX`. */
  readonly max?: number;
}

export class SyncTurns {
  readonly #clock: Clock;
  readonly #max: number;
  /** In the order in which they began. */
  readonly #running = new Set<Turn>();
  #waiting: Turn[] = [];
  /** The one that runs and has no slot any more, for it takes too long. */
  #stuck: Turn | null = null;
  /** While some wait: looks whether one takes too long. */
  #timer: Timer | null = null;

  constructor({ clock, max = SYNCS_IN_FLIGHT_MAX }: SyncTurnsOptions) {
    this.#clock = clock;
    this.#max = max;
  }

  /** Syncs that wait for their turn. */
  get waitingCount(): number {
    return this.#waiting.length;
  }

  get runningCount(): number {
    return this.#running.size;
  }

  /** @param log  whose sync it is: those of one log come one after the other */
  take(rank: SyncRank, log: object): SyncTurn {
    const turn = new Turn(this, rank, log);
    if (this.#waiting.length === 0 && this.#mayBegin(turn)) this.#run(turn);
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
    if (this.#stuck === turn) this.#stuck = null;
    this.#beginNext();
  }

  #beginNext(): void {
    if (this.#waiting.length > 0) {
      this.#stuck ??= this.#overdue();
      for (const turn of this.#waiting) {
        if (this.#slotsTaken >= this.#max) break;
        if (!this.#mayBegin(turn)) continue;
        this.#run(turn);
        turn.begin();
      }
      this.#waiting = this.#waiting.filter((turn) => !this.#running.has(turn));
    }
    this.#watch();
  }

  #run(turn: Turn): void {
    turn.beganMs = this.#clock.monotonic();
    this.#running.add(turn);
  }

  get #slotsTaken(): number {
    return this.#running.size - (this.#stuck === null ? 0 : 1);
  }

  #mayBegin({ rank, log }: Turn): boolean {
    if (this.#slotsTaken >= this.#max) return false;
    for (const one of this.#running) {
      if (one.log === log) return false;
      const hasSlot = one !== this.#stuck;
      if (hasSlot && rank === 'background' && one.rank === 'background') return false;
    }
    return true;
  }

  /** One that takes too long. */
  #overdue(): Turn | null {
    const [oldest] = this.#running;
    const isOverdue = this.#msLeft(oldest) <= 0;
    return isOverdue ? (oldest ?? null) : null;
  }

  #msLeft(turn: Turn | undefined): number {
    if (turn === undefined) return Infinity;
    return turn.beganMs + SYNC_PATIENCE_MS - this.#clock.monotonic();
  }

  /** Who waits sees to it that nobody keeps a slot for ever. */
  #watch(): void {
    const isNeeded = this.#waiting.length > 0 && this.#stuck === null;
    if (!isNeeded) {
      this.#timer?.cancel();
      this.#timer = null;
      return;
    }
    const [oldest] = this.#running;
    this.#timer ??= this.#clock.setTimer(
      () => {
        this.#timer = null;
        this.#beginNext();
      },
      Math.max(1, this.#msLeft(oldest)),
    );
  }
}
