/** Which records of a segment stay when a log is compacted by key, and why the others go. */
import type { BatchCursor } from '../format/batch-cursor.ts';
import type { KeyScan } from './key-scan.ts';
import type { RecordFilter } from './record-filter.ts';

export interface KeyFilterOptions {
  /** Last offsets of the keys of [.., endOffset); null = no keys are compared. */
  readonly keys: Pick<KeyScan, 'endOffset' | 'lastOffsetOf'> | null;
  /** Whether tombstones may go (`mayDropTombstones`). */
  readonly dropsTombstones: boolean;
}

/** Of one segment; it may be asked for all of it again, from `begin` on. */
export class KeyFilter implements RecordFilter {
  /** Of the records that it was asked for since `begin`: those that go, by reason. */
  supersededCount = 0;
  droppedTombstoneCount = 0;
  /** Of those that stay. */
  tombstoneCount = 0;
  keylessCount = 0;
  readonly #options: KeyFilterOptions;
  readonly #endOffset: number;

  constructor(options: KeyFilterOptions) {
    this.#options = options;
    this.#endOffset = options.keys?.endOffset ?? 0;
  }

  get removedCount(): number {
    return this.supersededCount + this.droppedTombstoneCount;
  }

  begin(): void {
    this.supersededCount = 0;
    this.droppedTombstoneCount = 0;
    this.tombstoneCount = 0;
    this.keylessCount = 0;
  }

  keeps(record: BatchCursor): boolean {
    // What has no key is neither superseded nor a tombstone of anything.
    if (record.keyBytes < 0) {
      this.keylessCount++;
      return true;
    }
    const { keys, dropsTombstones } = this.#options;
    const isCompared = keys !== null && record.offset < this.#endOffset;
    if (isCompared && keys.lastOffsetOf(record) > record.offset) {
      this.supersededCount++;
      return false;
    }
    if (!record.isTombstone) return true;
    if (dropsTombstones) this.droppedTombstoneCount++;
    else this.tombstoneCount++;
    return !dropsTombstones;
  }
}
