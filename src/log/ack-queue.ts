/** Callers who wait for an offset to be written or synced, in offset order. */
import type { DurabilityLevel } from './log-options.ts';

/** One waiting call: `complete` is told the level that was reached. */
export interface Waiter {
  /** Offset of the caller's first record. */
  readonly baseOffset: number;
  /** First offset after the caller's records. */
  readonly nextOffset: number;
  /** The level that the caller asked for. */
  readonly asked: DurabilityLevel;
  complete(durability: DurabilityLevel): void;
  readonly fail: (error: Error) => void;
}

/** First in, first out; callers must be added in ascending order of `nextOffset`. */
export class AckQueue {
  #waiters: Waiter[] = [];
  #head = 0;

  /** Offset that the last caller waits for; 0 when none does. */
  get lastOffset(): number {
    return this.isEmpty ? 0 : (this.#waiters.at(-1)?.nextOffset ?? 0);
  }

  get isEmpty(): boolean {
    return this.#head === this.#waiters.length;
  }

  add(waiter: Waiter): void {
    this.#waiters.push(waiter);
  }

  /**
   * Answers everyone whose records end at or below `offset`: `durability` was reached by them all,
   * or the stronger `interval` by those who asked for it: the caller schedules their sync.
   *
   * @returns the strongest level that was answered
   */
  completeUpTo(offset: number, durability: DurabilityLevel): DurabilityLevel {
    let strongest = durability;
    const waiters = this.#waiters;
    let head = this.#head;
    for (; head < waiters.length; head++) {
      const waiter = waiters[head] as Waiter; // head < length
      if (waiter.nextOffset > offset) break;
      const reached = durability === 'os' ? waiter.asked : durability;
      if (reached !== 'os') strongest = reached;
      waiter.complete(reached);
    }
    this.#drop(head);
    return strongest;
  }

  /** Rejects everyone whose records end above `offset`, each with its own error. */
  failAbove(offset: number, errorFor: (waiter: Waiter) => Error): void {
    const waiters = this.#waiters.slice(this.#head);
    this.#waiters = waiters.filter((waiter) => waiter.nextOffset <= offset);
    this.#head = 0;
    for (const waiter of waiters) {
      if (waiter.nextOffset > offset) waiter.fail(errorFor(waiter));
    }
  }

  /** Forgets those before `head`; copies only when half of the array is behind it. */
  #drop(head: number): void {
    if (head === this.#waiters.length) {
      this.#waiters = [];
      this.#head = 0;
    } else if (head > this.#waiters.length / 2) {
      this.#waiters = this.#waiters.slice(head);
      this.#head = 0;
    } else {
      this.#head = head;
    }
  }
}
