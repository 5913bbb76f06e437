/** Fields of the format, and how a forger changes them: every checksum is right afterwards. */
import { checksum } from '../../../src/format/checksum.ts';
import * as layout from '../../../src/format/layout.ts';
import { viewOf } from '../../../src/format/u64.ts';

export interface Field {
  readonly name: string;
  readonly at: number;
  readonly bytes: 1 | 2 | 4 | 8;
}

/** Where a structure with a checksum of its own stands in a file. */
export interface Sealed {
  readonly kind: 'segment header' | 'batch' | 'checkpoint slot';
  readonly at: number;
  /** Bytes that the checksum covers; of a batch its own length field decides. */
  readonly sizeBytes: number;
}

export const SEGMENT_FIELDS: readonly Field[] = [
  { name: 'version', at: layout.SEGMENT_VERSION_AT, bytes: 2 },
  { name: 'flags', at: layout.SEGMENT_FLAGS_AT, bytes: 2 },
  { name: 'generation', at: layout.SEGMENT_GENERATION_AT, bytes: 4 },
  { name: 'log id', at: layout.SEGMENT_LOG_ID_AT, bytes: 8 },
  { name: 'segment id', at: layout.SEGMENT_SEGMENT_ID_AT, bytes: 8 },
  { name: 'base offset', at: layout.SEGMENT_BASE_OFFSET_AT, bytes: 8 },
  { name: 'previous id', at: layout.SEGMENT_PREVIOUS_ID_AT, bytes: 8 },
  { name: 'previous end', at: layout.SEGMENT_PREVIOUS_END_OFFSET_AT, bytes: 8 },
  { name: 'previous end crc', at: layout.SEGMENT_PREVIOUS_END_CRC_AT, bytes: 4 },
  { name: 'epoch', at: layout.SEGMENT_EPOCH_AT, bytes: 4 },
  { name: 'created time', at: layout.SEGMENT_CREATED_TIME_AT, bytes: 8 },
  { name: 'owner', at: layout.SEGMENT_OWNER_ID_AT, bytes: 8 },
  { name: 'end offset', at: layout.SEGMENT_END_OFFSET_AT, bytes: 8 },
  { name: 'end crc', at: layout.SEGMENT_END_CRC_AT, bytes: 4 },
];

export const BATCH_FIELDS: readonly Field[] = [
  { name: 'magic', at: layout.MAGIC_AT, bytes: 4 },
  { name: 'version', at: layout.VERSION_AT, bytes: 1 },
  { name: 'kind', at: layout.KIND_AT, bytes: 1 },
  { name: 'attributes', at: layout.ATTRIBUTES_AT, bytes: 2 },
  { name: 'length', at: layout.SIZE_AT, bytes: 4 },
  { name: 'position', at: layout.POSITION_AT, bytes: 4 },
  { name: 'epoch', at: layout.EPOCH_AT, bytes: 4 },
  { name: 'log id', at: layout.LOG_ID_AT, bytes: 8 },
  { name: 'segment id', at: layout.SEGMENT_ID_AT, bytes: 8 },
  { name: 'base offset', at: layout.BASE_OFFSET_AT, bytes: 8 },
  { name: 'last offset delta', at: layout.LAST_OFFSET_DELTA_AT, bytes: 4 },
  { name: 'record count', at: layout.RECORD_COUNT_AT, bytes: 4 },
  { name: 'append time', at: layout.APPEND_TIME_AT, bytes: 8 },
  { name: 'base create time', at: layout.BASE_CREATE_TIME_AT, bytes: 8 },
  { name: 'max create time', at: layout.MAX_CREATE_TIME_AT, bytes: 8 },
  { name: 'synced up to', at: layout.SYNCED_UP_TO_AT, bytes: 8 },
  { name: 'producer id', at: layout.PRODUCER_ID_AT, bytes: 8 },
  { name: 'base sequence', at: layout.BASE_SEQUENCE_AT, bytes: 4 },
  { name: 'producer epoch', at: layout.PRODUCER_EPOCH_AT, bytes: 2 },
  { name: 'extension length', at: layout.EXTENSION_BYTES_AT, bytes: 2 },
  { name: 'topology version', at: layout.TOPOLOGY_VERSION_AT, bytes: 8 },
];

export const CHECKPOINT_FIELDS: readonly Field[] = [
  { name: 'magic', at: layout.CHECKPOINT_MAGIC_AT, bytes: 4 },
  { name: 'version', at: layout.CHECKPOINT_VERSION_AT, bytes: 2 },
  { name: 'epoch count', at: layout.CHECKPOINT_EPOCH_COUNT_AT, bytes: 2 },
  { name: 'hint position', at: layout.CHECKPOINT_HINT_POSITION_AT, bytes: 4 },
  { name: 'sequence', at: layout.CHECKPOINT_SEQUENCE_AT, bytes: 8 },
  { name: 'log id', at: layout.CHECKPOINT_LOG_ID_AT, bytes: 8 },
  { name: 'start offset', at: layout.CHECKPOINT_START_OFFSET_AT, bytes: 8 },
  { name: 'synced offset', at: layout.CHECKPOINT_SYNCED_OFFSET_AT, bytes: 8 },
  { name: 'visible offset', at: layout.CHECKPOINT_VISIBLE_OFFSET_AT, bytes: 8 },
  { name: 'hint segment', at: layout.CHECKPOINT_HINT_SEGMENT_AT, bytes: 8 },
  { name: 'first epoch start', at: layout.CHECKPOINT_EPOCHS_AT, bytes: 8 },
  { name: 'first epoch', at: layout.CHECKPOINT_EPOCHS_AT + 8, bytes: 4 },
];

