/**
 * The index batch at the end of a sealed segment: a sparse table from offset to position and from
 * create time to offset. It holds no offsets of its own and is never evidence of anything: missing
 * is normal after a crash, damaged is reported, and both are rebuilt from the data.
 */
import { checksum } from './checksum.ts';
import {
  BATCH_HEADER_BYTES,
  BatchKind,
  CRC_AT,
  ExtensionType,
  INDEX_ENTRY_BYTES,
  INDEX_ENTRY_MAX_CREATE_TIME_AT,
  INDEX_ENTRY_OFFSET_AT,
  INDEX_ENTRY_POSITION_AT,
  INDEX_TRAILER_BYTES,
  MAGIC_AT,
} from './layout.ts';
import { sealBatch, type BatchHeader } from './batch-header.ts';
import { isDedupTable } from './dedup-table-batch.ts';
import { findExtension } from './extension.ts';
import { encodeIndexTables, indexTablesIn, type IndexTables } from './index-tables.ts';
import { getU64, setU64, viewOf } from './u64.ts';

const NO_TABLES: IndexTables = { endCrc: 0, places: [] };

/** The table, column by column; the first `count` slots are in use. All three ascend. */
export interface IndexColumns {
  readonly count: number;
  /** Base offsets of batches; strictly ascending. */
  readonly offsets: Float64Array;
  /** Largest create time of all records of the segment before that batch; never decreasing. */
  readonly maxCreateTimes: Float64Array;
  /** Positions of those batches in the file; strictly ascending. */
  readonly positions: Uint32Array;
}

/** Bytes of an index batch with `count` entries. */
export function indexBatchBytes(count: number, extensionBytes = 0): number {
  return BATCH_HEADER_BYTES + extensionBytes + count * INDEX_ENTRY_BYTES + INDEX_TRAILER_BYTES;
}

/**
 * Encodes the whole batch. The caller sets ids, epoch, position, base offset (the segment's end),
 * append time and create times; sizes and counts are filled in here.
 *
 * @param tables  that stand in front of it
 */
export function encodeIndexBatch(
  columns: IndexColumns,
  header: BatchHeader,
  tables: IndexTables = NO_TABLES,
): Uint8Array {
  const extension = encodeIndexTables(tables);
  const sizeBytes = indexBatchBytes(columns.count, extension.length);
  const bytes = new Uint8Array(sizeBytes);
  bytes.set(extension, BATCH_HEADER_BYTES);
  const view = viewOf(bytes);
  let at = BATCH_HEADER_BYTES + extension.length;
  for (let slot = 0; slot < columns.count; slot++) {
    // slot < count <= length of every column
    setU64(view, at + INDEX_ENTRY_OFFSET_AT, columns.offsets[slot] as number);
    setU64(view, at + INDEX_ENTRY_MAX_CREATE_TIME_AT, columns.maxCreateTimes[slot] as number);
    view.setUint32(at + INDEX_ENTRY_POSITION_AT, columns.positions[slot] as number, true);
    at += INDEX_ENTRY_BYTES;
  }
  view.setUint32(at, sizeBytes, true);
  header.kind = BatchKind.index;
  header.sizeBytes = sizeBytes;
  header.recordCount = 0;
  header.lastOffsetDelta = 0;
  header.extensionBytes = extension.length;
  sealBatch(bytes, view, 0, header);
  return bytes;
}

/**
 * Decodes the table of a batch whose header and checksum were verified.
 *
 * @returns null when the entries are not what a correct writer makes
 */
export function decodeIndexBatch(bytes: Uint8Array, header: BatchHeader): IndexColumns | null {
  const { extensionBytes } = header;
  const headBytes = BATCH_HEADER_BYTES + extensionBytes;
  const payloadBytes = header.sizeBytes - headBytes - INDEX_TRAILER_BYTES;
  if (payloadBytes < 0 || payloadBytes % INDEX_ENTRY_BYTES !== 0) return null;
  if (extensionBytes > 0 && !areTablesSound(bytes, header)) return null;
  const view = viewOf(bytes);
  if (view.getUint32(header.sizeBytes - INDEX_TRAILER_BYTES, true) !== header.sizeBytes)
    return null;
  const count = payloadBytes / INDEX_ENTRY_BYTES;
  const columns = {
    count,
    offsets: new Float64Array(count),
    maxCreateTimes: new Float64Array(count),
    positions: new Uint32Array(count),
  };
  let at = headBytes;
  for (let slot = 0; slot < count; slot++) {
    columns.offsets[slot] = getU64(view, at + INDEX_ENTRY_OFFSET_AT);
    columns.maxCreateTimes[slot] = getU64(view, at + INDEX_ENTRY_MAX_CREATE_TIME_AT);
    columns.positions[slot] = view.getUint32(at + INDEX_ENTRY_POSITION_AT, true);
    at += INDEX_ENTRY_BYTES;
  }
  return isAscending(columns) ? columns : null;
}

/** Fields of other types are a later version's, and skipped. */
function areTablesSound(bytes: Uint8Array, header: BatchHeader): boolean {
  if (isDedupTable(bytes, 0, header)) return false;
  if (findExtension(bytes, 0, header, ExtensionType.tables) === null) return true;
  return indexTablesIn(bytes, header) !== null;
}

function isAscending(columns: IndexColumns): boolean {
  const { count, offsets, maxCreateTimes, positions } = columns;
  for (let slot = 1; slot < count; slot++) {
    if ((offsets[slot] as number) <= (offsets[slot - 1] as number)) return false;
    if ((positions[slot] as number) <= (positions[slot - 1] as number)) return false;
    if ((maxCreateTimes[slot] as number) < (maxCreateTimes[slot - 1] as number)) return false;
  }
  return count === 0 || ((offsets[0] as number) >= 0 && (maxCreateTimes[0] as number) >= 0);
}

/** Whether the checksum of the batch at the start of `bytes` holds. */
export function isIndexIntact(bytes: Uint8Array, sizeBytes: number): boolean {
  if (bytes.length < sizeBytes) return false;
  return viewOf(bytes).getUint32(CRC_AT, true) === checksum(bytes, MAGIC_AT, sizeBytes);
}
