/** Who has a say in how far the start of a log moves: what was read of it, or copied into it, may be needed. */

/** What moves the start: `retention` by itself, or somebody who `asked` for it with `deleteBefore`. */
export type TrimReason = 'retention' | 'asked';

export interface TrimGuard {
  /**
   * Asked before the start of the log moves to `offset`, below which all is synced; nothing else moves
   * the start meanwhile, and closing the log waits for the answer.
   *
   * @returns how far the start may go, at most `offset`; at once where nothing has to be looked at or
   *   written for it; never throws or rejects
   */
  allow(offset: number, why: TrimReason): number | Promise<number>;
}
