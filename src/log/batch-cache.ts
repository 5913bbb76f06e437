/** Verified batches by base offset, uncompressed, bounded by bytes, with the place of each record. */
import { LRUCache } from 'lru-cache';
import { BatchCursor } from '../format/batch-cursor.ts';
import { nextOffsetOf } from '../format/batch-header.ts';
import { recordsOf, type BatchRecords, type VerifiedBatch } from '../format/batch-records.ts';
import { BATCH_HEADER_BYTES } from '../format/layout.ts';
import { floorSlot } from '../segment/index-search.ts';

/** A verified batch, with an index of its records once that pays. */
export class CachedBatch {
  readonly records: BatchRecords;
  #index: RecordIndex | null = null;
  #isAsked = false;

  constructor(records: BatchRecords) {
    this.records = records;
  }

  get nextOffset(): number {
    return nextOffsetOf(this.records.header);
  }

  /**
   * Where the record at `offset` begins in the buffer; -1 when the batch holds none.
   *
   * The first time it walks there: many batches are read once. @throws CorruptLogError
   */
  find(offset: number): number {
    if (this.#index !== null) return this.#index.find(offset);
    if (this.#isAsked) {
      this.#index = new RecordIndex(this.records);
      return this.#index.find(offset);
    }
    this.#isAsked = true;
    const cursor = new BatchCursor();
    return cursor.seek(this.records, offset) ? cursor.start : -1;
  }
}

/** Where each record of a batch begins. */
class RecordIndex {
  readonly #baseOffset: number;
  readonly #starts: Uint32Array;
  /** Offsets from the base offset, ascending; null when none is missing, and a delta is a slot. */
  readonly #deltas: Uint32Array | null;

  constructor(records: BatchRecords) {
    const { recordCount, lastOffsetDelta, baseOffset } = records.header;
    this.#baseOffset = baseOffset;
    this.#starts = new Uint32Array(recordCount);
    this.#deltas = lastOffsetDelta + 1 === recordCount ? null : new Uint32Array(recordCount);
    const cursor = new BatchCursor();
    cursor.reset(records);
    for (let slot = 0; cursor.next(); slot++) {
      this.#starts[slot] = cursor.start;
      if (this.#deltas !== null) this.#deltas[slot] = cursor.offset - baseOffset;
    }
  }

  /** -1 when there is no such record. */
  find(offset: number): number {
    return this.#starts[this.#slotOf(offset)] ?? -1;
  }

  #slotOf(offset: number): number {
    const delta = offset - this.#baseOffset;
    if (this.#deltas === null) return delta;
    const slot = floorSlot(this.#deltas, this.#deltas.length, delta);
    return slot >= 0 && this.#deltas[slot] === delta ? slot : -1;
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
