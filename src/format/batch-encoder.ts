/**
 * Encodes records straight into a write buffer, one open batch at a time.
 *
 * @hot One instance per appender; the fields are plain numbers; no allocation per record.
 *
 * The caller has checked sizes and room. Byte tables: `layout.ts` and FORMAT.md.
 */
import { assert, present } from '../core/assert.ts';
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
  RECORD_KEY_BYTES_SHIFT,
  RECORD_OFFSET_DELTA_AT,
  RECORD_SIZE_AND_FLAGS_AT,
  UNCOMPRESSED_SIZE_BYTES,
} from './layout.ts';
import { IdHeader } from './id-header.ts';
import { JOINED_KEY_BYTES_MAX, KeyTexts } from './key-texts.ts';
import { BatchCursor } from './batch-cursor.ts';
import { emptyBatchHeader, sealBatch, sealBatchBefore, type BatchHeader } from './batch-header.ts';
import { BatchRecords } from './batch-records.ts';
import type { ChecksumTail } from './checksum-tail.ts';
import type { Compressor } from './compression.ts';
import { viewOf } from './u64.ts';

const TWO_POW_32 = 2 ** 32;
const NO_EXTENSION = new Uint8Array(0);

/** One record, ready to be copied. */
export interface EncodableRecord {
  key: string | Uint8Array | null;
  /** Of a text: its length in UTF-8, or what `textBytesGuess` says. */
  keyBytes: number;
  /** An encoded header block, or what writes one, or null. */
  headers: Uint8Array | IdHeader | null;
  value: Uint8Array | null;
  createTimeMs: number;
  /** `encodedRecordBytes` of this record. */
  sizeBytes: number;
}

/** Records that are encoded already, one behind the other, their offset deltas from 0 on. */
export interface EncodedRecords {
  /** The extension block of their batch; of no length = none. */
  readonly extension: Uint8Array;
  readonly bytes: Uint8Array;
  readonly recordCount: number;
  readonly minCreateTimeMs: number;
  readonly maxCreateTimeMs: number;
  /** Of the extension block and the bytes; null = nobody has computed it. */
  readonly tail: ChecksumTail | null;
}

/** Bytes of a record on disk. */
export function encodedRecordBytes(
  keyBytes: number,
  headers: Pick<Uint8Array, 'length'> | null,
  value: Uint8Array | null,
): number {
  const headersBytes = headers === null ? 0 : headers.length;
  return RECORD_HEADER_BYTES + keyBytes + headersBytes + (value === null ? 0 : value.length);
}

/**
 * UTF-8 length of `text`, if short text is ASCII: keys mostly are, and to look at every character
 * would cost as much as the rest of the record. `BatchEncoder.writeKeys` knows.
 */
export function textBytesGuess(text: string): number {
  return text.length <= JOINED_KEY_BYTES_MAX ? text.length : Buffer.byteLength(text, 'utf8');
}

/** What a guess may be short of, bytes: a UTF-16 unit takes at most 3 bytes. */
export const TEXT_BYTES_GUESS_ERROR_MAX = 2 * JOINED_KEY_BYTES_MAX;

