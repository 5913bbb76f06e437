/** Decodes all that is whole in the files of a log into plain values, and encodes it again. */
import { BatchCursor } from '../../../src/format/batch-cursor.ts';
import { BatchEncoder, type EncodableRecord } from '../../../src/format/batch-encoder.ts';
import {
  compressionOf,
  emptyBatchHeader,
  nextOffsetOf,
  readBatchHeader,
  sealBatch,
  type BatchHeader,
} from '../../../src/format/batch-header.ts';
import { recordsOf, type BatchRecords } from '../../../src/format/batch-records.ts';
import {
  checkpointSlotPosition,
  encodeCheckpoint,
  parseCheckpointSlot,
} from '../../../src/format/checkpoint.ts';
import type { Compressor } from '../../../src/format/compression.ts';
import { encodeDedupTable, isDedupTable } from '../../../src/format/dedup-table-batch.ts';
import { encodeFingerprints, fingerprintsIn } from '../../../src/format/fingerprints-extension.ts';
import { encodeGapBatch, readReplacedEndCrc } from '../../../src/format/gap-batch.ts';
import { indexTablesIn } from '../../../src/format/index-tables.ts';
import {
  BATCH_HEADER_BYTES,
  BatchKind,
  CHECKPOINT_SLOT_BYTES,
  RECORD_OFFSET_DELTA_AT,
  SEGMENT_HEADER_BYTES,
  UNCOMPRESSED_SIZE_BYTES,
} from '../../../src/format/layout.ts';
import { encodeOffsets, offsetDeltasIn } from '../../../src/format/offsets-extension.ts';
import { encodeProduced, producedIn } from '../../../src/format/produced-extension.ts';
import { recordSizeOf } from '../../../src/format/record-fields.ts';
import { decodeHeaders, encodeHeaders } from '../../../src/format/record-headers.ts';
import { encodeSegmentHeader, parseSegmentHeader } from '../../../src/format/segment-header.ts';
import { viewOf } from '../../../src/format/u64.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import { findCandidates } from '../../../src/segment/candidates.ts';
import { DedupTableColumns } from '../../../src/segment/dedup-columns.ts';
import { SegmentIndex } from '../../../src/segment/segment-index.ts';
import type { GoldenFiles } from './golden-case.ts';

