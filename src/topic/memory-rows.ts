/**
 * Rows of a table in memory: a map from key to record. A record is a window on its batch, which it keeps
 * in memory; of batches of which little is left what is left is copied, now and then.
 */
import { nextTurn } from '../core/clock.ts';
import { MIB } from '../core/limits.ts';
import { BatchRecords } from '../format/batch-records.ts';
import { viewOf } from '../format/u64.ts';
import type { LogRecord } from '../log/record.ts';
import type { KeyedCursor, RowPlace, TableRows } from './table-rows.ts';

/** Memory of batches that is never looked through. */
const SLACK_BYTES = 16 * MIB;
/** Batches are kept whole as long as rows need so much of them. */
const KEPT_SHARE_MIN = 1 / 4;
/** What a row takes beside its record: its place in the map, its key, two objects. */
const ROW_BYTES = 160;
/** Rows looked at in a turn of the event loop. */
const ROWS_PER_TURN = 4096;

/** The rows of one batch. */
interface BatchRows {
  sizeBytes: number;
  readonly keys: string[];
}

export class MemoryRows<T> implements TableRows<T> {
  readonly #rows = new Map<string, LogRecord<T>>();
  readonly #slackBytes: number;
  /** Of the records in the rows. */
  #recordBytes = 0;
  /** Of the batches of which there was a row, at most. */
  #heldBytes = 0;
  #lastBatch: BatchRecords | null = null;

  /** @param slackBytes  less in tests alone */
  constructor(slackBytes = SLACK_BYTES) {
    this.#slackBytes = slackBytes;
  }

  get size(): number {
    return this.#rows.size;
  }

  get memoryBytes(): number {
    return this.#heldBytes + ROW_BYTES * this.#rows.size;
  }

  placeOf(key: string): RowPlace | null {
    return this.#rows.get(key) ?? null;
  }

  put(record: KeyedCursor<T>): void {
    const { key, memory } = record;
    this.#recordBytes += record.sizeBytes - (this.#rows.get(key)?.sizeBytes ?? 0);
    this.#rows.set(key, record.record());
    if (memory === this.#lastBatch) return;
    this.#lastBatch = memory;
    this.#heldBytes += memory.bytes.buffer.byteLength;
  }

  delete(key: string): void {
    const row = this.#rows.get(key);
    if (row === undefined) return;
    this.#recordBytes -= row.sizeBytes;
    this.#rows.delete(key);
  }

  *drop(floors: readonly number[]): Generator<void, void, void> {
    let count = 0;
    for (const [key, row] of this.#rows) {
      if (row.offset < (floors[row.partition] ?? 0)) this.delete(key);
      if (++count % ROWS_PER_TURN === 0) yield;
    }
  }

  get(key: string): LogRecord<T> | null {
    return this.#rows.get(key) ?? null;
  }

  entries(): readonly LogRecord<T>[] {
    return [...this.#rows.values()]; // As they are now: 8 bytes a row.
  }

  get isWasteful(): boolean {
    return this.#heldBytes > this.#recordBytes / KEPT_SHARE_MIN + this.#slackBytes;
  }

  async tidy(): Promise<void> {
    const batches = await this.#batches();
    this.#heldBytes = 0;
    this.#lastBatch = null;
    let count = 0;
    for (const [memory, { sizeBytes, keys }] of batches) {
      const isSparse = sizeBytes < memory.bytes.buffer.byteLength * KEPT_SHARE_MIN;
      if (isSparse) this.#pack(memory, sizeBytes, keys);
      this.#heldBytes += isSparse ? sizeBytes : memory.bytes.buffer.byteLength;
      count += keys.length;
      if (count >= ROWS_PER_TURN) {
        count = 0;
        await nextTurn();
      }
    }
  }

  clear(): void {
    this.#rows.clear();
    this.#recordBytes = 0;
    this.#heldBytes = 0;
    this.#lastBatch = null;
  }

  async #batches(): Promise<Map<BatchRecords, BatchRows>> {
    const batches = new Map<BatchRecords, BatchRows>();
    let count = 0;
    for (const [key, row] of this.#rows) {
      const { memory } = row;
      let rows = batches.get(memory);
      if (rows === undefined) batches.set(memory, (rows = { sizeBytes: 0, keys: [] }));
      rows.sizeBytes += row.sizeBytes;
      rows.keys.push(key);
      if (++count % ROWS_PER_TURN === 0) await nextTurn();
    }
    return batches;
  }

  /** Copies the records of these keys, which are all that is left of a batch, side by side. */
  #pack(memory: BatchRecords, sizeBytes: number, keys: readonly string[]): void {
    const bytes = new Uint8Array(sizeBytes);
    const { header, file } = memory;
    const extension = memory.extension === null ? null : new Uint8Array(memory.extension);
    const place = { bytes, view: viewOf(bytes), start: 0, end: sizeBytes };
    const packed = new BatchRecords({ ...place, header, extension, file });
    let at = 0;
    for (const key of keys) {
      const row = this.#rows.get(key);
      if (row === undefined) continue; // Retention took it meanwhile.
      const size = row.sizeBytes;
      bytes.set(memory.subarray(row.start, row.start + size), at);
      this.#rows.set(key, row.movedTo(packed, at));
      at += size;
    }
  }
}
