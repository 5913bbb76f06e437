/** A gap batch: says that a range of offsets holds no record, and why the chain still holds. */
import { assert } from '../core/assert.ts';
import { BATCH_BYTES_MAX } from '../core/limits.ts';
import { emptyBatchHeader, sealBatch, type BatchHeader } from './batch-header.ts';
import { EXTENSION_HEAD_BYTES, findExtension, writeExtensionHead } from './extension.ts';
import { BATCH_HEADER_BYTES, BatchKind, ExtensionType } from './layout.ts';
import { viewOf } from './u64.ts';

const CRC_BYTES = 4;

/** Bytes of the smallest gap batch, with room for a replaced end CRC. */
export const GAP_BATCH_BYTES_MIN = BATCH_HEADER_BYTES + EXTENSION_HEAD_BYTES + CRC_BYTES;

/** Offsets that one gap batch can cover: its last offset delta is a u32. */
export const GAP_OFFSETS_MAX = 2 ** 32;

export interface GapBatchInput extends Pick<
  BatchHeader,
  'logId' | 'segmentId' | 'epoch' | 'position' | 'baseOffset' | 'appendTimeMs'
> {
  /** First offset after the gap. */
  readonly nextOffset: number;
  /** Length of the batch: a gap over damage covers it byte for byte. */
  readonly sizeBytes: number;
  /** End CRC that the next segment states, when the damaged batch was the last of its segment. */
  readonly replacedEndCrc: number | null;
}

/** Encodes a gap batch; bytes behind the header that carry nothing are zero. */
export function encodeGapBatch(input: GapBatchInput): Uint8Array {
  const { nextOffset, replacedEndCrc, ...place } = input;
  const offsetCount = nextOffset - input.baseOffset;
  assert(offsetCount >= 1 && offsetCount <= GAP_OFFSETS_MAX, 'a gap covers 1 to 2^32 offsets');
  assert(input.sizeBytes >= GAP_BATCH_BYTES_MIN, 'a gap batch has room for its extension');
  assert(input.sizeBytes <= BATCH_BYTES_MAX, 'a gap batch is at most a batch');
  const bytes = new Uint8Array(input.sizeBytes);
  const view = viewOf(bytes);
  const header = Object.assign(emptyBatchHeader(), place);
  header.kind = BatchKind.gap;
  header.lastOffsetDelta = offsetCount - 1;
  if (replacedEndCrc !== null) {
    const field = { type: ExtensionType.replacedEndCrc, valueBytes: CRC_BYTES };
    const at = writeExtensionHead(view, BATCH_HEADER_BYTES, field);
    view.setUint32(at, replacedEndCrc, true);
    header.extensionBytes = EXTENSION_HEAD_BYTES + CRC_BYTES;
  }
  sealBatch(bytes, view, 0, header);
  return bytes;
}

/** The end CRC that a batch states for the one it replaced; null when it states none. */
export function readReplacedEndCrc(
  bytes: Uint8Array,
  at: number,
  header: BatchHeader,
): number | null {
  const value = findExtension(bytes, at, header, ExtensionType.replacedEndCrc);
  return value?.length === CRC_BYTES ? viewOf(value).getUint32(0, true) : null;
}
