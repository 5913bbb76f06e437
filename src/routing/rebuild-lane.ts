/**
 * One partition of a destination that is looked at, or made again: counts the records that belong there,
 * and compares them with those that it still has.
 *
 * What cannot be read is proven by what follows: were anything else there than the exchange sends, or
 * had the exchange lost some of it, the next readable record would be another one.
 */
import type { BatchCursor } from '../format/batch-cursor.ts';
import type { BatchRecords } from '../format/batch-records.ts';
import type { OldLog } from './old-log.ts';
import type { RebuiltLog } from './rebuilt-log.ts';

export interface RebuildLaneParts {
  readonly old: OldLog;
  /** Makes the log again; null = it is only looked at. */
  readonly rebuilt: RebuiltLog | null;
  /** Records of the source at and behind this are not in the log yet. */
  readonly to: number;
  readonly refuse: (reason: string) => Error;
}

export class RebuildLane {
  readonly old: OldLog;
  readonly rebuilt: RebuiltLog | null;
  /** Of the next record that belongs here. */
  nextOffset = 0;
  readonly #parts: RebuildLaneParts;
  #unreadableCount = 0;
  /** Behind the last record that is the same. */
  #sameEnd = 0;
  /** Behind the records of the source below the position of the mark. */
  #markedOffset = 0;
  /** Where the last record that is the same stands in the source. */
  #provenOffset = -1;

  constructor(parts: RebuildLaneParts) {
    this.#parts = parts;
    this.old = parts.old;
    this.rebuilt = parts.rebuilt;
  }

  /** Records that should be there and cannot be read; those that compaction took need not be there. */
  get unreadableCount(): number {
    const { isMissing, removedCount } = this.old;
    return isMissing ? this.nextOffset : Math.max(0, this.#unreadableCount - removedCount);
  }

  /** Whether it must be made again. */
  get isDamaged(): boolean {
    return this.old.isDamaged || this.unreadableCount > 0;
  }

  /**
   * The record of the source at which the cursor stands belongs here.
   *
   * @returns null = the next may follow at once
   */
  take(records: BatchRecords, cursor: BatchCursor): Promise<void> | null {
    const { to, rebuilt } = this.#parts;
    const { offset: sourceOffset } = cursor;
    const { old } = this;
    if (sourceOffset >= to) return null;
    const offset = this.nextOffset++;
    if (sourceOffset < (old.mark?.position ?? 0)) this.#markedOffset = this.nextOffset;
    const adding = rebuilt?.add(records, cursor) ?? null;
    if (offset < old.startOffset || offset >= old.endOffset) return adding;
    const { rest } = old;
    if (rest === null) return adding;
    if (adding === null && rest.isReached(offset)) {
      this.#compare(records, cursor, offset);
      return null;
    }
    return this.#compareLater(records, cursor, { offset, adding });
  }

  /**
   * All that belongs here was taken.
   *
   * @param lostBelow  the source has lost records below; 0 = none
   * @param doubt      why something else may have been here; null = there is no reason
   * @throws what `refuse` makes, when what was here cannot be made again from the source
   */
  async end(lostBelow: number, doubt: string | null): Promise<void> {
    const { old } = this;
    const place = `partition ${old.partition}`;
    const { nextOffset } = this;
    const reason = await old.rest?.reach(Math.max(nextOffset, old.startOffset));
    if (typeof reason === 'string') throw this.#parts.refuse(reason);
    const restOffset = old.rest?.offset ?? null;
    const endOffset = Math.max(old.endOffset, old.knownEndOffset, old.mark?.endOffset ?? 0);
    if (restOffset !== null || endOffset > nextOffset) {
      const has = `it had ${Math.max(endOffset, restOffset ?? 0)} offsets`;
      throw this.#parts.refuse(`the exchange sends ${nextOffset} records to ${place}, ${has}`);
    }
    if (old.mark !== null && old.mark.endOffset > this.#markedOffset) {
      throw this.#parts.refuse(`${place} had records that the exchange did not send`);
    }
    if (this.#isEndProven) return;
    const isLost = lostBelow > this.#provenOffset + 1;
    const why = isLost ? `the source has lost records below offset ${lostBelow}` : doubt;
    if (why !== null) throw this.#parts.refuse(`${why}, and the end of ${place} cannot be read`);
  }

  /** Whether the last record of the old log could be read. */
  get #isEndProven(): boolean {
    const { old } = this;
    if (old.isMissing) return false;
    return old.endOffset === old.startOffset || old.endOffset === this.#sameEnd;
  }

  async #compareLater(
    records: BatchRecords,
    cursor: BatchCursor,
    { offset, adding }: { readonly offset: number; readonly adding: Promise<void> | null },
  ): Promise<void> {
    await adding;
    const reason = await this.old.rest?.reach(offset);
    if (typeof reason === 'string') throw this.#parts.refuse(reason);
    this.#compare(records, cursor, offset);
  }

  #compare(records: BatchRecords, cursor: BatchCursor, offset: number): void {
    const { rest, partition } = this.old;
    if (rest?.offset !== offset) {
      // It cannot be read, or was deleted meanwhile.
      if (offset >= this.old.startOffset) this.#unreadableCount++;
      return;
    }
    if (!rest.isSame(records, cursor)) {
      const place = `offset ${offset} of partition ${partition}`;
      const sent = `the exchange sends the one at offset ${cursor.offset} of its source there`;
      throw this.#parts.refuse(`${place} holds another record: ${sent}`);
    }
    this.#sameEnd = offset + 1;
    this.#provenOffset = cursor.offset;
  }
}
