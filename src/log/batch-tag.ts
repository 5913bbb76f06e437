/** What the batches of a run say of its records: to producers, and to those who look for duplicates. */
import { assert, present } from '../core/assert.ts';
import { encodeFingerprints, fingerprintsBytes } from '../format/fingerprints-extension.ts';
import {
  CONSECUTIVE_BYTES,
  distanceBytes,
  encodeConsecutive,
  encodeProduced,
  SEQUENCE_MAX,
} from '../format/produced-extension.ts';

/** Batches with a tag hold nothing but the records of its run. */
export interface BatchTag {
  /** 0 = none. */
  readonly producerId: number;
  /** 0 = none. */
  readonly producerEpoch: number;
  /** Sequence of the record at `at` of the run; 0 = it has none. */
  sequence(at: number): number;
  /** Whether the extension block of a batch is the same however many records the batch has. */
  readonly isFixed: boolean;
  /** Bytes of the extension block of so many records of the run, at most. */
  extensionBytesMax(count: number): number;
  /** The extension block of records [from, to) of the run; called when they are encoded. */
  extension(from: number, to: number): Uint8Array;
}

/** Who sends a run. */
export interface RunProducer {
  readonly producerId: number;
  readonly producerEpoch: number;
  /** See `ProducedRecords.confirmed`; may move until a batch is encoded. */
  readonly confirmed: number;
}

/** Of a run that a producer sends. */
export class ProducedTag implements BatchTag {
  readonly #producer: RunProducer;
  readonly #sequences: number | readonly number[];
  /** Of the largest distance between two. */
  readonly #distanceBytes: number;

  /** @param sequences  of the first record, the others follow; or of each, ascending */
  constructor(producer: RunProducer, sequences: number | readonly number[]) {
    assert(producer.producerId > 0, 'a producer has an id');
    this.#producer = producer;
    this.#sequences = sequences;
    this.#distanceBytes = typeof sequences === 'number' ? 0 : largestDistanceBytes(sequences);
  }

  get producerId(): number {
    return this.#producer.producerId;
  }

  get producerEpoch(): number {
    return this.#producer.producerEpoch;
  }

  sequence(at: number): number {
    const sequences = this.#sequences;
    return typeof sequences === 'number'
      ? sequences + at
      : present(sequences[at], 'each record has a sequence');
  }

  get isFixed(): boolean {
    return typeof this.#sequences === 'number';
  }

  extensionBytesMax(count: number): number {
    return CONSECUTIVE_BYTES + (count - 1) * this.#distanceBytes;
  }

  extension(from: number, to: number): Uint8Array {
    assert(this.sequence(to - 1) <= SEQUENCE_MAX, 'a sequence has a next one');
    const { confirmed } = this.#producer;
    const sequences = this.#sequences;
    if (typeof sequences === 'number') return encodeConsecutive(sequences + from, confirmed);
    return encodeProduced(sequences.slice(from, to), confirmed);
  }
}

/** Of a run whose records have ids, or some of them. */
export class FingerprintTag implements BatchTag {
  readonly producerId = 0;
  readonly producerEpoch = 0;
  readonly isFixed = false;
  readonly #words: Uint32Array;

  /** @param words  for each record high and low of its fingerprint; 0, 0 = it has none */
  constructor(words: Uint32Array) {
    this.#words = words;
  }

  sequence(): number {
    return 0;
  }

  extensionBytesMax(count: number): number {
    return fingerprintsBytes(count);
  }

  extension(from: number, to: number): Uint8Array {
    return encodeFingerprints(this.#words, from, to);
  }
}

const JOINED_MAX = 64;
/** Room that is left for their extension block before they are there. */
export const JOINED_EXTENSION_BYTES = fingerprintsBytes(JOINED_MAX);

/** Of the records of a batch that others may join, by how many stand before. */
export class JoinedFingerprints {
  readonly #words = new Uint32Array(2 * JOINED_MAX);
  #count = 0;

  get isFull(): boolean {
    return this.#count === JOINED_MAX;
  }

  add(high: number, low: number): void {
    this.#words[2 * this.#count] = high;
    this.#words[2 * this.#count + 1] = low;
    this.#count++;
  }

  /** The extension block of the batch. */
  extension(): Uint8Array {
    return encodeFingerprints(this.#words, 0, this.#count);
  }

  /** For records that are encoded again. */
  tag(): FingerprintTag {
    return new FingerprintTag(this.#words.slice(0, 2 * this.#count));
  }
}

function largestDistanceBytes(sequences: readonly number[]): number {
  let largest = 0;
  for (let at = 1; at < sequences.length; at++) {
    const before = present(sequences[at - 1], 'below the length');
    const after = present(sequences[at], 'below the length');
    assert(after > before, 'sequences ascend');
    largest = Math.max(largest, distanceBytes(before, after));
  }
  return largest;
}
