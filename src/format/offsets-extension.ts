/**
 * Which offsets the records of a batch have, of which some were compacted away: what its other fields say of
 * each record can be told by offset then, without a look at the records, which may be compressed.
 *
 *     per record: LEB128, the distance to its offset from the one before, less 1; of the first: its delta
 *
 * A batch without the field has a record for each of its first offsets.
 */
import { assert } from '../core/assert.ts';
import {
  EXTENSION_HEAD_BYTES,
  extensionError,
  soundField,
  writeExtensionHead,
  type ExtendedBatch,
} from './extension.ts';
import { ExtensionType } from './layout.ts';
import { viewOf } from './u64.ts';

const TWO_POW_7 = 2 ** 7;
/** Of a distance below 2^32. */
const DISTANCE_BYTES_MAX = 5;

/** The field. @param deltas  of the records, from the base offset of their batch: ascending */
export function encodeOffsets(deltas: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(EXTENSION_HEAD_BYTES + deltas.length * DISTANCE_BYTES_MAX);
  let end = EXTENSION_HEAD_BYTES;
  let next = 0;
  for (const delta of deltas) {
    assert(delta >= next, 'offsets ascend');
    let left = delta - next;
    for (; left >= TWO_POW_7; left = Math.floor(left / TWO_POW_7)) {
      bytes[end++] = (left % TWO_POW_7) | TWO_POW_7;
    }
    bytes[end++] = left;
    next = delta + 1;
  }
  const valueBytes = end - EXTENSION_HEAD_BYTES;
  writeExtensionHead(viewOf(bytes), 0, { type: ExtensionType.offsets, valueBytes });
  return bytes.subarray(0, end);
}

/**
 * The offsets of the records of a batch, less its base offset; null = the first ones, none is missing.
 *
 * @throws CorruptLogError when they cannot be: under a right checksum a hostile file or a bug
 */
export function offsetDeltasIn(batch: ExtendedBatch): Uint32Array | null {
  const value = soundField(batch, ExtensionType.offsets);
  if (value === null) return null;
  const { recordCount, lastOffsetDelta } = batch.header;
  if (recordCount > value.length) {
    throw extensionError(batch, `${value.length} bytes are not ${recordCount} offsets`);
  }
  const deltas = new Uint32Array(recordCount);
  let at = 0;
  let next = 0;
  for (let index = 0; index < recordCount; index++) {
    const end = at + DISTANCE_BYTES_MAX; // Further ones could be zeros without end: 0 x 2^1024 is no number.
    let factor = 1;
    let byte: number | undefined;
    do {
      byte = value[at++];
      if (byte === undefined) throw extensionError(batch, 'it ends in an offset');
      next += (byte % TWO_POW_7) * factor;
      factor *= TWO_POW_7;
    } while (byte >= TWO_POW_7 && at < end);
    if (byte >= TWO_POW_7) {
      throw extensionError(batch, `a distance has more than ${DISTANCE_BYTES_MAX} bytes`);
    }
    if (next > lastOffsetDelta) {
      throw extensionError(batch, `offset ${next} of ${lastOffsetDelta + 1} is behind the batch`);
    }
    deltas[index] = next++;
  }
  if (at === value.length) return deltas;
  throw extensionError(batch, `${value.length - at} bytes are behind the last offset`);
}