/** Of a record at `at` of its batch; the first has a key and a header block behind it. */
export function recordFields(at: number, keyBytes: number): readonly Field[] {
  const headersAt = at + layout.RECORD_HEADER_BYTES + keyBytes;
  return [
    { name: 'record length and flags', at: at + layout.RECORD_SIZE_AND_FLAGS_AT, bytes: 4 },
    { name: 'record flags', at: at + layout.RECORD_SIZE_AND_FLAGS_AT + 3, bytes: 1 },
    { name: 'record offset', at: at + layout.RECORD_OFFSET_DELTA_AT, bytes: 4 },
    { name: 'record time', at: at + layout.RECORD_CREATE_TIME_LOW_AT, bytes: 4 },
    { name: 'record time, high', at: at + layout.RECORD_CREATE_TIME_HIGH_AT, bytes: 2 },
    { name: 'key length', at: at + layout.RECORD_KEY_BYTES_AT, bytes: 2 },
    { name: 'header block length', at: headersAt, bytes: 4 },
    { name: 'header name length', at: headersAt + 4, bytes: 2 },
    { name: 'header value length', at: headersAt + 4 + 2 + 4, bytes: 4 },
  ];
}

/** Of an index batch with one entry. */
export function indexFields(sizeBytes: number): readonly Field[] {
  const at = layout.BATCH_HEADER_BYTES;
  return [
    { name: 'entry offset', at: at + layout.INDEX_ENTRY_OFFSET_AT, bytes: 8 },
    { name: 'entry time', at: at + layout.INDEX_ENTRY_MAX_CREATE_TIME_AT, bytes: 8 },
    { name: 'entry position', at: at + layout.INDEX_ENTRY_POSITION_AT, bytes: 4 },
    { name: 'entry offset, low', at: at + layout.INDEX_ENTRY_OFFSET_AT, bytes: 4 },
    { name: 'entry time, low', at: at + layout.INDEX_ENTRY_MAX_CREATE_TIME_AT, bytes: 4 },
    { name: 'trailer', at: sizeBytes - layout.INDEX_TRAILER_BYTES, bytes: 4 },
  ];
}

/** What a forger writes into a field: its ends, and the neighbours of what stands there. */
export function forgedValues(bytes: Field['bytes'], stored: bigint): readonly bigint[] {
  const max = 2n ** BigInt(8 * bytes) - 1n;
  const values = [
    0n,
    1n,
    7n,
    max,
    max - 1n,
    max >> 1n,
    (max >> 1n) + 1n,
    stored + 1n,
    stored - 1n,
    stored * 2n,
    stored ^ (1n << BigInt(8 * bytes - 1)),
  ];
  if (bytes === 8) values.push(2n ** 53n - 1n, 2n ** 53n - 2n, 2n ** 53n, 2n ** 52n, 2n ** 32n);
  const inRange = values.map((value) => BigInt.asUintN(8 * bytes, value));
  return [...new Set(inRange)].filter((value) => value !== stored);
}

export function readField(content: Uint8Array, at: number, bytes: Field['bytes']): bigint {
  const view = viewOf(content);
  if (bytes === 8) return view.getBigUint64(at, true);
  if (bytes === 4) return BigInt(view.getUint32(at, true));
  return BigInt(bytes === 2 ? view.getUint16(at, true) : view.getUint8(at));
}

export function writeField(
  content: Uint8Array,
  at: number,
  bytes: Field['bytes'],
  value: bigint,
): void {
  const view = viewOf(content);
  if (bytes === 8) view.setBigUint64(at, value, true);
  else if (bytes === 4) view.setUint32(at, Number(value), true);
  else if (bytes === 2) view.setUint16(at, Number(value), true);
  else view.setUint8(at, Number(value));
}

/** Makes the checksum right: over the length that a batch claims, as far as there are bytes. */
export function reseal(content: Uint8Array, { kind, at, sizeBytes }: Sealed): void {
  const view = viewOf(content);
  const claimed = kind === 'batch' ? view.getUint32(at + layout.SIZE_AT, true) : sizeBytes;
  const end = Math.min(at + Math.max(claimed, layout.MAGIC_AT), content.length);
  // The checksum comes first in all three, the magic behind it.
  view.setUint32(at + layout.CRC_AT, checksum(content, at + layout.MAGIC_AT, end), true);
}
