/** Verified batches by base offset, bounded by bytes, with the place of each record. */
import { LRUCache } from 'lru-cache';
import { BatchCursor } from '../format/batch-cursor.ts';
import { viewOf } from '../format/u64.ts';
import { nextOffsetOf } from '../format/batch-header.ts';
import type { BatchBytes } from './record.ts';

/** A verified batch with an index of its records. */
export class CachedBatch {
  readonly batch: BatchBytes;
  readonly #offsets: Float64Array;
  readonly #starts: Uint32Array;

  constructor(batch: BatchBytes) {
    const { bytes, start, header, file } = batch;
    this.batch = batch;
    this.#offsets = new Float64Array(header.recordCount);
    this.#starts = new Uint32Array(header.recordCount);
    const cursor = new BatchCursor();
    cursor.reset({ bytes, view: viewOf(bytes), at: start, header, file });
    for (let slot = 0; cursor.next(); slot++) {
      this.#offsets[slot] = cursor.offset;
      this.#starts[slot] = cursor.start;
    }
  }

  get nextOffset(): number {
    return nextOffsetOf(this.batch.header);
  }

  /** Points a cursor at the record; false when the batch holds none at `offset`. */
  seek(cursor: BatchCursor, offset: number): boolean {
    const slot = this.#slotOf(offset);
    if (slot < 0) return false;
    const { bytes, header, file } = this.batch;
    const from = this.#starts[slot] as number; // slot < recordCount
    cursor.resetTo(
      { bytes, view: viewOf(bytes), at: this.batch.start, header, file },
      { from, slot },
    );
    return cursor.next();
  }

  #slotOf(offset: number): number {
    const dense = offset - this.batch.header.baseOffset;
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
            sizeCalculation: ({ batch }) => batch.header.sizeBytes + 12 * batch.header.recordCount,
          });
  }

  /** The batch that begins at `baseOffset`; null when it is not held. */
  get(baseOffset: number): CachedBatch | null {
    return this.#batches?.get(baseOffset) ?? null;
  }

  /** Keeps a copy of the batch, so that it does not pin the read buffer around it. */
  add(batch: BatchBytes): CachedBatch {
    const { bytes, start, header, file } = batch;
    // Not `slice()`: of a Buffer that is a view, which would pin the whole read window.
    const copy = new Uint8Array(bytes.subarray(start, start + header.sizeBytes));
    const cached = new CachedBatch({ bytes: copy, start: 0, header: { ...header }, file });
    this.#batches?.set(header.baseOffset, cached);
    return cached;
  }

  clear(): void {
    this.#batches?.clear();
  }
}
