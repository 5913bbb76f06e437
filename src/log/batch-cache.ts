/** Verified batches by base offset, uncompressed, bounded by bytes, with the place of each record. */
import { LRUCache } from 'lru-cache';
import { BatchCursor } from '../format/batch-cursor.ts';
import { viewOf } from '../format/u64.ts';
import { nextOffsetOf } from '../format/batch-header.ts';
import { BatchRecords, recordsOf, type VerifiedBatch } from '../format/batch-records.ts';
import { BATCH_HEADER_BYTES } from '../format/layout.ts';
import { floorSlot } from '../segment/index-search.ts';

/** A verified batch, with an index of its records once that pays. */
export class CachedBatch {
  readonly records: BatchRecords;
  #index: RecordIndex | null = null;
  #seekCount = 0;

  constructor(records: BatchRecords) {
    this.records = records;
  }

  get nextOffset(): number {
    return nextOffsetOf(this.records.header);
  }

  /**
   * Points a cursor at the record; false when the batch holds none at `offset`.
   *
   * The first time it walks there: many batches are read once. @throws CorruptLogError
   */
  seek(cursor: BatchCursor, offset: number): boolean {
    if (this.#seekCount++ === 0) return walkTo(cursor, this.records, offset);
    this.#index ??= new RecordIndex(this.records);
    const slot = this.#index.slotOf(offset);
    if (slot < 0) return false;
    cursor.resetTo(this.records, { from: this.#index.startOf(slot), slot });
    return cursor.next();
  }
}

function walkTo(cursor: BatchCursor, records: BatchRecords, offset: number): boolean {
  cursor.reset(records);
  while (cursor.next()) if (cursor.offset >= offset) return cursor.offset === offset;
  return false;
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

  startOf(slot: number): number {
    return this.#starts[slot] as number; // slot < recordCount
  }

  /** -1 when there is no such record. */
  slotOf(offset: number): number {
    const delta = offset - this.#baseOffset;
    if (this.#deltas === null) return delta < this.#starts.length ? delta : -1;
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

  /** The batch that begins at `baseOffset`; null when it is not held. */
  get(baseOffset: number): CachedBatch | null {
    return this.#batches?.get(baseOffset) ?? null;
  }

  /**
   * Keeps the records: themselves, or a copy that does not pin a large read buffer around them.
   *
   * @param isOwned  nobody else writes to the buffer, and there is little else in it
   * @throws as `recordsOf`
   */
  add(batch: VerifiedBatch, isOwned: boolean): CachedBatch {
    const header = { ...batch.header };
    const records = recordsOf({ ...batch, header });
    const cached = new CachedBatch(isOwned ? records : copyOf(records));
    this.#batches?.set(header.baseOffset, cached);
    return cached;
  }

  clear(): void {
    this.#batches?.clear();
  }
}

function copyOf({ bytes, start, end, header, file }: BatchRecords): BatchRecords {
  // Not `slice()`: of a Buffer that is a view, which would pin the whole read window.
  const copy = new Uint8Array(bytes.subarray(start, end));
  const place = { bytes: copy, view: viewOf(copy), start: 0, end: copy.length };
  return new BatchRecords({ ...place, header, file });
}
