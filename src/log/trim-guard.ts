/** Who has a say in what goes of a log: what was read of it, or copied into it, may be needed. */
import type { RetentionReason } from './retention.ts';

/**
 * Why records shall go: by age or size (`retention`), because somebody `asked` for it with `deleteBefore`,
 * because nobody wants them any more (`settled`), or because later records of their keys stay (`compaction`,
 * which takes out single records and does not move the start).
 */
export type TrimReason = 'retention' | 'asked' | 'settled' | 'compaction';

/** Why segments go, one by one. */
export type PassReason = RetentionReason | 'asked';

/** Records that are about to go, from where those of the step before end. */
export interface TrimStep {
  readonly reason: PassReason;
  readonly toOffset: number;
}

export interface TrimGuard {
  /**
   * Asked before the start of the log moves to `offset`, below which all is synced; nothing else moves
   * the start meanwhile, and closing the log waits for the answer. For `compaction` it is asked before
   * single records below `offset` go, while the start may move; later it may allow more, never less.
   *
   * @param steps  why each part of it would go, up to `offset`; none for `compaction`
   * @returns how far it may go, at most `offset`; at once where nothing has to be looked at or
   *   written for it; never throws or rejects
   */
  allow(offset: number, why: TrimReason, steps?: readonly TrimStep[]): number | Promise<number>;
  /** Told that retention has looked, and nothing is too old or too much. */
  sparing?(): void;
  /**
   * Told when all have allowed it, and it is decided which segments go, right before the start moves: what
   * has to be written down of what goes is synced when this resolves.
   *
   * @param startOffset  where the log begins until then
   * @returns false = it is needed after all: nothing goes this time. Never so for what was asked for
   * @throws what keeps it from being written down: nothing goes then
   */
  passing?(startOffset: number, steps: readonly TrimStep[]): Promise<boolean>;
}
