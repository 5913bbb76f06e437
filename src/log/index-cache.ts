/** Indexes of sealed segments that readers asked for, bounded by bytes: 0.5 % of a log adds up. */
import { LRUCache } from 'lru-cache';
import { INDEX_CACHE_BYTES } from '../core/limits.ts';
import type { File } from '../io/file-system.ts';
import { loadIndex } from '../segment/segment-entry.ts';
import type { SegmentIndex } from '../segment/segment-index.ts';
import type { Segment } from '../segment/segment.ts';

/** What an entry costs beside its columns. */
const ENTRY_BYTES = 256;

export class IndexCache {
  readonly #indexes = new LRUCache<Segment, SegmentIndex>({
    maxSize: INDEX_CACHE_BYTES,
    sizeCalculation: (index) => index.sizeBytes + ENTRY_BYTES,
    dispose: (_, segment) => {
      if (segment.file === null) segment.index = null; // The active one is still being built.
    },
  });

  /** The index of an entered segment; `growsTo` as for `loadIndex`. @throws IoError */
  async load(segment: Segment, file: File, growsTo: number | null = null): Promise<SegmentIndex> {
    const index = await loadIndex(segment, file, growsTo);
    if (segment.file === null && this.#indexes.get(segment) === undefined) {
      this.#indexes.set(segment, index);
    }
    return index;
  }

  /** Drops that of a segment which another one replaced. */
  forget(segment: Segment): void {
    this.#indexes.delete(segment);
  }
}
