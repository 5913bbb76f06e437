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
const WORD_BYTES = 4;
/** Of long input so much is taken at a time. */
const PART_WORDS = 256;
const PART_BYTES = PART_WORDS * WORD_BYTES;
/** Rounds without input. */
const NO_INPUT = new Int32Array(3);
const U32 = 2 ** 32;

const encoder = new TextEncoder();

/** As `writeAscii` does it. */
interface WrittenText {
  readonly words: Int32Array;
  readonly from: number;
  readonly sizeBytes: number;
}

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
  readonly #words = new Int32Array(PART_WORDS);
  readonly #last = new Int32Array(1);

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
    const words = this.#words;
    this.#begin(key);
    if (text.length <= PART_BYTES && writeAscii(text, words, 0)) {
      this.#end(words, 0, text.length, text.length);
    } else this.ofBytes(encoder.encode(text), key);
  }

  /** Of a text that is written already; `key` as above. */
  ofWritten({ words, from, sizeBytes }: WrittenText, key?: Uint8Array | string | null): void {
    this.#begin(key);
    this.#end(words, from, sizeBytes, sizeBytes);
  }

  /** Of bytes; `key` as above. */
  ofBytes(bytes: Uint8Array, key?: Uint8Array | string | null): void {
    this.#begin(key);
    const rest = this.#addParts(bytes);
    this.#end(this.#words, 0, rest, bytes.length);
  }

  /** Forgets what was added, and adds the key if it counts. */
  #begin(key: Uint8Array | string | null | undefined): void {
    this.#v0 = this.#key0;
    this.#v1 = this.#key1 ^ WIDE;
    this.#v2 = this.#key0 ^ V2;
    this.#v3 = this.#key1 ^ V3;
    this.#sizeBytes = 0;
    if (key !== undefined) this.#addKey(typeof key === 'string' ? encoder.encode(key) : key);
  }

  #addKey(key: Uint8Array | null): void {
    this.#addWord(key === null ? NO_KEY : key.length);
    this.#sizeBytes = WORD_BYTES;
    if (key === null) return;
    const rest = this.#addParts(key);
    this.#add(this.#words, 0, wordsOf(rest));
    this.#sizeBytes += wordsOf(key.length) * WORD_BYTES;
  }

  /** Adds all parts but the last. @returns how many bytes that has; they are in `#words` */
  #addParts(bytes: Uint8Array): number {
    let from = 0;
    for (; bytes.length - from > PART_BYTES; from += PART_BYTES) {
      writePart(bytes, from, this.#words);
      this.#add(this.#words, 0, PART_WORDS);
    }
    writePart(bytes, from, this.#words);
    return bytes.length - from;
  }

  #addWord(word: number): void {
    this.#last[0] = word;
    this.#add(this.#last, 0, 1);
  }

  /** Adds the last `length` bytes of an input of `sizeBytes`. */
  #end(words: Int32Array, from: number, length: number, sizeBytes: number): void {
    const end = from + (length >>> 2);
    this.#add(words, from, end);
    const rest = (length & 3) === 0 ? 0 : (words[end] ?? 0);
    this.#addWord(rest | ((this.#sizeBytes + sizeBytes) << 24)); // The lowest byte of the size.
    this.#v2 ^= WIDE;
    this.#add(NO_INPUT, 0, NO_INPUT.length);
    this.high = (this.#v1 ^ this.#v3) >>> 0;
    this.#v1 ^= SECOND;
    this.#add(NO_INPUT, 0, NO_INPUT.length);
    this.low = (this.#v1 ^ this.#v3) >>> 0;
    if (this.high === 0 && this.low === 0) this.low = 1;
  }

  /** A round for each word. */
  #add(words: Int32Array, from: number, to: number): void {
    let v0 = this.#v0;
    let v1 = this.#v1;
    let v2 = this.#v2;
    let v3 = this.#v3;
    for (let at = from; at < to; at++) {
      const word = words[at] ?? 0;
      v3 ^= word;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= word;
    }
    this.#v0 = v0;
    this.#v1 = v1;
    this.#v2 = v2;
    this.#v3 = v3;
  }
}

/** Words that so many bytes take. */
export function wordsOf(sizeBytes: number): number {
  return Math.ceil(sizeBytes / WORD_BYTES);
}

/**
 * Writes the bytes of a text of ASCII as little-endian words, the last one filled up with zeros.
 *
 * @returns false when it is not all ASCII: what was written means nothing
 */
export function writeAscii(text: string, words: Int32Array, from: number): boolean {
  const { length } = text;
  let all = 0;
  let at = 0;
  let to = from;
  for (; at + 3 < length; at += WORD_BYTES) {
    const first = text.charCodeAt(at);
    const second = text.charCodeAt(at + 1);
    const third = text.charCodeAt(at + 2);
    const fourth = text.charCodeAt(at + 3);
    all |= first | second | third | fourth;
    words[to++] = first | (second << 8) | (third << 16) | (fourth << 24);
  }
  if (at === length) return all <= ASCII_MAX;
  let rest = 0;
  for (let shift = 0; at < length; at++, shift += 8) {
    const character = text.charCodeAt(at);
    all |= character;
    rest |= character << shift;
  }
  words[to] = rest;
  return all <= ASCII_MAX;
}

/** Writes bytes in the same way: all from there on, or as many as there is room for. */
function writePart(bytes: Uint8Array, from: number, words: Int32Array): void {
  const end = Math.min(bytes.length, from + PART_BYTES);
  for (let at = from, to = 0; at < end; at += WORD_BYTES, to++) {
    words[to] =
      (bytes[at] ?? 0) |
      ((bytes[at + 1] ?? 0) << 8) |
      ((bytes[at + 2] ?? 0) << 16) |
      ((bytes[at + 3] ?? 0) << 24);
  }
}
