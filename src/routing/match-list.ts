/**
 * The bindings of one exchange that matched, by their slots, each once.
 *
 * @hot Used again for each exchange of each record.
 */
const CAPACITY = 64;

export class MatchList {
  /** The first `count` are valid. */
  slots = new Int32Array(CAPACITY);
  count = 0;

  clear(): void {
    this.count = 0;
  }

  add(slot: number): void {
    if (this.count === this.slots.length) this.#grow();
    this.slots[this.count++] = slot;
  }

  #grow(): void {
    const slots = new Int32Array(2 * this.slots.length);
    slots.set(this.slots);
    this.slots = slots;
  }
}
