/**
 * Things in the order in which they came, for those that come and go all the time; else as a `Set`.
 *
 * A `Set` that changes goes from table to table, and each that it leaves behind holds the next. Once
 * the collector has promoted one of them, it promotes all that follow, dead or not, with everything
 * their elements hold: half of what a queue allocated. An array has no such past.
 */
export class ArrivalList<T extends object> implements Iterable<T> {
  readonly #items: T[] = [];
  /** Where those stand that iterate. */
  readonly #cursors: { next: number }[] = [];

  get size(): number {
    return this.#items.length;
  }

  has(item: T): boolean {
    return this.#items.includes(item);
  }

  /** Behind all others. It must not be there. */
  add(item: T): void {
    this.#items.push(item);
  }

  /** Costs a look at each that came before it. Does nothing when it is not there. */
  delete(item: T): void {
    const at = this.#items.indexOf(item);
    if (at < 0) return;
    if (at === 0)
      this.#items.shift(); // Mostly: and it makes no list of what it takes out.
    else this.#items.splice(at, 1);
    for (const cursor of this.#cursors) if (cursor.next > at) cursor.next--;
  }

  /** Nothing is left. @returns what was there, oldest first */
  takeAll(): T[] {
    for (const cursor of this.#cursors) cursor.next = 0;
    return this.#items.splice(0);
  }

  /** Oldest first. What is added meanwhile is met too, and what is deleted is not. */
  *[Symbol.iterator](): Generator<T, void, void> {
    const cursor = { next: 0 };
    this.#cursors.push(cursor);
    try {
      for (;;) {
        const item = this.#items[cursor.next++];
        if (item === undefined) break;
        yield item;
      }
    } finally {
      this.#cursors.splice(this.#cursors.indexOf(cursor), 1);
    }
  }
}
