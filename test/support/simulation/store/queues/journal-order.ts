/** Which of what was seen a power cut leaves: the journal is one log, of which it takes the end. */
export class JournalOrder {
  #now = 0;
  #durable = 0;

  /** Something was seen to be written. @returns its place in the order of what was seen */
  next(): number {
    return ++this.#now;
  }

  /** A call that is synced begins: what was written before is in front of it. */
  get last(): number {
    return this.#now;
  }

  /** That call was answered. @param calledAt  `last` when it was made */
  synced(calledAt: number): void {
    this.#durable = Math.max(this.#durable, calledAt);
  }

  /** A store was opened: all that it has was synced before it was served. */
  reopened(): void {
    this.#durable = this.#now;
  }

  isDurable(place: number): boolean {
    return place <= this.#durable;
  }
}
