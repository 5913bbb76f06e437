/**
 * A set of small numbers that is used again and again: the destinations of one record.
 *
 * @hot A number is in when its mark is that of the present generation, so to empty the set is to begin
 * the next one.
 */
const CAPACITY = 64;
const GENERATIONS_MAX = 0xffff_ffff;

export class TargetSet {
  /** In the order in which they came; the first `count` are valid. */
  members = new Int32Array(CAPACITY);
  count = 0;
  /** Generation in which it was last in, by number. */
  #marks = new Uint32Array(CAPACITY);
  #generation = 1;

  /** Empties it; from now on it has room for numbers below `capacity`. */
  begin(capacity: number): void {
    this.count = 0;
    if (capacity > this.#marks.length) this.#grow(capacity);
    if (this.#generation === GENERATIONS_MAX) {
      this.#marks.fill(0);
      this.#generation = 0;
    }
    this.#generation++;
  }

  /** Whether it was not in yet. */
  add(member: number): boolean {
    if (this.#marks[member] === this.#generation) return false;
    this.#marks[member] = this.#generation;
    this.members[this.count++] = member;
    return true;
  }

  #grow(capacity: number): void {
    const size = Math.max(capacity, 2 * this.#marks.length);
    this.#marks = new Uint32Array(size);
    this.members = new Int32Array(size);
  }
}
