/** The header of a batch: its fields, writing them, reading them, and what makes a batch valid. */
import { BATCH_BYTES_MAX, COMPRESSION_RATIO_MAX } from '../core/limits.ts';
import { checksum } from './checksum.ts';
import type { ChecksumTail } from './checksum-tail.ts';
import {
  APPEND_TIME_AT,
  ATTRIBUTES_AT,
  BASE_CREATE_TIME_AT,
  BASE_OFFSET_AT,
  BASE_SEQUENCE_AT,
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  BatchKind,
  Compression,
  COMPRESSION_MASK,
  CRC_AT,
  EPOCH_AT,
  EXTENSION_BYTES_AT,
  FORMAT_VERSION,
  KIND_AT,
  LAST_OFFSET_DELTA_AT,
  LOG_ID_AT,
  MAGIC_AT,
  MAX_CREATE_TIME_AT,
  POSITION_AT,
  PRODUCER_EPOCH_AT,
  PRODUCER_ID_AT,
  RECORD_COUNT_AT,
  RECORD_HEADER_BYTES,
  SEGMENT_ID_AT,
  SIZE_AT,
  SYNCED_UP_TO_AT,
  TOPOLOGY_VERSION_AT,
  UNCOMPRESSED_SIZE_BYTES,
  VERSION_AT,
} from './layout.ts';
import { getU64, setU64, viewOf } from './u64.ts';

/** Fields of a batch header, units as in `layout.ts`. */
export interface BatchHeader {
  /** Checksum as stored. */
  crc: number;
  kind: BatchKind;
  attributes: number;
  sizeBytes: number;
  position: number;
  epoch: number;
  logId: number;
  segmentId: number;
  baseOffset: number;
  lastOffsetDelta: number;
  recordCount: number;
  appendTimeMs: number;
  baseCreateTimeMs: number;
  maxCreateTimeMs: number;
  syncedUpTo: number;
  producerId: number;
  baseSequence: number;
  producerEpoch: number;
  extensionBytes: number;
  topologyVersion: number;
}

/** A header with every field at its neutral value; one shape for all callers. */
export function emptyBatchHeader(): BatchHeader {
  return {
    crc: 0,
    kind: BatchKind.data,
    attributes: 0,
    sizeBytes: 0,
    position: 0,
    epoch: 0,
    logId: 0,
    segmentId: 0,
    baseOffset: 0,
    lastOffsetDelta: 0,
    recordCount: 0,
    appendTimeMs: 0,
    baseCreateTimeMs: 0,
    maxCreateTimeMs: 0,
    syncedUpTo: 0,
    producerId: 0,
    baseSequence: 0,
    producerEpoch: 0,
    extensionBytes: 0,
    topologyVersion: 0,
  };
}

/** First offset after the batch; an index batch holds none, so its own base. */
export function nextOffsetOf(header: BatchHeader): number {
  if (header.kind === BatchKind.index) return header.baseOffset;
  return header.baseOffset + header.lastOffsetDelta + 1;
}

/** How the records are stored: a `Compression`, or the number of one that a later version knows. */
export function compressionOf(header: BatchHeader): number {
  return header.attributes & COMPRESSION_MASK;
}

/**
 * Bytes of the records, uncompressed, as the batch states it; null when only a later version knows.
 * `view` holds the whole batch from `at` on.
 */
export function recordBytesOf(view: DataView, at: number, header: BatchHeader): number | null {
  const compression = compressionOf(header);
  if (compression === Compression.none) return payloadBytesOf(header);
  if (compression > Compression.zstd) return null;
  return view.getUint32(at + BATCH_HEADER_BYTES + header.extensionBytes, true);
}

/** Bytes behind the header and its extension block, as stored. */
function payloadBytesOf(header: BatchHeader): number {
  return header.sizeBytes - BATCH_HEADER_BYTES - header.extensionBytes;
}

/**
 * Writes the header at `at` and the checksum over the `header.sizeBytes` bytes that start there.
 *
 * Everything behind the header must stand in `bytes` already. Sets `header.crc` to the result.
 */
export function sealBatch(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  header: BatchHeader,
): number {
  writeFields(view, at, header);
  header.crc = checksum(bytes, at + MAGIC_AT, at + header.sizeBytes);
  view.setUint32(at + CRC_AT, header.crc, true);
  return header.crc;
}

/** As `sealBatch`, of a batch at the beginning of `bytes`, with the checksum of all behind its header. */
export function sealBatchBefore(
  tail: ChecksumTail,
  bytes: Uint8Array,
  header: BatchHeader,
): number {
  const view = viewOf(bytes);
  writeFields(view, 0, header);
  header.crc = tail.behind(checksum(bytes, MAGIC_AT, BATCH_HEADER_BYTES));
  view.setUint32(CRC_AT, header.crc, true);
  return header.crc;
}

