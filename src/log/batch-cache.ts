/** Verified batches by base offset, uncompressed, bounded by bytes, with the place of each record. */
import { LRUCache } from 'lru-cache';
import { KIB } from '../core/limits.ts';
import { BatchCursor } from '../format/batch-cursor.ts';
import { nextOffsetOf } from '../format/batch-header.ts';
import { recordsOf, type BatchRecords, type VerifiedBatch } from '../format/batch-records.ts';
import { BATCH_HEADER_BYTES } from '../format/layout.ts';
import { floorSlot } from '../segment/index-search.ts';

/** A verified batch, with the place of each record once that pays. */
export class CachedBatch {
  readonly records: BatchRecords;
  /** As in the header, which lies elsewhere in memory. */
  readonly baseOffset: number;
  /** First offset after the batch. */
  readonly nextOffset: number;
  /** Where each record begins; null until the second read. */
  #starts: Uint32Array | null = null;
  /** Their offsets from the base offset, ascending; null when none is missing: a delta is a slot. */
  #deltas: Uint32Array | null = null;
  #isAsked = false;

  constructor(records: BatchRecords) {
    this.records = records;
    this.nextOffset = nextOffsetOf(records.header);
    this.baseOffset = records.header.baseOffset;
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
    const delta = offset - this.baseOffset;
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

/** Offsets that share a place in the table of recent batches. */
const RECENT_OFFSETS_SHIFT = 5;
/** One place for so much memory of the cache: 64 KiB of places for 32 MiB. */
const RECENT_PLACE_BYTES = 4 * KIB;
/** Reads by way of the table for which the cache is told once that the batch is in use. */
const RECENT_READS_PER_TOUCH = 8;

export class BatchCache {
  readonly #batches: LRUCache<number, CachedBatch> | null;
  /**
   * Direct-mapped, from offset to batch: spares a read the search for the segment, for the base
   * offset, and for the batch by it, which take longer than all the rest. Holds what the cache does.
   */
  readonly #recent: (CachedBatch | null)[] = [];
  readonly #recentMask: number;
  #recentReads = 0;

  /** @param bytesMax memory for batches; 0 = keep none */
  constructor(bytesMax: number) {
    this.#recentMask = largestPowerOfTwo(bytesMax / RECENT_PLACE_BYTES) - 1;
    this.#batches =
      bytesMax === 0
        ? null
        : new LRUCache({
            maxSize: bytesMax,
            sizeCalculation: ({ records: { bytes, header } }) => {
              const ownBytes = BATCH_HEADER_BYTES + header.extensionBytes + bytes.buffer.byteLength;
              return ownBytes + 8 * header.recordCount;
            },
            dispose: (batch) => this.#forget(batch),
          });
  }

  /** Whether it keeps nothing. */
  get isOff(): boolean {
    return this.#batches === null;
  }

  /** The batch that holds `offset`, if `remember` was called for one near it; null = ask `get`. */
  recent(offset: number): CachedBatch | null {
    const batch = this.#recent[this.#placeOf(offset)] ?? null;
    if (batch === null || offset < batch.baseOffset || offset >= batch.nextOffset) return null;
    if (++this.#recentReads % RECENT_READS_PER_TOUCH === 0) this.#batches?.get(batch.baseOffset);
    return batch;
  }

  /** Lets `recent` find the batch of `get` or `add` that holds `offset`. */
  remember(offset: number, batch: CachedBatch): void {
    if (this.#recent.length === 0) {
      for (let n = 0; n <= this.#recentMask; n++) this.#recent.push(null); // At the first read.
    }
    this.#recent[this.#placeOf(offset)] = batch;
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

  #placeOf(offset: number): number {
    return (offset >>> RECENT_OFFSETS_SHIFT) & this.#recentMask;
  }

  /** The cache let go of it, and so does the table. */
  #forget(batch: CachedBatch): void {
    const offsetsMax = (this.#recentMask + 1) * 2 ** RECENT_OFFSETS_SHIFT;
    const to = Math.min(batch.nextOffset, batch.baseOffset + offsetsMax);
    for (let offset = batch.baseOffset; offset < to; offset += 1 << RECENT_OFFSETS_SHIFT) {
      this.#forgetAt(offset, batch);
    }
    this.#forgetAt(to - 1, batch);
  }

  #forgetAt(offset: number, batch: CachedBatch): void {
    const place = this.#placeOf(offset);
    if (this.#recent[place] === batch) this.#recent[place] = null;
  }
}

/** At least 1. */
function largestPowerOfTwo(max: number): number {
  return 2 ** Math.max(0, Math.floor(Math.log2(Math.max(1, max))));
}
