/** Which partition a record goes to. */
import { assert } from '../core/assert.ts';
import { randomBelow, type Random } from '../core/random.ts';

const SEED = 0x9747b28c;
const MULTIPLIER = 0x5bd1e995;
const SHIFT = 24;
const POSITIVE = 0x7fffffff;

/** Bytes that go to one partition before keyless records move on to another: Kafka's `batch.size`. */
const STICKY_BYTES = 16 * 1024;

const encoder = new TextEncoder();
const ASCII_MAX = 0x7f;
/** Of short ASCII keys: an encoder costs more than the hash, and a buffer per key. */
const asciiBytes = new Uint8Array(128);

/**
 * Austin Appleby's MurmurHash2 in Kafka's variant, as a signed 32-bit integer.
 *
 * @param start, length  of what is hashed: all of it, or all that follows
 */
export function murmur2(bytes: Uint8Array, start = 0, length = bytes.length - start): number {
  let hash = SEED ^ length;
  const words = start + (length & ~3);
  for (let at = start; at < words; at += 4) {
    let word = Math.imul(wordAt(bytes, at, 4), MULTIPLIER);
    word = Math.imul(word ^ (word >>> SHIFT), MULTIPLIER);
    hash = Math.imul(hash, MULTIPLIER) ^ word;
  }
  const left = length & 3;
  if (left > 0) hash = Math.imul(hash ^ wordAt(bytes, words, left), MULTIPLIER);
  hash = Math.imul(hash ^ (hash >>> 13), MULTIPLIER);
  return hash ^ (hash >>> 15);
}

/** So many bytes, at most 4, little-endian. */
function wordAt(bytes: Uint8Array, at: number, count: number): number {
  let word = 0;
  for (let byte = 0; byte < count; byte++) word |= (bytes[at + byte] ?? 0) << (8 * byte);
  return word;
}

/** The partition of a key, text as UTF-8: the same as that of Kafka's default partitioner. */
export function partitionOfKey(key: Uint8Array | string, partitionCount: number): number {
  return partitionOfHash(hashOfKey(key), partitionCount);
}

/** The same, of a key among other bytes. */
export function partitionOfKeyIn(
  place: { readonly bytes: Uint8Array; readonly keyStart: number; readonly keyBytes: number },
  partitionCount: number,
): number {
  return partitionOfHash(murmur2(place.bytes, place.keyStart, place.keyBytes), partitionCount);
}

function partitionOfHash(hash: number, partitionCount: number): number {
  assert(partitionCount > 0, 'a topic has partitions');
  return (hash & POSITIVE) % partitionCount;
}

/** The `murmur2` of a key, text as UTF-8. */
export function hashOfKey(key: Uint8Array | string): number {
  if (typeof key !== 'string') return murmur2(key);
  const { length } = key;
  if (length > asciiBytes.length) return murmur2(encoder.encode(key));
  for (let at = 0; at < length; at++) {
    const unit = key.charCodeAt(at);
    if (unit > ASCII_MAX) return murmur2(encoder.encode(key));
    asciiBytes[at] = unit;
  }
  return murmur2(asciiBytes, 0, length);
}

/**
 * Keyless records stay with one partition for a while, so that they share batches and syncs, and
 * then go on with another, drawn at random (KIP-480, KIP-794).
 */
export class StickyPartitioner {
  readonly #random: Random;
  #partition = -1;
  #bytesLeft = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** @param sizeBytes  of the record, roughly */
  next(partitionCount: number, sizeBytes: number): number {
    if (this.#bytesLeft <= 0 || this.#partition >= partitionCount || this.#partition < 0) {
      this.#partition = this.#other(partitionCount);
      this.#bytesLeft = STICKY_BYTES;
    }
    this.#bytesLeft -= sizeBytes;
    return this.#partition;
  }

  /** Any but the current one, if there is another. */
  #other(partitionCount: number): number {
    const isOneOf = this.#partition >= 0 && this.#partition < partitionCount;
    if (!isOneOf || partitionCount === 1) return randomBelow(this.#random, partitionCount);
    const step = 1 + randomBelow(this.#random, partitionCount - 1);
    return (this.#partition + step) % partitionCount;
  }
}
