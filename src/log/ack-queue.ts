/** Callers who wait for an offset to be written or synced, in offset order. */
import { inNextTurn } from '../core/clock.ts';
import type { DurabilityLevel } from './log-options.ts';

/** One waiting call: `complete` is told the level that was reached. */
export interface Waiter {
  /** Offset of the caller's first record. */
  readonly baseOffset: number;
  /** First offset after the caller's records. */
  readonly nextOffset: number;
  /** The level that the caller asked for. */
  readonly asked: DurabilityLevel;
  /** Of one who waits for a sync that may take its time; absent = the caller is kept waiting. */
  readonly rank?: 'background';
  complete(durability: DurabilityLevel): void;
  readonly fail: (error: Error) => void;
}

/** Records whose callers `completeInTurns` answers in one turn: half a millisecond of appends. */
const RECORDS_PER_TURN = 2000;

/** First in, first out; callers must be added in ascending order of `nextOffset`. */
export class AckQueue {
  #waiters: Waiter[] = [];
  #head = 0;
  #awaitedOffset = 0;
  /** Up to which `completeInTurns` may go on, and whether it will. */
  #offsetInTurns = 0;
  #isPlanned = false;

  /** Offset that the last caller waits for; 0 when none does. */
  get lastOffset(): number {
    return this.isEmpty ? 0 : (this.#waiters.at(-1)?.nextOffset ?? 0);
  }

  /** The same but for those of background rank; it stays when they are answered. */
  get awaitedOffset(): number {
    return this.#awaitedOffset;
  }

  /** Offset that the first caller waits for; infinite when none does. */
  get #firstOffset(): number {
    return this.#waiters[this.#head]?.nextOffset ?? Number.POSITIVE_INFINITY;
  }

  get isEmpty(): boolean {
    return this.#head === this.#waiters.length;
  }

  add(waiter: Waiter): void {
    this.#waiters.push(waiter);
    if (waiter.rank === undefined) this.#awaitedOffset = waiter.nextOffset;
  }

  /**
   * Answers everyone whose records end at or below `offset`: `durability` was reached by them all,
   * or the stronger `interval` by those who asked for it: the caller schedules their sync. Whoever is
   * answered may come back here, as one who closes the log does: each is answered once, in order.
   *
   * @returns the strongest level that was answered
   */
  completeUpTo(offset: number, durability: DurabilityLevel): DurabilityLevel {
    let strongest = durability;
    while (this.#head < this.#waiters.length) {
      const waiter = this.#waiters[this.#head] as Waiter; // head < length
      if (waiter.nextOffset > offset) break;
      this.#head++; // First: see above.
      const reached = durability === 'os' ? waiter.asked : durability;
      if (reached !== 'os') strongest = reached;
      waiter.complete(reached);
    }
    this.#drop();
    return strongest;
  }

  /**
   * As `completeUpTo` at level `sync`, but of many callers only some in this turn of the event loop,
   * and the others in those that follow. They append again, and what the disk ends meanwhile is not
   * seen: all in one turn, the disk would wait for them and then they for it.
   */
  completeInTurns(offset: number): void {
    this.#offsetInTurns = offset;
    this.completeUpTo(Math.min(offset, this.#firstOffset + RECORDS_PER_TURN), 'sync');
    if (this.#isPlanned || this.#firstOffset > offset) return;
    this.#isPlanned = true;
    inNextTurn(() => {
      this.#isPlanned = false;
      this.completeInTurns(this.#offsetInTurns);
    });
  }

  /** Answers at once those whom `completeInTurns` would answer later. */
  completeRest(): void {
    this.completeUpTo(this.#offsetInTurns, 'sync');
  }

  /** Rejects everyone whose records end above `offset`, each with its own error. */
  failAbove(offset: number, errorFor: (waiter: Waiter) => Error): void {
    const waiters = this.#waiters.slice(this.#head);
    this.#waiters = waiters.filter((waiter) => waiter.nextOffset <= offset);
    this.#head = 0;
    this.#awaitedOffset = Math.min(this.#awaitedOffset, offset);
    for (const waiter of waiters) {
      if (waiter.nextOffset > offset) waiter.fail(errorFor(waiter));
    }
  }

  /** Forgets those before the head; copies only when half of the array is behind it. */
  #drop(): void {
    if (this.isEmpty) this.#waiters = [];
    else if (this.#head > this.#waiters.length / 2) this.#waiters = this.#waiters.slice(this.#head);
    else return;
    this.#head = 0;
  }
}