/** One piece of a file that was decoded and encoded again. */
export interface Reencoded {
  readonly what: string;
  readonly file: string;
  readonly position: number;
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

/** Every whole piece of every file, in file order. */
export async function reencode(files: GoldenFiles): Promise<Reencoded[]> {
  const pieces: Reencoded[] = [];
  for (const [file, bytes] of files) {
    if (file.endsWith('.log')) pieces.push(...(await segmentPieces(file, bytes)));
    else if (file === 'checkpoint') pieces.push(...checkpointPieces(file, bytes));
  }
  return pieces;
}

function checkpointPieces(file: string, bytes: Uint8Array): Reencoded[] {
  return [0, 1].flatMap((slot) => {
    const position = checkpointSlotPosition(slot);
    const { checkpoint } = parseCheckpointSlot(bytes, position);
    if (checkpoint === null) return [];
    const before = bytes.subarray(position, position + CHECKPOINT_SLOT_BYTES);
    return [{ what: 'slot', file, position, before, after: encodeCheckpoint(checkpoint) }];
  });
}

async function segmentPieces(file: string, bytes: Uint8Array): Promise<Reencoded[]> {
  const pieces: Reencoded[] = [];
  const { header } = parseSegmentHeader(bytes.subarray(0, SEGMENT_HEADER_BYTES));
  if (header !== null) {
    const before = bytes.subarray(0, SEGMENT_HEADER_BYTES);
    pieces.push({ what: 'header', file, position: 0, before, after: encodeSegmentHeader(header) });
  }
  const index = new SegmentIndex();
  const columns = new DedupTableColumns(header?.baseOffset ?? 0);
  let nextOffset = header?.baseOffset ?? null;
  for (const batch of await batchesIn(bytes)) {
    const { position, sizeBytes, kind } = batch;
    const before = bytes.subarray(position, position + sizeBytes);
    const isNext = batch.baseOffset === nextOffset;
    nextOffset = isNext ? nextOffsetOf(batch) : null; // Behind damage no index can be made.
    if (kind === BatchKind.index) {
      if (!isNext) continue;
      if (isDedupTable(before, 0, batch)) {
        pieces.push({ what: 'table', file, position, before, after: tableAgain(columns, batch) });
        continue;
      }
      const after = index.encode(batch, indexTablesIn(before, batch) ?? undefined);
      pieces.push({ what: 'index', file, position, before, after });
      continue;
    }
    index.add(batch);
    columns.add({ bytes: before, at: 0, header: batch, file });
    const what = kind === BatchKind.gap ? 'gap' : 'data';
    const isDense = batch.recordCount === batch.lastOffsetDelta + 1;
    const dataOf = isDense ? dataAgain : keptAgain;
    const after = kind === BatchKind.gap ? gapAgain(before, batch) : dataOf(before, batch);
    pieces.push({ what, file, position, before, after });
  }
  return pieces;
}

async function batchesIn(bytes: Uint8Array): Promise<BatchHeader[]> {
  const file = await new MemoryFileSystem().open('/segment', 'create');
  await file.write(bytes, 0);
  const search = { logId: 0, segmentId: 0, position: 0, endPosition: bytes.length };
  const headers: BatchHeader[] = [];
  for await (const header of findCandidates(file, search)) headers.push({ ...header });
  await file.close();
  return headers;
}

function tableAgain(columns: DedupTableColumns, header: BatchHeader): Uint8Array {
  const { logId, segmentId, epoch, position, baseOffset, appendTimeMs, syncedUpTo } = header;
  const place = { logId, segmentId, epoch, position, baseOffset, appendTimeMs, syncedUpTo };
  return encodeDedupTable(columns, Object.assign(emptyBatchHeader(), place));
}

function gapAgain(bytes: Uint8Array, header: BatchHeader): Uint8Array {
  const { logId, segmentId, epoch, position, baseOffset, appendTimeMs, sizeBytes } = header;
  return encodeGapBatch({
    logId,
    segmentId,
    epoch,
    position,
    baseOffset,
    appendTimeMs,
    sizeBytes,
    nextOffset: nextOffsetOf(header),
    replacedEndCrc: readReplacedEndCrc(bytes, 0, header),
  });
}

/** As `dataAgain`, of a batch with other offsets than the first ones. */
function keptAgain(bytes: Uint8Array, header: BatchHeader): Uint8Array {
  const stored = recordsOf({ bytes, view: viewOf(bytes), at: 0, header, file: 'golden' });
  const { recordCount, lastOffsetDelta } = header;
  const again = recordCount === 0 ? new Uint8Array(BATCH_HEADER_BYTES) : dataAgain(bytes, header);
  const view = viewOf(again);
  const fresh = { ...header, crc: 0 };
  if (recordCount > 0) readBatchHeader(view, 0, fresh);
  const cursor = new BatchCursor();
  cursor.reset(stored);
  let at = BATCH_HEADER_BYTES + fresh.extensionBytes;
  while (cursor.next()) {
    view.setUint32(at + RECORD_OFFSET_DELTA_AT, cursor.offset - header.baseOffset, true);
    at += recordSizeOf(view, at);
  }
  fresh.lastOffsetDelta = lastOffsetDelta;
  sealBatch(again, view, 0, fresh);
  return again;
}

/** Only what a caller gave and the header's own fields go in; sizes, counts and sums are made anew. */
function dataAgain(bytes: Uint8Array, header: BatchHeader): Uint8Array {
  const stored = recordsOf({ bytes, view: viewOf(bytes), at: 0, header, file: 'golden' });
  const buffer = Buffer.alloc(2 * BATCH_HEADER_BYTES + stored.end);
  const encoder = new BatchEncoder();
  encoder.reset(buffer, 0);
  encoder.begin(extensionAgain(stored));
  for (const record of inputsOf(stored)) encoder.add(record);
  const { crc: _crc, sizeBytes: _size, recordCount: _count, ...fields } = header;
  const fresh = { ...fields, crc: 0, sizeBytes: 0, recordCount: 0, lastOffsetDelta: 0 };
  const sealed = { ...fresh, attributes: 0, baseCreateTimeMs: 0, maxCreateTimeMs: 0 };
  encoder.writeKeys();
  encoder.seal(sealed, compressorAgain(bytes, stored));
  return buffer.subarray(0, encoder.end);
}

/** What is known is decoded and encoded; what is not must be nothing. */
function extensionAgain(stored: BatchRecords): Uint8Array {
  const produced = producedIn(stored);
  const fingerprints = fingerprintsIn(stored);
  const fields: Uint8Array[] = [];
  if (produced !== null) {
    const { runs, confirmed } = produced;
    const sequences = runs.flatMap(({ sequence, count }) =>
      Array.from({ length: count }, (_, n) => sequence + n),
    );
    fields.push(encodeProduced(sequences, confirmed));
  }
  if (fingerprints !== null) {
    const words = new Uint32Array(2 * fingerprints.count);
    for (let at = 0; at < fingerprints.count; at++) {
      words.set([fingerprints.high(at), fingerprints.low(at)], 2 * at);
    }
    fields.push(encodeFingerprints(words, 0, fingerprints.count));
  }
  const deltas = offsetDeltasIn(stored);
  if (deltas !== null) fields.push(encodeOffsets([...deltas]));
  return Buffer.concat(fields);
}

/**
 * Gives the stored compressed bytes for the records that they decompress to, and for no others: a
 * zlib of another version makes other bytes of the same records.
 */
function compressorAgain(bytes: Uint8Array, stored: BatchRecords): Compressor | null {
  const compression = compressionOf(stored.header);
  if (compression === 0) return null;
  const from = BATCH_HEADER_BYTES + stored.header.extensionBytes + UNCOMPRESSED_SIZE_BYTES;
  const compress = (records: Uint8Array) =>
    Buffer.compare(records, stored.bytes) === 0 ? bytes.subarray(from) : null;
  return { compression, compress, compressOffThread: async (records) => compress(records) };
}

function inputsOf(stored: BatchRecords): EncodableRecord[] {
  const { bytes } = stored;
  const cursor = new BatchCursor();
  cursor.reset(stored);
  const records: EncodableRecord[] = [];
  while (cursor.next()) {
    const { headersStart, headersBytes, createTimeMs, sizeBytes } = cursor;
    const headers = decodeHeaders(bytes, headersStart, headersStart + headersBytes) ?? new Map();
    const key = cursor.keyView()?.slice() ?? null;
    records.push({
      key,
      keyBytes: key?.length ?? 0,
      headers: encodeHeaders(Object.fromEntries(headers) as Record<string, Uint8Array>),
      value: cursor.valueView()?.slice() ?? null,
      createTimeMs,
      sizeBytes,
    });
  }
  return records;
}
