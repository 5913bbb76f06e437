/** Who has a say in how far the start of a log moves: what was read of it, or copied into it, may be needed. */

export interface TrimGuard {
  /**
   * Asked before the start of the log moves to `offset`, below which all is synced; nothing else moves
   * the start meanwhile, and closing the log waits for the answer.
   *
   * @returns how far the start may go, at most `offset`; never rejects
   */
  allow(offset: number): Promise<number>;
}
