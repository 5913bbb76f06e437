/**
 * Where records go by the bytes of their routing keys: what was found is found again without a text.
 *
 * @hot To make a text of a key and look it up costs four times as much. Each hash has one place, which
 * the second to come in vain takes: of far more keys than places, most come once and would push out for
 * nothing. There are more places as they are fought for.
 */
const SLOTS_MIN = 128;
const SLOTS_MAX = 8192;
/** Longer keys are rare: they are not remembered here. */
const KEY_BYTES_MAX = 64;
const FNV_PRIME = 0x0100_0193;
const HASH_START = 0x811c_9dc5;
/** What is left of a product's 32 bits is as mixed as it gets. */
const GOLDEN = 0x9e37_79b1;

export class KeyRoutes {
  #slots = 0;
  #shift = 0;
  /** By slot: the key, its length and 1 (0 = nobody has it), and where it goes. */
  #keys = new Uint8Array(0);
  #lengths = new Uint8Array(0);
  /** By slot: 1 = somebody came in vain. */
  #challenged = new Uint8Array(0);
  #routes: (readonly number[] | null)[] = [];
  /** Those that came in vain since the last change of size. */
  #vainCount = 0;
  /** Of the key that was looked for last; -1 = it is too long. */
  #slot = -1;

  /** Where the key in `bytes[start, start + length)` goes, or null: not known. */
  get(bytes: Uint8Array, start: number, length: number): readonly number[] | null {
    this.#slot = -1;
    if (length > KEY_BYTES_MAX) return null;
    if (this.#slots === 0) this.#resize(SLOTS_MIN);
    let hash = HASH_START;
    for (let at = start; at < start + length; at++) {
      hash = Math.imul(hash ^ (bytes[at] ?? 0), FNV_PRIME);
    }
    const slot = Math.imul(hash, GOLDEN) >>> this.#shift;
    this.#slot = slot;
    if (this.#lengths[slot] !== length + 1) return null;
    const keys = this.#keys;
    const from = slot * KEY_BYTES_MAX;
    for (let at = 0; at < length; at++) {
      if (keys[from + at] !== bytes[start + at]) return null;
    }
    return this.#routes[slot] ?? null;
  }

  /** Remembers where the key goes that `get` has just not known. */
  put(bytes: Uint8Array, start: number, length: number, topicIds: readonly number[]): void {
    const slot = this.#slot;
    if (slot < 0) return;
    if (this.#lengths[slot] !== 0 && !this.#mayTake(slot)) return;
    this.#challenged[slot] = 0;
    for (let at = 0, to = slot * KEY_BYTES_MAX; at < length; at++, to++) {
      this.#keys[to] = bytes[start + at] ?? 0;
    }
    this.#lengths[slot] = length + 1;
    this.#routes[slot] = topicIds;
  }

  /** Forgets everything. */
  clear(): void {
    this.#lengths.fill(0);
    this.#routes.fill(null);
  }

  /** Whether a slot that another key has is the next one's. */
  #mayTake(slot: number): boolean {
    this.#vainCount++;
    if (this.#vainCount > this.#slots && this.#slots < SLOTS_MAX) {
      this.#resize(2 * this.#slots);
      return false;
    }
    const isSecond = this.#challenged[slot] === 1;
    this.#challenged[slot] = 1;
    return isSecond;
  }

  #resize(slots: number): void {
    this.#slots = slots;
    this.#shift = 32 - Math.log2(slots);
    this.#keys = new Uint8Array(slots * KEY_BYTES_MAX);
    this.#lengths = new Uint8Array(slots);
    this.#challenged = new Uint8Array(slots);
    this.#routes = Array.from({ length: slots }, () => null);
    this.#vainCount = 0;
  }
}
