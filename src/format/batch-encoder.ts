/**
 * Encodes records straight into a write buffer, one open batch at a time.
 *
 * @hot One instance per appender; the fields are plain numbers; no allocation per record.
 *
 * The caller has checked sizes and room. Byte tables: `layout.ts` and FORMAT.md.
 */
import {
  BATCH_HEADER_BYTES,
  Compression,
  NO_KEY,
  RECORD_CREATE_TIME_HIGH_AT,
  RECORD_CREATE_TIME_LOW_AT,
  RECORD_FLAGS_SHIFT,
  RECORD_FLAG_HEADERS,
  RECORD_FLAG_NULL_VALUE,
  RECORD_HEADER_BYTES,
  RECORD_KEY_BYTES_AT,
  RECORD_OFFSET_DELTA_AT,
  RECORD_SIZE_AND_FLAGS_AT,
  UNCOMPRESSED_SIZE_BYTES,
} from './layout.ts';
import { sealBatch, type BatchHeader } from './batch-header.ts';
import type { Compressor } from './compression.ts';
import { viewOf } from './u64.ts';

const TWO_POW_32 = 2 ** 32;
const ASCII_MAX = 0x7f;
/** Up to here a loop beats the call into native code. */
const LOOP_CHARS_MAX = 64;

/** One record, ready to be copied. `key` as text must be `keyBytes` long in UTF-8. */
export interface EncodableRecord {
  key: string | Uint8Array | null;
  keyBytes: number;
  /** An encoded header block, or null. */
  headers: Uint8Array | null;
  value: Uint8Array | null;
  createTimeMs: number;
  /** `encodedRecordBytes` of this record. */
  sizeBytes: number;
}

/** Bytes of a record on disk. */
export function encodedRecordBytes(
  keyBytes: number,
  headers: Uint8Array | null,
  value: Uint8Array | null,
): number {
  const headersBytes = headers === null ? 0 : headers.length;
  return RECORD_HEADER_BYTES + keyBytes + headersBytes + (value === null ? 0 : value.length);
}

/** UTF-8 length of `text`. Keys are short and mostly ASCII: 4 times as fast as `Buffer.byteLength`. */
export function textBytes(text: string): number {
  const { length } = text;
  if (length > LOOP_CHARS_MAX) return Buffer.byteLength(text, 'utf8');
  for (let at = 0; at < length; at++) {
    if (text.charCodeAt(at) > ASCII_MAX) return Buffer.byteLength(text, 'utf8');
  }
  return length;
}

/** Writes `text`, which is `sizeBytes` long in UTF-8; as many bytes as characters means ASCII. */
function writeText(bytes: Buffer, at: number, text: string, sizeBytes: number): void {
  if (sizeBytes !== text.length || sizeBytes > LOOP_CHARS_MAX) {
    bytes.write(text, at, sizeBytes, 'utf8');
    return;
  }
  for (let from = 0; from < sizeBytes; from++) bytes[at + from] = text.charCodeAt(from);
}

export class BatchEncoder {
  /** Where the open batch begins in the buffer. */
  start = 0;
  /** Where the next record goes; equals `start` when no batch is open. */
  end = 0;
  /** Records in the open batch; 0 when none is open. */
  recordCount = 0;
  /** Smallest and largest create time of the open batch, ms. */
  minCreateTimeMs = 0;
  maxCreateTimeMs = 0;

  #bytes: Buffer = Buffer.alloc(0);
  #view: DataView = viewOf(this.#bytes);

  /** Directs the encoder to `buffer` from `at` on. No batch may be open. */
  reset(buffer: Buffer, at: number): void {
    this.#bytes = buffer;
    this.#view = viewOf(buffer);
    this.start = at;
    this.end = at;
    this.recordCount = 0;
  }

  /** Opens a batch at the current end. */
  begin(): void {
    this.start = this.end;
    this.end = this.start + BATCH_HEADER_BYTES;
    this.recordCount = 0;
    this.minCreateTimeMs = Number.MAX_SAFE_INTEGER;
    this.maxCreateTimeMs = 0;
  }

  /** Adds a record to the open batch; its offset is the base offset plus `recordCount` before. */
  add(record: EncodableRecord): void {
    const at = this.end;
    const bytes = this.#bytes;
    const view = this.#view;
    const { key, headers, value, createTimeMs } = record;
    const flags =
      (value === null ? RECORD_FLAG_NULL_VALUE : 0) | (headers === null ? 0 : RECORD_FLAG_HEADERS);
    const sizeAndFlags = record.sizeBytes | (flags << RECORD_FLAGS_SHIFT);
    view.setUint32(at + RECORD_SIZE_AND_FLAGS_AT, sizeAndFlags, true);
    view.setUint32(at + RECORD_OFFSET_DELTA_AT, this.recordCount, true);
    view.setUint32(at + RECORD_CREATE_TIME_LOW_AT, createTimeMs >>> 0, true);
    view.setUint16(at + RECORD_CREATE_TIME_HIGH_AT, (createTimeMs / TWO_POW_32) | 0, true);
    view.setUint16(at + RECORD_KEY_BYTES_AT, key === null ? NO_KEY : record.keyBytes, true);
    let to = at + RECORD_HEADER_BYTES;
    if (key !== null) {
      if (typeof key === 'string') writeText(bytes, to, key, record.keyBytes);
      else bytes.set(key, to);
      to += record.keyBytes;
    }
    if (headers !== null) {
      bytes.set(headers, to);
      to += headers.length;
    }
    if (value !== null) bytes.set(value, to);
    this.end = at + record.sizeBytes;
    this.recordCount++;
    if (createTimeMs < this.minCreateTimeMs) this.minCreateTimeMs = createTimeMs;
    if (createTimeMs > this.maxCreateTimeMs) this.maxCreateTimeMs = createTimeMs;
  }

  /**
   * Closes the open batch: compresses its records in place where that pays, fills the attributes,
   * sizes, counts and create times into `header`, writes it and returns the checksum. The caller
   * has set all other fields.
   */
  seal(header: BatchHeader, compressor: Compressor | null): number {
    header.attributes = compressor === null ? Compression.none : this.#compress(compressor);
    header.sizeBytes = this.end - this.start;
    header.recordCount = this.recordCount;
    header.lastOffsetDelta = this.recordCount - 1;
    header.baseCreateTimeMs = this.minCreateTimeMs;
    header.maxCreateTimeMs = this.maxCreateTimeMs;
    const crc = sealBatch(this.#bytes, this.#view, this.start, header);
    this.start = this.end;
    this.recordCount = 0;
    return crc;
  }

  /** Puts the compressed records in place of the records; their size before goes first. */
  #compress(compressor: Compressor): number {
    const from = this.start + BATCH_HEADER_BYTES;
    const compressed = compressor.compress(this.#bytes.subarray(from, this.end));
    if (compressed === null) return Compression.none;
    this.#view.setUint32(from, this.end - from, true);
    this.#bytes.set(compressed, from + UNCOMPRESSED_SIZE_BYTES);
    this.end = from + UNCOMPRESSED_SIZE_BYTES + compressed.length;
    return compressor.compression;
  }

  /** Forgets the open batch. */
  discard(): void {
    this.end = this.start;
    this.recordCount = 0;
  }
}
