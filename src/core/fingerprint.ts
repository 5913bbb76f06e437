/**
 * The fingerprint of an id, or of content: 64 bits that stand for it where there are many.
 *
 * @hot It stands in batches and tables on disk, so it is the same for ever: HalfSipHash-1-3 with an
 * output of 64 bits, `high` being the first four bytes of it as a little-endian number, `low` the
 * others. Never 0, 0, which says that a record has none: that becomes 0, 1. Where 64 bits are too few, in
 * memory, there is a third lane, squeezed out as the second is.
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
const THIRD = 0xcc;
const NO_KEY = 0xffff_ffff;
const WORD_BYTES = 4;
const WORD_MASK = WORD_BYTES - 1;
/** Rounds behind the input: one of its last bytes with its size, and three of each lane. */
const LANE_ROUNDS = 3;
const END_ROUNDS = { 2: 1 + 2 * LANE_ROUNDS, 3: 1 + 3 * LANE_ROUNDS } as const;
/** Text with more units gets memory of its own. */
const TEXT_UNITS_MAX = 256;
const UNIT_BYTES_MAX = 3;
const U32 = 2 ** 32;

export class Fingerprint {
  /** Of what was given last, each a u32. */
  high = 0;
  low = 0;
  /** Of three lanes the last: 32 bits more, for memory alone. */
  third = 0;
  readonly #endRounds: number;
  readonly #key0: number;
  readonly #key1: number;
  #v0 = 0;
  #v1 = 0;
  #v2 = 0;
  #v3 = 0;
  /** Of the key, as it was added. */
  #sizeBytes = 0;
  /** Room for short text. */
  readonly #bytes = Buffer.alloc(TEXT_UNITS_MAX * UNIT_BYTES_MAX);
  readonly #view = viewOf(this.#bytes);

  /**
   * @param seed  53 bits, by chance: one for all ids that are to be compared
   * @param laneCount  3 = with `third`; the others are the same
   */
  constructor(seed: number, laneCount: keyof typeof END_ROUNDS = 2) {
    this.#endRounds = END_ROUNDS[laneCount];
    this.#key0 = seed | 0;
    this.#key1 = (seed / U32) | 0;
  }

  /**
   * Of a text.
   *
   * @param key  of its record, null = it has none; left out where the key does not count
   */
  ofText(text: string, key?: Uint8Array | string | null): void {
    if (text.length > TEXT_UNITS_MAX) return this.ofBytes(Buffer.from(text, 'utf8'), key);
    this.#begin(key);
    this.#end(this.#view, 0, this.#bytes.write(text, 'utf8'));
  }

  /** Of bytes; `key` as above. */
  ofBytes(bytes: Uint8Array, key?: Uint8Array | string | null): void {
    this.ofView(viewOf(bytes), 0, bytes.length, key);
  }

  /** Of so many bytes from there on; `key` as above. */
  ofView(view: DataView, from: number, sizeBytes: number, key?: Uint8Array | string | null): void {
    this.#begin(key);
    this.#end(view, from, sizeBytes);
  }

  /** Forgets what was added, and adds the key if it counts. */
  #begin(key: Uint8Array | string | null | undefined): void {
    this.#v0 = this.#key0;
    this.#v1 = this.#key1 ^ WIDE;
    this.#v2 = this.#key0 ^ V2;
    this.#v3 = this.#key1 ^ V3;
    this.#sizeBytes = 0;
    if (key !== undefined) this.#addKey(typeof key === 'string' ? Buffer.from(key, 'utf8') : key);
  }

  #addKey(key: Uint8Array | null): void {
    this.#addWord(key === null ? NO_KEY : key.length);
    if (key === null) return;
    const view = viewOf(key);
    const wholeBytes = key.length & ~WORD_MASK;
    this.#mix({ view, from: 0, wholeBytes }, 0, 0);
    this.#sizeBytes += wholeBytes;
    if (wholeBytes < key.length) this.#addWord(restOf(view, wholeBytes, key.length));
  }

  #addWord(word: number): void {
    this.#view.setInt32(0, word, true);
    this.#mix({ view: this.#view, from: 0, wholeBytes: WORD_BYTES }, 0, 0);
    this.#sizeBytes += WORD_BYTES;
  }

  /** Adds the last bytes of an input, and takes what it comes to. */
  #end(view: DataView, from: number, sizeBytes: number): void {
    const wholeBytes = sizeBytes & ~WORD_MASK;
    const rest = restOf(view, from + wholeBytes, from + sizeBytes);
    const lowestOfSize = (this.#sizeBytes + sizeBytes) << 24;
    this.#mix({ view, from, wholeBytes }, rest | lowestOfSize, this.#endRounds);
    const lane = (this.#v1 ^ this.#v3) >>> 0;
    if (this.#endRounds === END_ROUNDS[2]) this.low = lane;
    else this.third = lane;
    if (this.high === 0 && this.low === 0) this.low = 1;
  }

  /**
   * A round for each word, and those behind the input, if it is the end of it: one loop, so that all is in
   * registers.
   */
  #mix(
    { view, from, wholeBytes }: { view: DataView; from: number; wholeBytes: number },
    last: number,
    endRounds: number,
  ): void {
    let v0 = this.#v0;
    let v1 = this.#v1;
    let v2 = this.#v2;
    let v3 = this.#v3;
    let at = from;
    const firstLane = endRounds - 1;
    const secondLane = firstLane - LANE_ROUNDS;
    const thirdLane = secondLane - LANE_ROUNDS;
    for (let left = wholeBytes / WORD_BYTES + endRounds; left > 0; left--) {
      let word = 0;
      if (left > endRounds) {
        word = view.getInt32(at, true);
        at += WORD_BYTES;
      } else if (left === endRounds) word = last;
      else if (left === firstLane) v2 ^= WIDE;
      else if (left === secondLane) {
        this.high = (v1 ^ v3) >>> 0;
        v1 ^= SECOND;
      } else if (left === thirdLane) {
        this.low = (v1 ^ v3) >>> 0;
        v1 ^= THIRD;
      }
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

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Up to three bytes as a little-endian word. */
function restOf(view: DataView, from: number, to: number): number {
  let word = 0;
  for (let at = to - 1; at >= from; at--) word = (word << 8) | view.getUint8(at);
  return word;
}