/** Replaces a guess in `keyBytes`, and so in `sizeBytes`, by what it is. */
export function countKeyBytes(record: EncodableRecord): void {
  const { key } = record;
  if (typeof key !== 'string') return;
  const keyBytes = Buffer.byteLength(key, 'utf8');
  record.sizeBytes += keyBytes - record.keyBytes;
  record.keyBytes = keyBytes;
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

  readonly #keys = new KeyTexts();
  #bytes: Buffer = Buffer.alloc(0);
  #view: DataView = viewOf(this.#bytes);
  #extensionBytes = 0;
  /** Of the open batch as it was added; null = it is not known. */
  #tail: ChecksumTail | null = null;
  #createTimeMs = -1;
  #createTimeLow = 0;
  #createTimeHigh = 0;

  /** Directs the encoder to `buffer` from `at` on. No batch may be open. */
  reset(buffer: Buffer, at: number): void {
    this.#bytes = buffer;
    this.#view = viewOf(buffer);
    this.start = at;
    this.end = at;
    this.recordCount = 0;
  }

  /** Opens a batch at the current end. @param extension  its extension block, whole */
  begin(extension: Uint8Array = NO_EXTENSION): void {
    this.beginBehind(extension.length);
    this.#bytes.set(extension, this.start + BATCH_HEADER_BYTES);
  }

  /** The same where there is none, or room is left for what `placeExtension` will write. */
  beginBehind(extensionBytes = 0): void {
    this.start = this.end;
    this.#extensionBytes = extensionBytes;
    this.end = this.start + BATCH_HEADER_BYTES + extensionBytes;
    this.#tail = null;
    this.recordCount = 0;
    this.minCreateTimeMs = Number.MAX_SAFE_INTEGER;
    this.maxCreateTimeMs = 0;
    this.#createTimeMs = -1; // The next record counts towards them.
  }

  /**
   * Adds a record to the open batch; its offset is the base offset plus `recordCount` before. Text
   * keys may be added last of all: see `writeKeys`.
   */
  add(record: EncodableRecord): void {
    const at = this.end;
    const bytes = this.#bytes;
    const view = this.#view;
    const { key, keyBytes, headers, value, createTimeMs, sizeBytes } = record;
    let to = at + RECORD_HEADER_BYTES;
    if (key !== null) {
      if (typeof key !== 'string') bytes.set(key, to);
      else if (keyBytes === key.length && keyBytes <= JOINED_KEY_BYTES_MAX) this.#keys.add(key, to);
      else bytes.write(key, to, keyBytes, 'utf8');
      to += keyBytes;
    }
    let flags = 0;
    if (headers !== null) {
      flags = RECORD_FLAG_HEADERS;
      if (headers instanceof IdHeader) headers.writeTo(view, to);
      else bytes.set(headers, to);
      to += headers.length;
    }
    if (value === null) flags |= RECORD_FLAG_NULL_VALUE;
    else bytes.set(value, to);
    const sizeAndFlags = sizeBytes | (flags << RECORD_FLAGS_SHIFT);
    view.setUint32(at + RECORD_SIZE_AND_FLAGS_AT, sizeAndFlags, true);
    view.setUint32(at + RECORD_OFFSET_DELTA_AT, this.recordCount, true);
    if (createTimeMs !== this.#createTimeMs) this.#takeCreateTime(createTimeMs);
    view.setUint32(at + RECORD_CREATE_TIME_LOW_AT, this.#createTimeLow, true);
    const keyField = key === null ? NO_KEY : keyBytes;
    const timeAndKey = this.#createTimeHigh | (keyField << RECORD_KEY_BYTES_SHIFT);
    view.setUint32(at + RECORD_CREATE_TIME_HIGH_AT, timeAndKey, true);
    this.end = at + sizeBytes;
    this.recordCount++;
  }

  /** Writes the extension block where room was left; what it does not take is closed. Keys are written. */
  placeExtension(extension: Uint8Array): void {
    const at = this.start + BATCH_HEADER_BYTES;
    const spare = this.#extensionBytes - extension.length;
    assert(spare >= 0 && this.#keys.isEmpty, 'there is room, and nothing else to be written');
    if (spare > 0)
      this.#bytes.copyWithin(at + extension.length, at + this.#extensionBytes, this.end);
    this.#bytes.set(extension, at);
    this.#extensionBytes = extension.length;
    this.end -= spare;
  }

  /** Makes the open batch, which is empty, one of these records. */
  addEncoded(records: EncodedRecords): void {
    assert(this.recordCount === 0 && records.recordCount > 0, 'a batch is filled at once');
    this.#bytes.set(records.bytes, this.end);
    this.end += records.bytes.length;
    this.#tail = records.tail;
    this.recordCount = records.recordCount;
    this.minCreateTimeMs = records.minCreateTimeMs;
    this.maxCreateTimeMs = records.maxCreateTimeMs;
  }

  /** Whether the open batch has room for the record, being full with `bytesMax` bytes. */
  takes(record: EncodableRecord, bytesMax: number): boolean {
    return this.end - this.start + record.sizeBytes <= bytesMax;
  }

  /**
   * Adds `records[from, to)`, as many as `takes` allows. A loop of its own: the engine keeps what
   * does not change in registers.
   *
   * @returns where it stopped
   */
  addSome(records: readonly EncodableRecord[], from: number, to: number, bytesMax: number): number {
    let next = from;
    for (; next < to; next++) {
      const record = present(records[next], 'next < to');
      if (!this.takes(record, bytesMax)) break;
      this.add(record);
    }
    return next;
  }

  /**
   * Writes the text keys of the open batch; before `seal`.
   *
   * @returns false when the length of one was guessed wrong: the batch is to be encoded again, from
   *   `takeRecords`
   */
  writeKeys(): boolean {
    return this.#keys.writeTo(this.#view);
  }

  /** Copies of the records of the open batch, which is forgotten, with their keys as bytes. */
  takeRecords(): EncodableRecord[] {
    const bytes = Uint8Array.prototype.slice.call(this.#bytes, this.start, this.end);
    const keys = this.#keys.encodedByPlace();
    const { start, recordCount } = this;
    const recordsStart = BATCH_HEADER_BYTES + this.#extensionBytes;
    this.discard();
    const header = { ...emptyBatchHeader(), recordCount, lastOffsetDelta: recordCount - 1 };
    const records = { bytes, view: viewOf(bytes), start: recordsStart, end: bytes.length };
    const cursor = new BatchCursor();
    cursor.reset(new BatchRecords({ ...records, header, extension: null, file: '' }));
    return Array.from({ length: recordCount }, () => {
      cursor.next();
      const key = keys.get(start + cursor.keyStart) ?? cursor.keyView();
      const { createTimeMs, headersStart, headersBytes } = cursor;
      const headers =
        headersBytes === 0 ? null : bytes.subarray(headersStart, headersStart + headersBytes);
      const value = cursor.valueView();
      const keyBytes = key === null ? 0 : key.length;
      const sizeBytes = encodedRecordBytes(keyBytes, headers, value);
      return { key, keyBytes, headers, value, createTimeMs, sizeBytes };
    });
  }

  /**
   * Closes the open batch, whose keys are written: compresses its records in place where that pays,
   * fills the attributes, sizes, counts and create times into `header`, writes it and returns the
   * checksum. The caller has set all other fields.
   */
  seal(header: BatchHeader, compressor: Compressor | null): number {
    assert(this.#keys.isEmpty, 'writeKeys has written the keys');
    header.attributes = compressor === null ? Compression.none : this.#compress(compressor);
    header.extensionBytes = this.#extensionBytes;
    header.sizeBytes = this.end - this.start;
    header.recordCount = this.recordCount;
    header.lastOffsetDelta = this.recordCount - 1;
    header.baseCreateTimeMs = this.minCreateTimeMs;
    header.maxCreateTimeMs = this.maxCreateTimeMs;
    const tail = header.attributes === Compression.none ? this.#tail : null;
    const crc =
      tail === null
        ? sealBatch(this.#bytes, this.#view, this.start, header)
        : sealBatchBefore(tail, this.#bytes.subarray(this.start, this.end), header);
    this.start = this.end;
    this.recordCount = 0;
    return crc;
  }

  /** Copies a whole batch behind the others, with `header` in place of its own. No batch is open. */
  place(batch: Uint8Array, header: BatchHeader): number {
    assert(this.recordCount === 0, 'no batch is open');
    this.#bytes.set(batch, this.end);
    const crc = sealBatch(this.#bytes, this.#view, this.end, header);
    this.end += batch.length;
    this.start = this.end;
    return crc;
  }

  /** Puts the compressed records in place of the records; their size before goes first. */
  #compress(compressor: Compressor): number {
    const from = this.start + BATCH_HEADER_BYTES + this.#extensionBytes;
    const compressed = compressor.compress(this.#bytes.subarray(from, this.end));
    if (compressed === null) return Compression.none;
    this.#view.setUint32(from, this.end - from, true);
    this.#bytes.set(compressed, from + UNCOMPRESSED_SIZE_BYTES);
    this.end = from + UNCOMPRESSED_SIZE_BYTES + compressed.length;
    return compressor.compression;
  }

  /** Many records in a row have one time: it is taken apart once. */
  #takeCreateTime(createTimeMs: number): void {
    this.#createTimeMs = createTimeMs;
    this.#createTimeLow = createTimeMs >>> 0;
    this.#createTimeHigh = Math.floor(createTimeMs / TWO_POW_32);
    if (createTimeMs < this.minCreateTimeMs) this.minCreateTimeMs = createTimeMs;
    if (createTimeMs > this.maxCreateTimeMs) this.maxCreateTimeMs = createTimeMs;
  }

  /** Forgets the open batch. */
  discard(): void {
    this.end = this.start;
    this.recordCount = 0;
    this.#keys.clear();
  }
}
