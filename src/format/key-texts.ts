/**
 * The text keys of one batch, which come to their places all at once.
 *
 * @hot `add` per record; no allocation but the joined text.
 */
import { present } from '../core/assert.ts';
import { JoinedText } from './joined-text.ts';

/** Longer keys are not worth joining: there a call into native code is cheaper than our copy. */
export const JOINED_KEY_BYTES_MAX = 64;
/** Keys of the first batch; grows with them. */
const KEYS_MIN = 1024;

export class KeyTexts {
  readonly #joined = new JoinedText();
  #count = 0;
  /** Of each key: where it goes, and its length. */
  #places = new Uint32Array(KEYS_MIN);
  #lengths = new Uint8Array(KEYS_MIN);

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Takes along a key of at most `JOINED_KEY_BYTES_MAX` characters, taken for ASCII. */
  add(key: string, place: number): void {
    const at = this.#count;
    if (at === this.#places.length) this.#grow();
    this.#places[at] = place;
    this.#lengths[at] = key.length;
    this.#count = at + 1;
    this.#joined.add(key);
  }

  /**
   * Writes all to their places and forgets them.
   *
   * @returns false, with nothing written or forgotten, when they are not all ASCII
   */
  writeTo(to: DataView): boolean {
    if (this.#count === 0) return true;
    if (!this.#joined.encode()) return false;
    let from = 0;
    for (let at = 0; at < this.#count; at++) {
      const place = this.#places[at] ?? 0;
      const length = this.#lengths[at] ?? 0;
      this.#joined.copyTo(to, place, from, length);
      from += length;
    }
    this.clear();
    return true;
  }

  /** The bytes of the keys by their places: what they are when they are not ASCII. */
  encodedByPlace(): ReadonlyMap<number, Uint8Array> {
    const keys = new Map<number, Uint8Array>();
    let from = 0;
    for (let at = 0; at < this.#count; at++) {
      const length = present(this.#lengths[at], 'at < count');
      const key = this.#joined.text.slice(from, from + length);
      keys.set(present(this.#places[at], 'at < count'), Buffer.from(key, 'utf8'));
      from += length;
    }
    return keys;
  }

  clear(): void {
    this.#joined.clear();
    this.#count = 0;
  }

  #grow(): void {
    const places = new Uint32Array(2 * this.#places.length);
    places.set(this.#places);
    this.#places = places;
    const lengths = new Uint8Array(places.length);
    lengths.set(this.#lengths);
    this.#lengths = lengths;
  }
}