function writeFields(view: DataView, at: number, header: BatchHeader): void {
  view.setUint32(at + MAGIC_AT, BATCH_MAGIC, true);
  view.setUint8(at + VERSION_AT, FORMAT_VERSION);
  view.setUint8(at + KIND_AT, header.kind);
  view.setUint16(at + ATTRIBUTES_AT, header.attributes, true);
  view.setUint32(at + SIZE_AT, header.sizeBytes, true);
  view.setUint32(at + POSITION_AT, header.position, true);
  view.setUint32(at + EPOCH_AT, header.epoch, true);
  setU64(view, at + LOG_ID_AT, header.logId);
  setU64(view, at + SEGMENT_ID_AT, header.segmentId);
  setU64(view, at + BASE_OFFSET_AT, header.baseOffset);
  view.setUint32(at + LAST_OFFSET_DELTA_AT, header.lastOffsetDelta, true);
  view.setUint32(at + RECORD_COUNT_AT, header.recordCount, true);
  setU64(view, at + APPEND_TIME_AT, header.appendTimeMs);
  setU64(view, at + BASE_CREATE_TIME_AT, header.baseCreateTimeMs);
  setU64(view, at + MAX_CREATE_TIME_AT, header.maxCreateTimeMs);
  setU64(view, at + SYNCED_UP_TO_AT, header.syncedUpTo);
  setU64(view, at + PRODUCER_ID_AT, header.producerId);
  view.setUint32(at + BASE_SEQUENCE_AT, header.baseSequence, true);
  view.setUint16(at + PRODUCER_EPOCH_AT, header.producerEpoch, true);
  view.setUint16(at + EXTENSION_BYTES_AT, header.extensionBytes, true);
  setU64(view, at + TOPOLOGY_VERSION_AT, header.topologyVersion);
}

/** Reads the header at `at` into `into`. Checks nothing: see `headerProblem`. */
export function readBatchHeader(view: DataView, at: number, into: BatchHeader): void {
  into.crc = view.getUint32(at + CRC_AT, true);
  into.kind = view.getUint8(at + KIND_AT) as BatchKind; // Checked by headerProblem.
  into.attributes = view.getUint16(at + ATTRIBUTES_AT, true);
  into.sizeBytes = view.getUint32(at + SIZE_AT, true);
  into.position = view.getUint32(at + POSITION_AT, true);
  into.epoch = view.getUint32(at + EPOCH_AT, true);
  into.logId = getU64(view, at + LOG_ID_AT);
  into.segmentId = getU64(view, at + SEGMENT_ID_AT);
  into.baseOffset = getU64(view, at + BASE_OFFSET_AT);
  into.lastOffsetDelta = view.getUint32(at + LAST_OFFSET_DELTA_AT, true);
  into.recordCount = view.getUint32(at + RECORD_COUNT_AT, true);
  into.appendTimeMs = getU64(view, at + APPEND_TIME_AT);
  into.baseCreateTimeMs = getU64(view, at + BASE_CREATE_TIME_AT);
  into.maxCreateTimeMs = getU64(view, at + MAX_CREATE_TIME_AT);
  into.syncedUpTo = getU64(view, at + SYNCED_UP_TO_AT);
  into.producerId = getU64(view, at + PRODUCER_ID_AT);
  into.baseSequence = view.getUint32(at + BASE_SEQUENCE_AT, true);
  into.producerEpoch = view.getUint16(at + PRODUCER_EPOCH_AT, true);
  into.extensionBytes = view.getUint16(at + EXTENSION_BYTES_AT, true);
  into.topologyVersion = getU64(view, at + TOPOLOGY_VERSION_AT);
}

/** What a batch must match to count at its place. 0 for an id means "not known, accept any". */
export interface BatchPlace {
  readonly logId: number;
  readonly segmentId: number;
  readonly position: number;
  /** Bytes of the file from `position` on: no batch may claim more. */
  readonly bytesLeft: number;
}

/**
 * The first reason why the batch header at `at` cannot be believed, or null.
 *
 * Compares what is cheap before any checksum is computed, and bounds the length by what is there:
 * a hostile file costs no allocation. `view` holds at least a whole header from `at` on.
 */
