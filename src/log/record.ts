/** Records as readers get them: a window on a verified batch, decoded when asked. */
import { CodecError, CorruptLogError, StoreError } from '../core/errors.ts';
import type { Codec } from '../codec/codec.ts';
import { BatchCursor } from '../format/batch-cursor.ts';
import { nextOffsetOf } from '../format/batch-header.ts';
import { recordsOf, type BatchRecords, type VerifiedBatch } from '../format/batch-records.ts';
import { RECORD_HEADER_BYTES } from '../format/layout.ts';
import { decodeHeaders } from '../format/record-headers.ts';

const textDecoder = new TextDecoder('utf-8', { ignoreBOM: true }); // A mark is part of the key.

/** The half of a codec that readers need. */
export type Decoder<T> = Pick<Codec<T, never>, 'id' | 'decode'>;

/** One record. `key`, `value` and `headers` are decoded or copied at each access. */
export class LogRecord<T> {
  readonly offset: number;
  /** The caller's time, ms since the Unix epoch. */
  readonly createTimeMs: number;
  /** Bytes of the record on disk, before compression. */
  readonly sizeBytes: number;
  readonly #records: BatchRecords;
  readonly #codec: Decoder<T>;
  readonly #start: number;
  readonly #keyBytes: number;
  readonly #headersBytes: number;
  readonly #valueBytes: number;

  /** @internal */
  constructor(records: BatchRecords, codec: Decoder<T>, at: BatchCursor) {
    this.offset = at.offset;
    this.createTimeMs = at.createTimeMs;
    this.sizeBytes = at.sizeBytes;
    this.#records = records;
    this.#codec = codec;
    this.#start = at.start;
    this.#keyBytes = at.keyBytes;
    this.#headersBytes = at.headersBytes;
    this.#valueBytes = at.valueBytes;
  }

  /** The log's time when the batch was made, ms since the Unix epoch; never decreasing. */
  get appendTimeMs(): number {
    return this.#records.header.appendTimeMs;
  }

  /** Log epoch: with `offset` it names this record for ever, also across power cuts. */
  get epoch(): number {
    return this.#records.header.epoch;
  }

  /** The key as text (UTF-8; bytes that are not become U+FFFD: see `keyView`); null = no key. */
  get key(): string | null {
    const view = this.keyView();
    return view === null ? null : textDecoder.decode(view);
  }

  /** The key's bytes, valid as long as the record; do not change them. */
  keyView(): Uint8Array | null {
    if (this.#keyBytes < 0) return null;
    const start = this.#start + RECORD_HEADER_BYTES;
    return this.#records.bytes.subarray(start, start + this.#keyBytes);
  }

  /**
   * The decoded value; null = tombstone.
   *
   * @throws CodecError (`ERR_VARVE_CODEC`) with the offset when the codec cannot decode it
   */
  get value(): T | null {
    const view = this.valueView();
    if (view === null) return null;
    try {
      return this.#codec.decode(view);
    } catch (cause) {
      if (cause instanceof StoreError && !(cause instanceof CodecError)) throw cause;
      throw new CodecError(
        `codec ${this.#codec.id} could not decode the value at offset ${this.offset}`,
        { codec: this.#codec.id, offset: this.offset },
        { cause },
      );
    }
  }

  /** The value's bytes, valid as long as the record; do not change them. null = tombstone. */
  valueView(): Uint8Array | null {
    if (this.#valueBytes < 0) return null;
    const start = this.#headersStart + this.#headersBytes;
    return this.#records.bytes.subarray(start, start + this.#valueBytes);
  }

  /** Header values by name, copied. */
  get headers(): ReadonlyMap<string, Uint8Array> {
    const start = this.#headersStart;
    const headers = decodeHeaders(this.#records.bytes, start, start + this.#headersBytes);
    if (headers !== null) return headers;
    throw new CorruptLogError({
      file: this.#records.file,
      position: this.#records.header.position,
      kind: 'record',
      firstOffset: this.offset,
      nextOffset: this.offset + 1,
      reason: 'a header length does not fit the record',
    });
  }

  get #headersStart(): number {
    return this.#start + RECORD_HEADER_BYTES + Math.max(0, this.#keyBytes);
  }
}

/** Which records of a batch belong to the range that was asked for. */
export interface BatchRange {
  /** Offsets from here on. */
  readonly from: number;
  /** Offsets below this. */
  readonly to: number;
  readonly recordsMax: number;
}

/** The records of one batch on disk, as far as they belong to the range that was asked for. */
export class RecordBatch<T> implements Iterable<LogRecord<T>> {
  readonly #batch: VerifiedBatch;
  readonly #codec: Decoder<T>;
  readonly #range: BatchRange;
  #records: BatchRecords | null = null;

  /** @internal */
  constructor(batch: VerifiedBatch, codec: Decoder<T>, range: BatchRange) {
    this.#batch = batch;
    this.#codec = codec;
    this.#range = range;
  }

  /** Lowest offset that the batch may hold within the range. */
  get baseOffset(): number {
    return Math.max(this.#batch.header.baseOffset, this.#range.from);
  }

  /** First offset after it. */
  get nextOffset(): number {
    return Math.min(nextOffsetOf(this.#batch.header), this.#range.to);
  }

  /** The log's time when the batch was made, ms since the Unix epoch. */
  get appendTimeMs(): number {
    return this.#batch.header.appendTimeMs;
  }

  get epoch(): number {
    return this.#batch.header.epoch;
  }

  /** Bytes of the whole batch on disk, as stored. */
  get sizeBytes(): number {
    return this.#batch.header.sizeBytes;
  }

  /** Records that iteration yields. O(1) for a whole batch. @throws as iteration */
  get recordCount(): number {
    if (this.#isWhole) return this.#batch.header.recordCount;
    let count = 0;
    const cursor = this.#cursor();
    while (count < this.#range.recordsMax && this.#advance(cursor)) count++;
    return count;
  }

  /**
   * Walks the records in offset order; each is good for as long as it is kept. The first walk
   * decompresses them.
   *
   * @throws CodecUnavailableError when this Node cannot decompress them; CorruptLogError
   */
  [Symbol.iterator](): Iterator<LogRecord<T>> {
    const cursor = this.#cursor();
    const records = this.#uncompressed();
    const codec = this.#codec;
    let left = this.#range.recordsMax;
    return {
      next: () => {
        if (left === 0 || !this.#advance(cursor)) return { done: true, value: undefined };
        left--;
        return { done: false, value: new LogRecord(records, codec, cursor) };
      },
    };
  }

  get #isWhole(): boolean {
    const { header } = this.#batch;
    const { from, to, recordsMax } = this.#range;
    return (
      from <= header.baseOffset && to >= nextOffsetOf(header) && recordsMax >= header.recordCount
    );
  }

  #cursor(): BatchCursor {
    const cursor = new BatchCursor();
    cursor.reset(this.#uncompressed());
    return cursor;
  }

  #uncompressed(): BatchRecords {
    this.#records ??= recordsOf(this.#batch);
    return this.#records;
  }

  #advance(cursor: BatchCursor): boolean {
    const { from, to } = this.#range;
    while (cursor.next()) {
      if (cursor.offset >= to) return false;
      if (cursor.offset >= from) return true;
    }
    return false;
  }
}
