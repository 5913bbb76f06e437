/** What a partition owes its users that is compacted by key, now or at times: A11, and the time of tombstones. */
import type { FoundLog } from '../found-log.ts';
import { Oracle, type Ending } from '../oracle.ts';
import type { SentRecord } from '../records.ts';

export interface CompactedOracleOptions {
  /** How long a tombstone stays after all older records of its key are gone. */
  readonly tombstoneRetentionMs: number;
  /** When what is compared now began to be read, wall time. */
  readonly readSinceMs: () => number;
  /** Latest wall time that the engine can have seen. */
  readonly wallMaxMs: () => number;
  /** The record at an offset may be gone from now on. */
  readonly onSuperseded: (offset: number) => void;
}

export class CompactedOracle extends Oracle {
  override isCompacted = true;
  readonly #options: CompactedOracleOptions;
  /** When records were there for certain, by offset, wall time: the last time that they were read. */
  readonly #thereMs = new Map<number, number>();

  constructor(options: CompactedOracleOptions) {
    super();
    this.#options = options;
  }

  override sent(record: SentRecord, offset: number): void {
    super.sent(record, offset);
    this.#thereMs.delete(offset);
    const { onSuperseded } = this.#options;
    const earlier = record.key === null ? -1 : this.#lastBelow(record.key, offset);
    if (earlier >= 0) onSuperseded(earlier); // Those before it are known to be.
    if (isTombstone(record)) onSuperseded(offset);
  }

  override reopened(ending: Ending, found: FoundLog): void {
    this.#look(found);
    super.reopened(ending, found);
  }

  override compare(ending: Ending, found: FoundLog): void {
    this.#look(found);
    super.compare(ending, found);
  }

  /** The wall clock was set back: what it said before can be compared with nothing. */
  clockWentBack(): void {
    this.#thereMs.clear();
  }

  /** Whether its record need not be there: it is superseded, a tombstone, or was deleted. */
  mayBeGone(id: number, { startOffset, endOffset }: FoundLog): boolean {
    const offset = this.offsetOf(id);
    return offset !== null && (offset < startOffset || this.isGap(offset, endOffset));
  }

  /** No tombstone went before its time; and what is there is there now. */
  #look(found: FoundLog): void {
    const { startOffset, endOffset } = found;
    const { readSinceMs, wallMaxMs, tombstoneRetentionMs } = this.#options;
    const there = new Set(found.records.map(({ offset }) => offset));
    for (let offset = startOffset; offset < endOffset; offset++) {
      const record = this.expected(offset);
      if (there.has(offset) || record?.key == null || !isTombstone(record)) continue;
      if (this.#lastBelow(record.key, endOffset) !== offset) continue;
      const sinceMs = this.#olderThereMs(record, offset);
      if (wallMaxMs() - sinceMs >= tombstoneRetentionMs) continue;
      this.fault('A11', `the tombstone at ${offset} went at ${wallMaxMs()} or before: ${sinceMs}`);
    }
    for (const offset of there) this.#thereMs.set(offset, readSinceMs());
  }

  /** When an older record of the key of a tombstone was there, or the tombstone came. */
  #olderThereMs({ key, sentMs }: SentRecord, tombstoneOffset: number): number {
    let lastMs = sentMs;
    for (const [offset, ms] of this.#thereMs) {
      const older = offset < tombstoneOffset ? this.expected(offset)?.key : null;
      if (older != null && key !== null && isSame(older, key)) lastMs = Math.max(lastMs, ms);
    }
    return lastMs;
  }

  #lastBelow(key: Uint8Array, endOffset: number): number {
    for (let offset = endOffset - 1; offset >= 0; offset--) {
      const other = this.expected(offset)?.key ?? null;
      if (other !== null && isSame(other, key)) return offset;
    }
    return -1;
  }
}

function isTombstone({ key, value }: SentRecord): boolean {
  return key !== null && value === null;
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}