export function headerProblem(
  view: DataView,
  at: number,
  place: BatchPlace,
  header: BatchHeader,
): string | null {
  const magic = view.getUint32(at + MAGIC_AT, true);
  if (magic !== BATCH_MAGIC) return `magic is ${hex(magic)}, expected ${hex(BATCH_MAGIC)}`;
  const version = view.getUint8(at + VERSION_AT);
  if (version === 0) return 'format version is 0';
  readBatchHeader(view, at, header);
  const { kind, sizeBytes } = header;
  if (version === FORMAT_VERSION && (kind < BatchKind.data || kind > BatchKind.index)) {
    return `kind is ${String(kind)}, expected 1 to 4`;
  }
  if (sizeBytes < BATCH_HEADER_BYTES + header.extensionBytes || sizeBytes > BATCH_BYTES_MAX) {
    return `length is ${sizeBytes}, expected ${BATCH_HEADER_BYTES} to ${BATCH_BYTES_MAX}`;
  }
  if (sizeBytes > place.bytesLeft) return `length is ${sizeBytes}, ${place.bytesLeft} bytes left`;
  return placeProblem(header, place);
}

function placeProblem(header: BatchHeader, place: BatchPlace): string | null {
  if (header.position !== place.position) {
    return `states position ${header.position}, stands at ${place.position}`;
  }
  if (place.logId !== 0 && header.logId !== place.logId) {
    return `log id is ${header.logId}, expected ${place.logId}`;
  }
  if (place.segmentId !== 0 && header.segmentId !== place.segmentId) {
    return `segment id is ${header.segmentId}, expected ${place.segmentId}`;
  }
  return null;
}

/**
 * The first reason why a batch whose header passed `headerProblem` is damaged, or null: its
 * checksum, then the bounds that a correct writer keeps (a wrong one under a right checksum is a
 * hostile file or a bug). `bytes` holds the whole batch from `at` on.
 */
export function batchProblem(bytes: Uint8Array, at: number, header: BatchHeader): string | null {
  const computed = checksum(bytes, at + MAGIC_AT, at + header.sizeBytes);
  if (computed !== header.crc) return `crc stored=${hex(header.crc)} computed=${hex(computed)}`;
  if (bytes[at + VERSION_AT] !== FORMAT_VERSION) return null; // The caller refuses the version.
  if (header.baseOffset < 0 || header.syncedUpTo < 0 || nextOffsetOf(header) < 0) {
    return 'an offset is above 2^53 - 1';
  }
  if (!Number.isSafeInteger(header.baseOffset + header.lastOffsetDelta + 1)) {
    return 'the last offset is above 2^53 - 2';
  }
  if (header.recordCount > header.lastOffsetDelta + 1) {
    return `${header.recordCount} records do not fit ${header.lastOffsetDelta + 1} offsets`;
  }
  return payloadProblem(bytes, at, header);
}

/** Bounds what a reader would take for the records, before it takes anything. */
function payloadProblem(bytes: Uint8Array, at: number, header: BatchHeader): string | null {
  const { kind, attributes } = header;
  const mayCompress = kind === BatchKind.data || kind === BatchKind.journal;
  if ((attributes & ~(mayCompress ? COMPRESSION_MASK : 0)) !== 0) {
    return `attributes are ${hex(attributes)}, expected ${mayCompress ? 'a compression' : 0}`;
  }
  const compression = compressionOf(header);
  // Whole, and only a later version can say more: refused by name when its records are wanted.
  if (compression > Compression.zstd) return null;
  if (compression === Compression.none) return countProblem(header, payloadBytesOf(header));
  return compressedProblem(bytes, at, header);
}

function compressedProblem(bytes: Uint8Array, at: number, header: BatchHeader): string | null {
  const storedBytes = payloadBytesOf(header);
  const compressedBytes = storedBytes - UNCOMPRESSED_SIZE_BYTES;
  if (compressedBytes <= 0) return `${storedBytes} bytes hold no compressed records`;
  const recordBytes = recordBytesOf(viewOf(bytes), at, header) ?? 0;
  const recordBytesMax = Math.min(
    BATCH_BYTES_MAX - BATCH_HEADER_BYTES - header.extensionBytes,
    COMPRESSION_RATIO_MAX * compressedBytes,
  );
  if (recordBytes <= storedBytes || recordBytes > recordBytesMax) {
    return `uncompressed size is ${recordBytes}, expected ${storedBytes + 1} to ${recordBytesMax}`;
  }
  return countProblem(header, recordBytes);
}

function countProblem({ recordCount }: BatchHeader, recordBytes: number): string | null {
  if (recordCount * RECORD_HEADER_BYTES <= recordBytes) return null;
  return `${recordCount} records do not fit ${recordBytes} bytes`;
}

/** The format version in a batch header. */
export function batchVersion(view: DataView, at: number): number {
  return view.getUint8(at + VERSION_AT);
}

/** `0x0badcafe`: how checksums and magics are printed. */
export function hex(word: number): string {
  return `0x${(word >>> 0).toString(16).padStart(8, '0')}`;
}
