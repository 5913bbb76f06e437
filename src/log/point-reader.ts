/** Reads single records by offset, from verified batches in memory where it can. */
import { CorruptLogError, OffsetOutOfRangeError } from '../core/errors.ts';
import { BATCH_TARGET_BYTES, INDEX_INTERVAL_BYTES } from '../core/limits.ts';
import { BatchCursor } from '../format/batch-cursor.ts';
import { recordsOf, type VerifiedBatch } from '../format/batch-records.ts';
import { floorSlot } from '../segment/index-search.ts';
import { BatchCache, type CachedBatch } from './batch-cache.ts';
import { DirectReader } from './direct-reader.ts';
import { checkEpoch } from './log-offsets.ts';
import { LogReader } from './log-reader.ts';
import type { ReadableLog } from './readable-log.ts';
import { LogRecord, type RecordOrigin } from './record.ts';

/** The index names a place at most so far before the batch; most batches are read at once. */
const POINT_READ_BYTES = BATCH_TARGET_BYTES + INDEX_INTERVAL_BYTES;

type MaybeLater<R> = R | Promise<R>;

export interface PointReaderOptions<T> extends RecordOrigin<T> {
  /** Memory for verified batches; 0 = keep none. */
  readonly cacheBytes: number;
}

export class PointReader<T> {
  readonly #log: ReadableLog;
  readonly #origin: RecordOrigin<T>;
  readonly #cache: BatchCache;
  readonly #direct: DirectReader;
  readonly #cursor = new BatchCursor();
  /** Of the list when the cache was empty last: none of it is of a file that was replaced before. */
  #swapCount = 0;

  constructor(log: ReadableLog, options: PointReaderOptions<T>) {
    this.#log = log;
    this.#origin = options;
    this.#cache = new BatchCache(options.cacheBytes);
    this.#direct = new DirectReader(log);
  }

  /**
   * The record at `offset`, null when the offset holds none: at once, when that takes no more than
   * memory and the page cache.
   *
   * @throws OffsetOutOfRangeError also when the record is of another epoch; CorruptLogError
   */
  read(offset: number, epoch: number | null): MaybeLater<LogRecord<T> | null> {
    const { startOffset, visibleOffset } = this.#log.marks;
    if (offset < startOffset || offset >= visibleOffset) {
      const endOffset = visibleOffset;
      throw new OffsetOutOfRangeError({ requested: offset, startOffset, endOffset, epoch });
    }
    if (epoch !== null) checkEpoch(this.#log, { offset, epoch, isRecord: true });
    if (this.#swapCount !== this.#log.segments.swapCount) this.clear();
    const cached = this.#cached(offset);
    if (cached !== null) return this.#recordOf(cached, offset);
    const batch = this.#direct.read(offset);
    if (batch === null) return this.#loadRecord(offset);
    return this.#cache.isOff
      ? this.#copyOf(batch, offset)
      : this.#recordOf(this.#cache.add(batch), offset);
  }

  /** Of a batch that is not kept, the record alone. */
  #copyOf(batch: VerifiedBatch, offset: number): LogRecord<T> | null {
    const cursor = this.#cursor;
    const records = recordsOf({ ...batch, header: { ...batch.header } });
    if (!cursor.seek(records, offset)) return null;
    const record = records.copy(cursor.start, cursor.start + cursor.sizeBytes);
    return new LogRecord(record, this.#origin, 0);
  }

  async #loadRecord(offset: number): Promise<LogRecord<T> | null> {
    const batch = await this.#load(offset);
    return batch === null ? null : this.#recordOf(batch, offset);
  }

  #recordOf(batch: CachedBatch, offset: number): LogRecord<T> | null {
    const start = batch.find(offset);
    return start < 0 ? null : new LogRecord(batch.records, this.#origin, start);
  }

  clear(): void {
    this.#cache.clear();
    this.#swapCount = this.#log.segments.swapCount;
  }

  /** The cached batch that holds `offset`. */
  #cached(offset: number): CachedBatch | null {
    const recent = this.#cache.recent(offset);
    if (recent !== null) return recent;
    const cached = this.#searchCache(offset);
    if (cached !== null) this.#cache.remember(offset, cached);
    return cached;
  }

  /** The indexed batch at or before `offset`, or one that follows it. */
  #searchCache(offset: number): CachedBatch | null {
    const segment = this.#log.segments.floor(offset);
    const index = segment?.index ?? null;
    if (segment === null || index === null) return null;
    const slot = floorSlot(index.offsets, index.count, offset);
    const baseOffset = slot < 0 ? segment.baseOffset : (index.offsets[slot] as number);
    let cached = this.#cache.get(baseOffset);
    while (cached !== null && cached.nextOffset <= offset) {
      cached = this.#cache.get(cached.nextOffset);
    }
    return cached;
  }

  async #load(offset: number): Promise<CachedBatch | null> {
    try {
      return await this.#loadBatch(offset, { skipsDamage: false });
    } catch (error) {
      if (!(error instanceof CorruptLogError)) throw error;
      // Damage in front of the record is not damage to it: only the way there was blocked.
      const { nextOffset } = error.details;
      if (nextOffset === null || nextOffset > offset) throw error;
      return this.#loadBatch(offset, { skipsDamage: true });
    }
  }

  /** @throws CorruptLogError also with `skipsDamage` when the offset itself is in damage */
  async #loadBatch(
    offset: number,
    options: { readonly skipsDamage: boolean },
  ): Promise<CachedBatch | null> {
    const { segments } = this.#log;
    const { swapCount } = segments;
    const reader = new LogReader(this.#log, {
      from: offset,
      keepBuffers: false,
      windowBytes: POINT_READ_BYTES,
      skipsDamage: options.skipsDamage,
      onGap: ({ firstOffset, nextOffset, file, position }) => {
        if (nextOffset <= offset) return;
        const reason = 'the record lies in damage';
        throw new CorruptLogError({
          file,
          position,
          kind: 'batch',
          firstOffset,
          nextOffset,
          reason,
        });
      },
    });
    try {
      if (!(await reader.next(offset + 1))) return null;
      const { bytes, view, start, header } = reader.scanner;
      // Of the file that was replaced meanwhile, perhaps: the next read empties the cache.
      if (swapCount !== segments.swapCount) this.#swapCount = swapCount;
      return this.#cache.add({ bytes, view, at: start, header, file: reader.file });
    } finally {
      reader.close();
    }
  }
}
