/**
 * The fingerprint of an id, or of content: 64 bits that stand for it where there are many.
 *
 * @hot It stands in batches and tables on disk, so it is the same for ever: HalfSipHash-1-3 with an
 * output of 64 bits, `high` being the first four bytes of it as a little-endian number, `low` the
 * others. Never 0, 0, which says that a record has none: that becomes 0, 1.
 *
 * Text is taken as UTF-8, as it is stored. With a key in front, the input is: the key's length in bytes
 * (u32, little-endian; 2^32 - 1 for a record without a key), the key, zeros up to a multiple of four, and
 * what it is about.
 *
 * Keyed, so who does not know the seed cannot choose ids that meet. Two that meet all the same are told
 * apart by what is stored.
 *
 * Source: Aumasson, Bernstein, SipHash: a fast short-input PRF, 2012; HalfSipHash, its variant for words
 * of 32 bits, in the authors' reference code; 1 and 3 rounds as hash tables use it (Linux, Rust).
 */
const V2 = 0x6c79_6765;
const V3 = 0x7465_6462;
const WIDE = 0xee;
const SECOND = 0xdd;
const NO_KEY = 0xffff_ffff;
const ASCII_MAX = 0x7f;
const NOT_ASCII = -1;
const U32 = 2 ** 32;

const encoder = new TextEncoder();

export class Fingerprint {
  /** Of what was given last, each a u32. */
  high = 0;
  low = 0;
  readonly #key0: number;
  readonly #key1: number;
  #v0 = 0;
  #v1 = 0;
  #v2 = 0;
  #v3 = 0;
  /** Of the key, as it was added. */
  #sizeBytes = 0;

  /** @param seed  53 bits, by chance: one for all ids that are to be compared */
  constructor(seed: number) {
    this.#key0 = seed | 0;
    this.#key1 = (seed / U32) | 0;
  }

  /**
   * Of a text.
   *
   * @param key  of its record, null = it has none; left out where the key does not count
   */
  ofText(text: string, key?: Uint8Array | string | null): void {
    this.#begin(key);
    const rest = this.#addAscii(text);
    if (rest === NOT_ASCII) this.ofBytes(encoder.encode(text), key);
    else this.#end(rest, text.length);
  }

  /** Of bytes; `key` as above. */
  ofBytes(bytes: Uint8Array, key?: Uint8Array | string | null): void {
    this.#begin(key);
    this.#end(this.#addBytes(bytes), bytes.length);
  }

  /** Forgets what was added, and adds the key if it counts. */
  #begin(key: Uint8Array | string | null | undefined): void {
    this.#v0 = this.#key0;
    this.#v1 = this.#key1 ^ WIDE;
    this.#v2 = this.#key0 ^ V2;
    this.#v3 = this.#key1 ^ V3;
    this.#sizeBytes = 0;
    if (key === undefined) return;
    const length = key === null ? NO_KEY : key.length;
    this.#addWord(length);
    this.#sizeBytes = 4;
    if (key === null || length === 0) return;
    const isText = typeof key === 'string';
    const rest = isText ? this.#addAscii(key) : this.#addBytes(key);
    if (isText && rest === NOT_ASCII) {
      this.#begin(encoder.encode(key));
      return;
    }
    if ((length & 3) !== 0) this.#addWord(rest);
    this.#sizeBytes += (length + 3) & ~3;
  }

  /** Adds the whole words; what is left, as the lower bytes of one. */
  #addBytes(bytes: Uint8Array): number {
    const end = bytes.length & ~3;
    let at = 0;
    for (; at < end; at += 4) {
      this.#addWord(
        (bytes[at] ?? 0) |
          ((bytes[at + 1] ?? 0) << 8) |
          ((bytes[at + 2] ?? 0) << 16) |
          ((bytes[at + 3] ?? 0) << 24),
      );
    }
    let rest = 0;
    for (let shift = 0; at < bytes.length; at++, shift += 8) rest |= (bytes[at] ?? 0) << shift;
    return rest;
  }

  /** The same of a text whose characters are its bytes; of others `NOT_ASCII`, with rubbish added. */
  #addAscii(text: string): number {
    const length = text.length;
    const end = length & ~3;
    let all = 0;
    let at = 0;
    for (; at < end; at += 4) {
      const first = text.charCodeAt(at);
      const second = text.charCodeAt(at + 1);
      const third = text.charCodeAt(at + 2);
      const fourth = text.charCodeAt(at + 3);
      all |= first | second | third | fourth;
      this.#addWord(first | (second << 8) | (third << 16) | (fourth << 24));
    }
    let rest = 0;
    for (let shift = 0; at < length; at++, shift += 8) {
      const character = text.charCodeAt(at);
      all |= character;
      rest |= character << shift;
    }
    return all > ASCII_MAX ? NOT_ASCII : rest;
  }

  #addWord(word: number): void {
    this.#v3 ^= word;
    this.#round();
    this.#v0 ^= word;
  }

  /** @param rest  what no whole word has of the last `length` bytes */
  #end(rest: number, length: number): void {
    this.#addWord(rest | ((this.#sizeBytes + length) << 24)); // The lowest byte of the size.
    this.#v2 ^= WIDE;
    this.#round();
    this.#round();
    this.#round();
    this.high = (this.#v1 ^ this.#v3) >>> 0;
    this.#v1 ^= SECOND;
    this.#round();
    this.#round();
    this.#round();
    this.low = (this.#v1 ^ this.#v3) >>> 0;
    if (this.high === 0 && this.low === 0) this.low = 1;
  }

  #round(): void {
    let v0 = (this.#v0 + this.#v1) | 0;
    let v1 = ((this.#v1 << 5) | (this.#v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    let v2 = (this.#v2 + this.#v3) | 0;
    let v3 = ((this.#v3 << 8) | (this.#v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    this.#v0 = v0;
    this.#v1 = v1;
    this.#v2 = v2;
    this.#v3 = v3;
  }
}
