/** Records as readers get them: a window on a verified batch, decoded when asked. */
import { CodecError, CorruptLogError, StoreError } from '../core/errors.ts';
import type { Codec } from '../codec/codec.ts';
import { BatchCursor } from '../format/batch-cursor.ts';
import { nextOffsetOf } from '../format/batch-header.ts';
import { recordsOf, type BatchRecords, type VerifiedBatch } from '../format/batch-records.ts';
import { RECORD_HEADER_BYTES } from '../format/layout.ts';
import {
  createTimeOf,
  headersStartOf,
  isTombstone,
  keyBytesOf,
  offsetDeltaOf,
  recordSizeOf,
  valueStartOf,
} from '../format/record-fields.ts';
import { decodeHeaders } from '../format/record-headers.ts';
import { causeIn, projectedCause, type RecordCause } from './record-cause.ts';

const textDecoder = new TextDecoder('utf-8', { ignoreBOM: true }); // A mark is part of the key.

/** What the records of one log have in common for their readers. */
export interface RecordOrigin<T> {
  readonly codec: Pick<Codec<T, never>, 'id' | 'decode'>;
  readonly partition: number;
}

/**
 * One record: a place in a verified buffer. Everything is read, decoded or copied at each access,
 * so a record that is only passed over costs one small object.
 */
export class LogRecord<T> {
  readonly #records: BatchRecords;
  readonly #origin: RecordOrigin<T>;
  readonly #start: number;

  /** @internal */
  constructor(records: BatchRecords, origin: RecordOrigin<T>, start: number) {
    this.#records = records;
    this.#origin = origin;
    this.#start = start;
  }

  /** Of its topic, from 0; 0 in a log that belongs to none. */
  get partition(): number {
    return this.#origin.partition;
  }

