/** Bindings by what they are found by: mostly one alone, which then costs no set. */

/** None, one, or several. */
export type SlotBag = null | number | ReadonlySet<number>;

export class SlotBags<K> {
  readonly #bags = new Map<K, number | Set<number>>();

  /** Keys that something is found by. */
  get size(): number {
    return this.#bags.size;
  }

  get(key: K): SlotBag {
    return this.#bags.get(key) ?? null;
  }

  countOf(key: K): number {
    const bag = this.get(key);
    if (bag === null) return 0;
    return typeof bag === 'number' ? 1 : bag.size;
  }

  add(key: K, slot: number): void {
    const bag = this.#bags.get(key);
    if (bag === undefined) this.#bags.set(key, slot);
    else if (typeof bag === 'number') this.#bags.set(key, new Set([bag, slot]));
    else bag.add(slot);
  }

  remove(key: K, slot: number): void {
    const bag = this.#bags.get(key);
    if (bag === slot) this.#bags.delete(key);
    else if (typeof bag === 'object' && bag.delete(slot) && bag.size === 0) this.#bags.delete(key);
  }
}
