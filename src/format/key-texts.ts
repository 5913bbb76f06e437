/**
 * The text keys of one batch, turned into bytes by one call instead of one for each.
 *
 * @hot `add` per record; no allocation but the joined text.
 *
 * A string has to be asked for each of its characters (95 ns for 16), or handed to native code for
 * as much. Joined, some hundred keys cost 17 ns each, and 17 more to be copied to their places.
 */
import { present } from '../core/assert.ts';
import { viewOf } from './u64.ts';

/** Longer keys are not worth joining: there a call into native code is cheaper than our copy. */
export const JOINED_KEY_BYTES_MAX = 64;
/** Keys of the first batch; grows with them. */
const KEYS_MIN = 1024;
const UTF8_CHAR_BYTES_MAX = 4;

export class KeyTexts {
  #text = '';
  #count = 0;
  /** Of each key: where it goes, and its length. */
  #places = new Uint32Array(KEYS_MIN);
  #lengths = new Uint8Array(KEYS_MIN);
  #bytes: Buffer = Buffer.allocUnsafeSlow(KEYS_MIN);
  #view: DataView = viewOf(this.#bytes);

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
    this.#text += key;
  }

  /**
   * Writes all to their places and forgets them.
   *
   * @returns false, with nothing written or forgotten, when they are not all ASCII
   */
  writeTo(to: DataView): boolean {
    if (this.#count === 0) return true;
    if (!this.#encode()) return false;
    let from = 0;
    for (let at = 0; at < this.#count; at++) {
      const place = this.#places[at] ?? 0;
      const length = this.#lengths[at] ?? 0;
      this.#copyTo(to, place, from, length);
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
      const key = this.#text.slice(from, from + length);
      keys.set(present(this.#places[at], 'at < count'), Buffer.from(key, 'utf8'));
      from += length;
    }
    return keys;
  }

  clear(): void {
    this.#text = '';
    this.#count = 0;
  }

  /** Without the cost of a call into native code. */
  #copyTo(to: DataView, place: number, from: number, length: number): void {
    const view = this.#view;
    let at = 0;
    for (; at + 4 <= length; at += 4) {
      to.setUint32(place + at, view.getUint32(from + at, true), true);
    }
    for (; at < length; at++) to.setUint8(place + at, view.getUint8(from + at));
  }

  /** Whether all are ASCII: only then is nothing longer as bytes than as text. */
  #encode(): boolean {
    const text = this.#text;
    // With room for one more character, whatever is not ASCII shows in the number of bytes.
    const bytesMin = text.length + UTF8_CHAR_BYTES_MAX;
    if (bytesMin > this.#bytes.length) {
      this.#bytes = Buffer.allocUnsafeSlow(2 * bytesMin);
      this.#view = viewOf(this.#bytes);
    }
    return this.#bytes.write(text, 'utf8') === text.length;
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
