/**
 * Walks the (uncompressed) records of one batch without allocating per record.
 *
 * @hot One instance per reader; the public fields are the output registers; no closures, no BigInt.
 *
 * The caller has verified the batch's checksum and header, so a record that does not fit is a
 * hostile file or a bug, never a torn write: it throws instead of being repaired.
 */
import { CorruptLogError } from '../core/errors.ts';
import {
  NO_KEY,
  RECORD_FLAGS_KNOWN,
  RECORD_FLAGS_SHIFT,
  RECORD_FLAG_HEADERS,
  RECORD_FLAG_NULL_VALUE,
  RECORD_HEADER_BYTES,
  RECORD_KEY_BYTES_AT,
  RECORD_OFFSET_DELTA_AT,
  RECORD_SIZE_AND_FLAGS_AT,
  RECORD_SIZE_MASK,
} from './layout.ts';
import { nextOffsetOf } from './batch-header.ts';
import type { BatchRecords } from './batch-records.ts';
import { createTimeOf } from './record-fields.ts';
import { decodeHeaders, headerBlockBytes, HEADERS_LENGTH_BYTES } from './record-headers.ts';
import { viewOf } from './u64.ts';

const EMPTY = new Uint8Array(0);

export class BatchCursor {
  /** Where the records stand. */
  bytes: Uint8Array = EMPTY;
  /** Offset of the current record. */
  offset = 0;
  /** Where the record begins, and how many bytes it has, its header included; -1 = at none. */
  start = -1;
  sizeBytes = 0;
  /** Key bytes; -1 when the record has no key. The key stands right behind the record header. */
  keyBytes = -1;
  /** Where the header block begins and how long it is; 0 bytes when there is none. */
  headersStart = 0;
  headersBytes = 0;
  /** Where the value begins, and its length; -1 for a null value. */
  valueStart = 0;
  valueBytes = -1;
  #records: BatchRecords | null = null;
  #view: DataView = viewOf(EMPTY);
  #next = 0;
  #end = 0;
  #baseOffset = 0;
  #nextOffset = 0;
  #recordsLeft = 0;
  #file = '';
  #position = 0;

  /** Points the cursor before the first record of a batch. */
  reset(records: BatchRecords): void {
    const { header } = records;
    this.#records = records;
    this.bytes = records.bytes;
    this.#view = records.view;
    this.#next = records.start;
    this.#end = records.end;
    this.#baseOffset = header.baseOffset;
    this.#nextOffset = nextOffsetOf(header);
    this.#recordsLeft = header.recordCount;
    this.offset = header.baseOffset - 1;
    this.start = -1;
    this.#file = records.file;
    this.#position = header.position;
  }

  /** Moves to the next record; false behind the last. */
  next(): boolean {
    if (this.#recordsLeft === 0) return false;
    const view = this.#view;
    const at = this.#next;
    const end = this.#end;
    if (at + RECORD_HEADER_BYTES > end) this.#throwBad('its header does not fit the batch');
    const sizeAndFlags = view.getUint32(at + RECORD_SIZE_AND_FLAGS_AT, true);
    const sizeBytes = sizeAndFlags & RECORD_SIZE_MASK;
    const flags = sizeAndFlags >>> RECORD_FLAGS_SHIFT;
    const recordEnd = at + sizeBytes;
    const keyField = view.getUint16(at + RECORD_KEY_BYTES_AT, true);
    const keyBytes = keyField === NO_KEY ? 0 : keyField;
    let from = at + RECORD_HEADER_BYTES + keyBytes;
    if (from > recordEnd || recordEnd > end) this.#throwBad('its length does not fit the batch');
    if (flags > RECORD_FLAGS_KNOWN) this.#throwBad('it has flags that this version does not know');
    this.headersStart = from;
    this.headersBytes = 0;
    if ((flags & RECORD_FLAG_HEADERS) !== 0) from = this.#enterHeaders(from, recordEnd);
    const offset = this.#baseOffset + view.getUint32(at + RECORD_OFFSET_DELTA_AT, true);
    if (offset <= this.offset || offset >= this.#nextOffset) this.#throwBad('its offset is wrong');
    this.offset = offset;
    this.start = at;
    this.sizeBytes = sizeBytes;
    this.keyBytes = keyField === NO_KEY ? -1 : keyField;
    this.valueStart = from;
    this.valueBytes = (flags & RECORD_FLAG_NULL_VALUE) !== 0 ? -1 : recordEnd - from;
    this.#next = recordEnd;
    this.#recordsLeft--;
    return true;
  }

  /** Walks to the record at `offset` of the batch; false when there is none. */
  seek(records: BatchRecords, offset: number): boolean {
    this.reset(records);
    while (this.next()) if (this.offset >= offset) return this.offset === offset;
    return false;
  }

  /** Whether the current record deletes its key. Without a key a null value is just that. */
  get isTombstone(): boolean {
    return this.valueBytes < 0 && this.keyBytes >= 0;
  }

  /** Create time of the current record, ms since the Unix epoch; read when asked for. */
  get createTimeMs(): number {
    return this.start < 0 ? 0 : createTimeOf(this.#view, this.start);
  }

  /** Where the key begins. */
  get keyStart(): number {
    return this.start + RECORD_HEADER_BYTES;
  }

  /** The key's bytes as a view of the buffer; null when there is none. */
  keyView(): Uint8Array | null {
    if (this.keyBytes < 0 || this.#records === null) return null;
    return this.#records.subarray(this.keyStart, this.keyStart + this.keyBytes);
  }

  /** The value's bytes as a view of the buffer; null for a null value. */
  valueView(): Uint8Array | null {
    if (this.valueBytes < 0 || this.#records === null) return null;
    return this.#records.subarray(this.valueStart, this.valueStart + this.valueBytes);
  }

  /**
   * Headers of the current record, in memory of their own.
   *
   * @throws CorruptLogError when a length does not fit
   */
  headers(): ReadonlyMap<string, Uint8Array> {
    const { bytes, headersStart, headersBytes } = this;
    const headers = decodeHeaders(bytes, headersStart, headersStart + headersBytes);
    if (headers !== null) return headers;
    throw new CorruptLogError({
      file: this.#file,
      position: this.#position,
      kind: 'record',
      firstOffset: this.offset,
      nextOffset: this.offset + 1,
      reason: 'a header length does not fit the record',
    });
  }

  #enterHeaders(from: number, recordEnd: number): number {
    if (from + HEADERS_LENGTH_BYTES > recordEnd) this.#throwBad('its header block does not fit');
    const headersBytes = headerBlockBytes(this.#view, from);
    if (from + headersBytes > recordEnd) this.#throwBad('its header block does not fit');
    this.headersBytes = headersBytes;
    return from + headersBytes;
  }

  /** Cold on purpose: building the message must not bloat next(). */
  #throwBad(reason: string): never {
    throw new CorruptLogError({
      file: this.#file,
      position: this.#position,
      kind: 'record',
      firstOffset: this.#baseOffset,
      nextOffset: this.#nextOffset,
      reason: `the record after offset ${this.offset}: ${reason}`,
    });
  }
}
