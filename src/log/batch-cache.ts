/** Verified batches by base offset, uncompressed, bounded by bytes, with the place of each record. */
import { LRUCache } from 'lru-cache';
import { BatchCursor } from '../format/batch-cursor.ts';
import { viewOf } from '../format/u64.ts';
import { nextOffsetOf } from '../format/batch-header.ts';
import { recordsOf, type BatchRecords, type VerifiedBatch } from '../format/batch-records.ts';
import { BATCH_HEADER_BYTES } from '../format/layout.ts';

/** A verified batch with an index of its records. */
export class CachedBatch {
  readonly records: BatchRecords;
  readonly #offsets: Float64Array;
  readonly #starts: Uint32Array;

  constructor(records: BatchRecords) {
    const { header } = records;
    this.records = records;
    this.#offsets = new Float64Array(header.recordCount);
    this.#starts = new Uint32Array(header.recordCount);
    const cursor = new BatchCursor();
    cursor.reset(records);
    for (let slot = 0; cursor.next(); slot++) {
      this.#offsets[slot] = cursor.offset;
      this.#starts[slot] = cursor.start;
    }
  }

  get nextOffset(): number {
    return nextOffsetOf(this.records.header);
  }

  /** Points a cursor at the record; false when the batch holds none at `offset`. */
  seek(cursor: BatchCursor, offset: number): boolean {
    const slot = this.#slotOf(offset);
    if (slot < 0) return false;
    const from = this.#starts[slot] as number; // slot < recordCount
    cursor.resetTo(this.records, { from, slot });
    return cursor.next();
  }

  #slotOf(offset: number): number {
    const dense = offset - this.records.header.baseOffset;
    if (this.#offsets[dense] === offset) return dense;
    return this.#offsets.indexOf(offset);
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
              BATCH_HEADER_BYTES + bytes.length + 12 * header.recordCount,
          });
  }

  /** The batch that begins at `baseOffset`; null when it is not held. */
  get(baseOffset: number): CachedBatch | null {
    return this.#batches?.get(baseOffset) ?? null;
  }

  /**
   * Keeps a copy of the records, so that it does not pin the read buffer around them.
   *
   * @throws as `recordsOf`, and CorruptLogError for a record that does not fit
   */
  add(batch: VerifiedBatch): CachedBatch {
    const { bytes, start, end, header, file } = recordsOf(batch);
    // Not `slice()`: of a Buffer that is a view, which would pin the whole read window.
    const copy = new Uint8Array(bytes.subarray(start, end));
    const place = { start: 0, end: copy.length };
    const cached = new CachedBatch({
      ...place,
      bytes: copy,
      view: viewOf(copy),
      header: { ...header },
      file,
    });
    this.#batches?.set(header.baseOffset, cached);
    return cached;
  }

  clear(): void {
    this.#batches?.clear();
  }
}
