/** Verified batches by base offset, uncompressed, bounded by bytes, with the place of each record. */
import { LRUCache } from 'lru-cache';
import { BatchCursor } from '../format/batch-cursor.ts';
import { nextOffsetOf } from '../format/batch-header.ts';
import { recordsOf, type BatchRecords, type VerifiedBatch } from '../format/batch-records.ts';
import { BATCH_HEADER_BYTES } from '../format/layout.ts';
import { floorSlot } from '../segment/index-search.ts';

/** A verified batch, with the place of each record once that pays. */
export class CachedBatch {
  readonly records: BatchRecords;
  /** First offset after the batch. */
  readonly nextOffset: number;
  /** For numbers of its own a read need not go to the header, which lies elsewhere in memory. */
  readonly #baseOffset: number;
  /** Where each record begins; null until the second read. */
  #starts: Uint32Array | null = null;
  /** Their offsets from the base offset, ascending; null when none is missing: a delta is a slot. */
  #deltas: Uint32Array | null = null;
  #isAsked = false;

  constructor(records: BatchRecords) {
    this.records = records;
    this.nextOffset = nextOffsetOf(records.header);
    this.#baseOffset = records.header.baseOffset;
  }

  /**
   * Where the record at `offset` begins in the buffer; -1 when the batch holds none.
   *
   * The first time it walks there: many batches are read once. @throws CorruptLogError
   */
  find(offset: number): number {
    if (this.#starts !== null) return this.#starts[this.#slotOf(offset)] ?? -1;
    const cursor = new BatchCursor();
    if (this.#isAsked) this.#takePlaces(cursor);
    this.#isAsked = true;
    return cursor.seek(this.records, offset) ? cursor.start : -1;
  }

  /** -1 when there is no such record. */
  #slotOf(offset: number): number {
    const delta = offset - this.#baseOffset;
    if (this.#deltas === null) return delta;
    const slot = floorSlot(this.#deltas, this.#deltas.length, delta);
    return slot >= 0 && this.#deltas[slot] === delta ? slot : -1;
  }

  #takePlaces(cursor: BatchCursor): void {
    const { recordCount, lastOffsetDelta, baseOffset } = this.records.header;
    const starts = new Uint32Array(recordCount);
    const deltas = lastOffsetDelta + 1 === recordCount ? null : new Uint32Array(recordCount);
    cursor.reset(this.records);
    for (let slot = 0; cursor.next(); slot++) {
      starts[slot] = cursor.start;
      if (deltas !== null) deltas[slot] = cursor.offset - baseOffset;
    }
    this.#starts = starts;
    this.#deltas = deltas;
  }
}

export class BatchCache {
  readonly #batches: LRUCache<number, CachedBatch> | null;

  /** @param bytesMax memory for batches; 0 = keep none */
  constructor(bytesMax: number) {
    this.#batches =
      bytesMax === 0
        ? null
        : new LRUCache({
            maxSize: bytesMax,
            sizeCalculation: ({ records: { bytes, header } }) =>
              BATCH_HEADER_BYTES + bytes.buffer.byteLength + 8 * header.recordCount,
          });
  }

  /** Whether it keeps nothing. */
  get isOff(): boolean {
    return this.#batches === null;
  }

  /** The batch that begins at `baseOffset`; null when it is not held. */
  get(baseOffset: number): CachedBatch | null {
    return this.#batches?.get(baseOffset) ?? null;
  }

  /** Keeps a copy of the records: the buffer around them is used again. @throws as `recordsOf` */
  add(batch: VerifiedBatch): CachedBatch {
    const header = { ...batch.header };
    const records = recordsOf({ ...batch, header });
    const cached = new CachedBatch(records.copy(records.start, records.end));
    this.#batches?.set(header.baseOffset, cached);
    return cached;
  }

  clear(): void {
    this.#batches?.clear();
  }
}
