/**
 * What the ids of the records of a batch come to, to know them again: for each record its fingerprint,
 * as `core/fingerprint.ts` takes it.
 *
 *     per record: high u32 | low u32; 0, 0 = it has none
 */
import { assert, present } from '../core/assert.ts';
import {
  EXTENSION_HEAD_BYTES,
  extensionError,
  soundField,
  writeExtensionHead,
  type ExtendedBatch,
} from './extension.ts';
import { ExtensionType } from './layout.ts';
import { offsetDeltasIn } from './offsets-extension.ts';
import { viewOf } from './u64.ts';

const LOW_AT = 4;
const FINGERPRINT_BYTES = 8;

/** Bytes of the block of so many records. */
export function fingerprintsBytes(count: number): number {
  return EXTENSION_HEAD_BYTES + count * FINGERPRINT_BYTES;
}

/**
 * The extension block of records [from, to) of those that these are of.
 *
 * @param words  for each record high and low; 0, 0 = it has none
 */
export function encodeFingerprints(words: Uint32Array, from: number, to: number): Uint8Array {
  assert(from < to && 2 * to <= words.length, 'each record has two words');
  const block = new Uint8Array(fingerprintsBytes(to - from));
  const valueBytes = block.length - EXTENSION_HEAD_BYTES;
  const view = viewOf(block);
  let at = writeExtensionHead(view, 0, { type: ExtensionType.fingerprints, valueBytes });
  for (let word = 2 * from; word < 2 * to; word++) {
    view.setUint32(at, present(words[word], 'below the length'), true);
    at += LOW_AT;
  }
  return block;
}

/** The fingerprints of the records of a batch, by how many records stand before. */
export class Fingerprints {
  readonly count: number;
  readonly #view: DataView;
  readonly #deltas: Uint32Array | null;

  /**
   * @param value  of the field, whole
   * @param deltas  offsets of the records less that of the batch; null = none is missing
   */
  constructor(value: Uint8Array, deltas: Uint32Array | null) {
    this.#view = viewOf(value);
    this.count = value.length / FINGERPRINT_BYTES;
    this.#deltas = deltas;
  }

  /** Offset of the record, less the base offset of the batch. */
  delta(index: number): number {
    return this.#deltas === null ? index : present(this.#deltas[index], 'below the count');
  }

  high(index: number): number {
    return this.#view.getUint32(index * FINGERPRINT_BYTES, true);
  }

  low(index: number): number {
    return this.#view.getUint32(index * FINGERPRINT_BYTES + LOW_AT, true);
  }

  /** Whether the record has one. */
  has(index: number): boolean {
    return this.high(index) !== 0 || this.low(index) !== 0;
  }
}

/**
 * The fingerprints of the records of a batch; null when it has none.
 *
 * @throws CorruptLogError when it has not one for each: under a right checksum a hostile file or a bug
 */
export function fingerprintsIn(batch: ExtendedBatch): Fingerprints | null {
  const value = soundField(batch, ExtensionType.fingerprints);
  if (value === null) return null;
  const { recordCount } = batch.header;
  if (value.length !== recordCount * FINGERPRINT_BYTES) {
    const problem = `${value.length} bytes are not the fingerprints of ${recordCount} records`;
    throw extensionError(batch, problem);
  }
  return new Fingerprints(value, offsetDeltasIn(batch));
}