  get offset(): number {
    const { header, view } = this.#records;
    return header.baseOffset + offsetDeltaOf(view, this.#start);
  }

  /** The caller's time, ms since the Unix epoch. */
  get createTimeMs(): number {
    return createTimeOf(this.#records.view, this.#start);
  }

  /** Bytes of the record on disk, before compression. */
  get sizeBytes(): number {
    return recordSizeOf(this.#records.view, this.#start);
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
    const records = this.#records;
    const keyBytes = keyBytesOf(records.view, this.#start);
    if (keyBytes < 0) return null;
    const start = this.#start + RECORD_HEADER_BYTES;
    return records.subarray(start, start + keyBytes);
  }

  /**
   * The decoded value; null = tombstone.
   *
   * @throws CodecError (`ERR_VARVE_CODEC`) with the offset when the codec cannot decode it
   */
  get value(): T | null {
    return this.valueBy(this.#origin.codec);
  }

  /** @internal The value as another codec reads it. @throws as `value` */
  valueBy<U>(codec: RecordOrigin<U>['codec']): U | null {
    const view = this.valueView();
    if (view === null) return null;
    try {
      return codec.decode(view);
    } catch (cause) {
      if (cause instanceof StoreError && !(cause instanceof CodecError)) throw cause;
      throw new CodecError(
        `codec ${codec.id} could not decode the value at offset ${this.offset}`,
        { codec: codec.id, offset: this.offset },
        { cause },
      );
    }
  }

  /** The value's bytes, valid as long as the record; do not change them. null = tombstone. */
  valueView(): Uint8Array | null {
    const records = this.#records;
    const { view } = records;
    const start = this.#start;
    if (isTombstone(view, start)) return null;
    return records.subarray(valueStartOf(view, start), start + recordSizeOf(view, start));
  }

  /** Header values by name, copied. */
  get headers(): ReadonlyMap<string, Uint8Array> {
    const { bytes, view, file, header } = this.#records;
    const start = this.#start;
    const headers = decodeHeaders(bytes, headersStartOf(view, start), valueStartOf(view, start));
    if (headers !== null) return headers;
    throw new CorruptLogError({
      file,
      position: header.position,
      kind: 'record',
      firstOffset: this.offset,
      nextOffset: this.offset + 1,
      reason: 'a header length does not fit the record',
    });
  }

  /**
   * The record that this one was made of: a publication that was routed here, a record that died, or one
   * that was driven back; null when it was sent. Of the headers of a sender who writes those of Varve, it
   * is what they say.
   */
  get cause(): RecordCause | null {
    const records = this.#records;
    return projectedCause(records, this.#start) ?? causeIn(this.headers);
  }

  /** @internal The same record for another reader. */
  as<U>(origin: RecordOrigin<U>): LogRecord<U> {
    return new LogRecord(this.#records, origin, this.#start);
  }

  /** @internal What its bytes stand in: for who keeps few records of many. */
  get memory(): BatchRecords {
    return this.#records;
  }

  /** @internal Where it begins there. */
  get start(): number {
    return this.#start;
  }

  /** @internal The same record in other memory. */
  movedTo(records: BatchRecords, start: number): LogRecord<T> {
    return new LogRecord(records, this.#origin, start);
  }

  /** What `console.log` shows: no value, which may be large or secret. */
  [Symbol.for('nodejs.util.inspect.custom')](): unknown {
    const { offset, createTimeMs, sizeBytes, key } = this;
    return { offset, createTimeMs, sizeBytes, key };
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
  readonly #origin: RecordOrigin<T>;
  readonly #range: BatchRange;
  #records: BatchRecords | null = null;

  /** @internal */
  constructor(batch: VerifiedBatch, origin: RecordOrigin<T>, range: BatchRange) {
    this.#batch = batch;
    this.#origin = origin;
    this.#range = range;
  }

  /** Of the topic, from 0; 0 in a log that belongs to none. */
  get partition(): number {
    return this.#origin.partition;
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
    const records = new RecordIterator(this.#uncompressed(), this.#origin, this.#range);
    let count = 0;
    while (records.advance()) count++;
    return count;
  }

  /**
   * @internal Whether the range has none of its records: they were compacted away. O(1) but for a part of a
   * batch that lost records. @throws as iteration
   */
  get isEmpty(): boolean {
    const { recordCount, lastOffsetDelta } = this.#batch.header;
    const isDense = recordCount === lastOffsetDelta + 1;
    return !isDense && !this.#isWhole && this.recordCount === 0;
  }

  /**
   * Walks the records in offset order; each is good for as long as it is kept, the iterator's
   * result that holds it until the next. The first walk decompresses them.
   *
   * @throws CodecUnavailableError when this Node cannot decompress them; CorruptLogError
   */
  [Symbol.iterator](): Iterator<LogRecord<T>> {
    return new RecordIterator(this.#uncompressed(), this.#origin, this.#range);
  }

  get #isWhole(): boolean {
    const { header } = this.#batch;
    const { from, to, recordsMax } = this.#range;
    return (
      from <= header.baseOffset && to >= nextOffsetOf(header) && recordsMax >= header.recordCount
    );
  }

  #uncompressed(): BatchRecords {
    this.#records ??= recordsOf(this.#batch);
    return this.#records;
  }
}

/** Walks a batch: the cursor checks each record, the range says which ones count. */
class RecordIterator<T> implements Iterator<LogRecord<T>> {
  readonly #records: BatchRecords;
  readonly #origin: RecordOrigin<T>;
  readonly #cursor = new BatchCursor();
  readonly #from: number;
  readonly #to: number;
  #left: number;
  /** One for all records: whoever iterates takes the record out of it at once. */
  #result: { done: false; value: LogRecord<T> } | null = null;

  constructor(
    records: BatchRecords,
    origin: RecordOrigin<T>,
    { from, to, recordsMax }: BatchRange,
  ) {
    this.#records = records;
    this.#origin = origin;
    this.#cursor.reset(records);
    this.#from = from;
    this.#to = to;
    this.#left = Math.min(recordsMax, records.header.recordCount); // A small integer, not Infinity.
  }

  next(): IteratorResult<LogRecord<T>, undefined> {
    if (!this.advance()) return { done: true, value: undefined };
    const record = new LogRecord(this.#records, this.#origin, this.#cursor.start);
    if (this.#result === null) this.#result = { done: false, value: record };
    else this.#result.value = record;
    return this.#result;
  }

  /** Moves to the next record of the range; false behind the last. */
  advance(): boolean {
    const cursor = this.#cursor;
    if (this.#left === 0) return false;
    while (cursor.next()) {
      if (cursor.offset >= this.#to) return false;
      if (cursor.offset < this.#from) continue;
      this.#left--;
      return true;
    }
    return false;
  }
}
