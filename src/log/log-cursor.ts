/** The cheapest way to read: one object for the whole scan, numbers and views, no record objects. */
import { BatchCursor } from '../format/batch-cursor.ts';
import { recordsOf } from '../format/batch-records.ts';
import type { RecordSource } from './record-source.ts';

/**
 * Walks a log batch by batch and, within a batch, record by record without allocating.
 *
 * ```ts
 * while (await cursor.nextBatch()) while (cursor.next()) use(cursor.offset, cursor.valueView());
 * ```
 *
 * Views are good until the next `nextBatch`: the read buffer is used again.
 */
export class LogCursor implements AsyncDisposable {
  readonly #source: RecordSource;
  readonly #records = new BatchCursor();
  #from = 0;
  #to = 0;
  /** Records wanted behind the current batch. */
  #left: number;
  /** Wanted of the current batch: a small integer, which costs nothing to count down. */
  #leftInBatch = 0;

  /** @internal */
  constructor(source: RecordSource, limit: number) {
    this.#source = source;
    this.#left = limit;
  }

  /**
   * Moves to the next batch; false at the end of the range (never with `follow`).
   *
   * @throws as `Log.batches`
   */
  async nextBatch(): Promise<boolean> {
    if (this.#left + this.#leftInBatch <= 0 || !(await this.#source.next())) return false;
    this.#from = this.#source.from;
    this.#to = this.#source.to;
    const records = recordsOf(this.#source.batch);
    this.#records.reset(records);
    this.#left += this.#leftInBatch;
    this.#leftInBatch = Math.min(this.#left, records.header.recordCount);
    this.#left -= this.#leftInBatch;
    return true;
  }

  /** Moves to the next record of the batch; false behind its last. */
  next(): boolean {
    const records = this.#records;
    if (this.#leftInBatch <= 0) return false;
    while (records.next()) {
      if (records.offset >= this.#to) return false;
      if (records.offset < this.#from) continue;
      this.#leftInBatch--;
      return true;
    }
    return false;
  }

  /** Offset of the current record. */
  get offset(): number {
    return this.#records.offset;
  }

  /** Create time of the current record, ms since the Unix epoch. */
  get createTimeMs(): number {
    return this.#records.createTimeMs;
  }

  /**
   * Where key and value stand, at `keyStart` and `valueStart`: for those to whom a view per record is
   * too much. Good until the next `nextBatch`; empty before the first. Do not write to it.
   */
  get bytes(): Uint8Array {
    return this.#records.bytes;
  }

  /** Where the key begins in `bytes`; means nothing without a key. */
  get keyStart(): number {
    return this.#records.keyStart;
  }

  /** Where the value begins in `bytes`; means nothing for null. */
  get valueStart(): number {
    return this.#records.valueStart;
  }

  /** Length of the value in bytes; -1 = null. */
  get valueBytes(): number {
    return this.#records.valueBytes;
  }

  /** Length of the key in bytes; -1 = no key. */
  get keyBytes(): number {
    return this.#records.keyBytes;
  }

  keyView(): Uint8Array | null {
    return this.#records.keyView();
  }

  valueView(): Uint8Array | null {
    return this.#records.valueView();
  }

  /** Lets go of the file. Idempotent. */
  async close(): Promise<void> {
    this.#left = 0;
    this.#leftInBatch = 0;
    this.#source.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
