/** The rows of a table: of each key the last record. What counts where a key is in several partitions. */
import { present } from '../core/assert.ts';
import { BatchCursor } from '../format/batch-cursor.ts';
import { recordsOf, type BatchRecords } from '../format/batch-records.ts';
import { LogRecord, type RecordOrigin } from '../log/record.ts';
import type { FedBatch } from './table-feed.ts';

/** Keys that were deleted last, whose time is remembered where a topic has several partitions. */
const DELETED_MAX = 10_000;

/** Where a record is, and when it came. */
export interface RowPlace {
  readonly partition: number;
  readonly offset: number;
  readonly appendTimeMs: number;
}

/** Walks the records of a batch that have a key, without an object for each. */
export class KeyedCursor<T> implements RowPlace {
  /** Its bytes, one character each: two keys that are no text must not be one because they look alike. */
  key = '';
  /** Whether it is a tombstone. */
  isDeleted = false;
  /** Records without a key that were passed over. */
  keylessCount = 0;
  readonly #cursor = new BatchCursor();
  #records: BatchRecords | null = null;
  #origin: RecordOrigin<T> | null = null;
  #bytes: Buffer = Buffer.alloc(0);
  #from = 0;

  /** Goes before the first record of a batch. @throws as `recordsOf` */
  begin({ batch, from }: FedBatch, origin: RecordOrigin<T>): void {
    this.#records = recordsOf(batch);
    this.#origin = origin;
    this.#cursor.reset(this.#records);
    this.#bytes = bufferOf(this.#records.bytes);
    this.#from = from;
  }

  /** Moves to the next record with a key; false behind the last. @throws CorruptLogError */
  next(): boolean {
    const cursor = this.#cursor;
    while (cursor.next()) {
      if (cursor.offset < this.#from) continue;
      const { keyBytes, keyStart } = cursor;
      if (keyBytes < 0) {
        this.keylessCount++;
        continue;
      }
      this.key = this.#bytes.toString('latin1', keyStart, keyStart + keyBytes);
      this.isDeleted = cursor.valueBytes < 0;
      return true;
    }
    return false;
  }

  get partition(): number {
    return present(this.#origin, 'a batch is current').partition;
  }

  get offset(): number {
    return this.#cursor.offset;
  }

  get appendTimeMs(): number {
    return this.memory.header.appendTimeMs;
  }

  get sizeBytes(): number {
    return this.#cursor.sizeBytes;
  }

  /** What the batch stands in. */
  get memory(): BatchRecords {
    return present(this.#records, 'a batch is current');
  }

  /** The record that it is at. */
  record(): LogRecord<T> {
    const origin = present(this.#origin, 'a batch is current');
    return new LogRecord(this.memory, origin, this.#cursor.start);
  }
}

/** The last record of each key, in whatever form. */
export interface TableRows<T> {
  /** Keys. */
  readonly size: number;
  /** About what they take, bytes. */
  readonly memoryBytes: number;
  /** Where the row of a key is; null = it has none. */
  placeOf(key: string): RowPlace | null;
  put(record: KeyedCursor<T>): void;
  /** Without effect where there is none. */
  delete(key: string): void;
  /**
   * Forgets rows of records below the offset that stands for their partition, in steps of some ms at most:
   * between two of them rows may come, change and go. O(rows).
   */
  drop(floors: readonly number[]): Generator<void, void, void>;
  /** The row of a key. @throws as `Log.read` */
  get(key: string): LogRecord<T> | null | Promise<LogRecord<T> | null>;
  /** Each row once; those that change meanwhile as they were or as they are. */
  entries(): Iterable<LogRecord<T>> | AsyncIterable<LogRecord<T>>;
  /** Whether `tidy` would free a good deal. */
  readonly isWasteful: boolean;
  /** Frees memory that no row needs. Nothing may be put or deleted meanwhile. */
  tidy(): Promise<void>;
  clear(): void;
}

/**
 * Which record of a key counts: the last of its partition; where several partitions have the key, the
 * one with the later append time, or that of the higher partition.
 */
export class RowOrder<T> {
  readonly #rows: TableRows<T>;
  /** A record that another partition shows later, though it is older, must not bring back what was deleted. */
  readonly #deleted = new Map<string, RowPlace>();

  constructor(rows: TableRows<T>) {
    this.#rows = rows;
  }

  /** @param isAlone  whether there is one partition, whose order is all there is */
  apply(record: KeyedCursor<T>, isAlone: boolean): void {
    const { key, isDeleted } = record;
    if (!isAlone) {
      if (this.isSuperseded(key, record)) return;
      this.#deleted.delete(key);
      if (isDeleted) this.#remember(key, record);
    }
    if (isDeleted) this.#rows.delete(key);
    else this.#rows.put(record);
  }

  /** Whether another partition has a record of the key that counts in place of this one. */
  isSuperseded(key: string, place: RowPlace): boolean {
    const other = this.#rows.placeOf(key) ?? this.#deleted.get(key);
    return other !== undefined && other.partition !== place.partition && isLater(other, place);
  }

  clear(): void {
    this.#deleted.clear();
    this.#rows.clear();
  }

  #remember(key: string, { partition, offset, appendTimeMs }: RowPlace): void {
    this.#deleted.set(key, { partition, offset, appendTimeMs });
    if (this.#deleted.size <= DELETED_MAX) return;
    for (const oldest of this.#deleted.keys()) {
      this.#deleted.delete(oldest);
      return;
    }
  }
}

function isLater(one: RowPlace, other: RowPlace): boolean {
  if (one.appendTimeMs !== other.appendTimeMs) return one.appendTimeMs > other.appendTimeMs;
  return one.partition > other.partition;
}

/** The key of a call, as rows have it. */
export function rowKeyOf(key: string | Uint8Array): string {
  const bytes = typeof key === 'string' ? Buffer.from(key, 'utf8') : bufferOf(key);
  return bytes.toString('latin1');
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
