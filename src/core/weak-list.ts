/** Things to be told of something while anybody else still holds them. */

/** References are looked through again whenever there are twice as many as were left the last time. */
const REFERENCES_MIN = 16;

export class WeakList<T extends object> {
  #references: WeakRef<T>[] = [];
  #pruneAt = REFERENCES_MIN;

  add(item: T): void {
    if (this.#references.length >= this.#pruneAt) this.#prune();
    this.#references.push(new WeakRef(item));
  }

  /** References held, also of what is gone. */
  get size(): number {
    return this.#references.length;
  }

  /** Takes all of them out. */
  take(): T[] {
    const items = this.#references.flatMap((reference) => reference.deref() ?? []);
    this.#references = [];
    this.#pruneAt = REFERENCES_MIN;
    return items;
  }

  #prune(): void {
    this.#references = this.#references.filter((reference) => reference.deref() !== undefined);
    this.#pruneAt = Math.max(REFERENCES_MIN, 2 * this.#references.length);
  }
}
