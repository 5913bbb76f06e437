/**
 * Which commits a log may have to be told again after a crash: those whose records it has not
 * synced. They are in the journal, and stay there until it has.
 */

/** A commit, as far as one log is concerned. */
export interface LedgerLine {
  /** Of the entry, in the journal. */
  readonly journalOffset: number;
  /** First offset after its records, in the log. */
  readonly nextOffset: number;
}

export class CommitLedger {
  readonly #lines = new Map<number, LedgerLine[]>();

  add(logId: number, line: LedgerLine): void {
    const lines = this.#lines.get(logId);
    if (lines === undefined) this.#lines.set(logId, [line]);
    else lines.push(line);
  }

  /** Oldest first. */
  of(logId: number): readonly LedgerLine[] {
    return this.#lines.get(logId) ?? [];
  }

  /** Ids of logs that have some. */
  get logIds(): readonly number[] {
    return [...this.#lines.keys()];
  }

  /** The log has synced everything below `syncedOffset`. */
  synced(logId: number, syncedOffset: number): void {
    const lines = this.#lines.get(logId);
    if (lines === undefined) return;
    let count = 0;
    for (const { nextOffset } of lines) {
      if (nextOffset > syncedOffset) break;
      count++;
    }
    if (count === lines.length) this.#lines.delete(logId);
    else if (count > 0) lines.splice(0, count);
  }

  /** The log is gone. */
  forget(logId: number): void {
    this.#lines.delete(logId);
  }
}
