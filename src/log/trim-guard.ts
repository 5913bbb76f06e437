/** Who has a say in what goes of a log: what was read of it, or copied into it, may be needed. */

/**
 * Why records shall go: by age or size (`retention`), because somebody `asked` for it with `deleteBefore`,
 * because nobody wants them any more (`settled`), or because later records of their keys stay (`compaction`,
 * which takes out single records and does not move the start).
 */
export type TrimReason = 'retention' | 'asked' | 'settled' | 'compaction';

export interface TrimGuard {
  /**
   * Asked before the start of the log moves to `offset`, below which all is synced; nothing else moves
   * the start meanwhile, and closing the log waits for the answer. For `compaction` it is asked before
   * single records below `offset` go, while the start may move; later it may allow more, never less.
   *
   * @returns how far it may go, at most `offset`; at once where nothing has to be looked at or
   *   written for it; never throws or rejects
   */
  allow(offset: number, why: TrimReason): number | Promise<number>;
}
