/**
 * What can still be read of a destination log that is to be made again, to be compared record by record.
 */
import { CorruptLogError, OffsetOutOfRangeError } from '../core/errors.ts';
import { BatchCursor } from '../format/batch-cursor.ts';
import { recordsOf, type BatchRecords } from '../format/batch-records.ts';
import { CopiedRecords } from '../format/copied-records.ts';
import { RECORD_OFFSET_DELTA_AT } from '../format/layout.ts';
import { projectedFrom } from '../format/projected-extension.ts';
import type { Log } from '../log/log.ts';
import type { RecordSource } from '../log/record-source.ts';
import { hiddenKeys } from './hidden-keys.ts';
import { COMMON_STREAM } from './projection-state.ts';

/** Of the one field that tells where a record stands in its batch. */
const DELTA_BYTES = 4;
const NO_EXTENSION = new Uint8Array(0);

export class OldRecords {
  readonly #exchangeId: number;
  readonly #log: Log<Uint8Array>;
  #startOffset: number;
  #source: RecordSource;
  readonly #cursor = new BatchCursor();
  #records: BatchRecords | null = null;
  #isOver = false;
  /** Of one record at a time. */
  readonly #copies = new CopiedRecords();

  /** @param log  only its start may move; it stays open while this is used */
  constructor(log: Log<Uint8Array>, exchangeId: number) {
    this.#exchangeId = exchangeId;
    this.#log = log;
    this.#startOffset = log.startOffset;
    this.#source = sourceOf(log);
  }

  /**
   * Moves to the first readable record at or behind an offset.
   *
   * @returns why not all of the records that it passed come from the exchange; null = all do
   */
  async reach(offset: number): Promise<string | null> {
    while (!this.isReached(offset)) {
      if (!(await this.#next())) {
        this.#isOver = true;
        return null;
      }
      const refusal = this.#begin();
      if (refusal !== null) return refusal;
    }
    return null;
  }

  /** Whether it stands at or behind an offset, or at the end: `reach` has nothing to do. */
  isReached(offset: number): boolean {
    const cursor = this.#cursor;
    while (this.#records !== null) {
      if (cursor.start >= 0 && cursor.offset >= offset) return true;
      if (!cursor.next()) this.#records = null;
    }
    return this.#isOver;
  }

  /** Where it stands; null = behind the last record. */
  get offset(): number | null {
    return this.#isOver ? null : this.#cursor.offset;
  }

  /** Whether the record at which it stands is a copy of that at which another cursor stands. */
  isSame(records: BatchRecords, cursor: BatchCursor): boolean {
    const own = this.#records;
    const { start, sizeBytes } = this.#cursor;
    const sent = this.#sent(records, cursor);
    if (own === null || sizeBytes !== sent.length) return false;
    const isSame = (from: number, to: number): boolean =>
      Buffer.compare(own.subarray(start + from, start + to), sent.subarray(from, to)) === 0;
    const behind = RECORD_OFFSET_DELTA_AT + DELTA_BYTES;
    return isSame(0, RECORD_OFFSET_DELTA_AT) && isSame(behind, sizeBytes);
  }

  /** The record as it is sent: without the keys that nobody is to see. */
  #sent(records: BatchRecords, cursor: BatchCursor): Uint8Array {
    const hidden = hiddenKeys(cursor);
    if (hidden === null) return records.subarray(cursor.start, cursor.start + cursor.sizeBytes);
    const copies = this.#copies;
    copies.clear();
    copies.addWithout(records, cursor, hidden);
    return copies.encoded(NO_EXTENSION).bytes;
  }

  close(): void {
    this.#source.close();
  }

  async #next(): Promise<boolean> {
    for (;;) {
      try {
        return await this.#source.next();
      } catch (error) {
        if (error instanceof CorruptLogError) return false; // No segment is left.
        const { startOffset } = this.#log;
        const isTrimmed = error instanceof OffsetOutOfRangeError && startOffset > this.#startOffset;
        if (!isTrimmed) throw error;
        this.#startOffset = startOffset;
        this.#source.close();
        this.#source = sourceOf(this.#log);
      }
    }
  }

  #begin(): string | null {
    const { batch } = this.#source;
    const { bytes, at, header } = batch;
    const from = projectedFrom(bytes, at, header);
    const place = `at offset ${header.baseOffset}`;
    if (from === null) return `records ${place} were not projected`;
    if (from.exchangeId !== this.#exchangeId) return `records ${place} are of another exchange`;
    if (from.stream !== COMMON_STREAM) return `records ${place} are of a backfill`;
    try {
      this.#records = recordsOf(batch);
      this.#cursor.reset(this.#records);
    } catch (error) {
      if (!(error instanceof CorruptLogError)) throw error; // Else they cannot be read.
      this.#records = null;
    }
    return null;
  }
}

function sourceOf(log: Log<Uint8Array>): RecordSource {
  return log.source({ from: log.startOffset, onCorruption: 'skip' }, 'reused');
}
