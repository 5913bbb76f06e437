/** What each step of a repair goes by. */
import type { CorruptLogDetails } from '../core/errors.ts';
import type { Random } from '../core/random.ts';
import type { Checkpoint } from '../format/checkpoint.ts';
import { epochAt } from './epochs.ts';
import type { LogDirectory } from './log-directory.ts';
import type { TailExamination } from './tail-examination.ts';

export interface DamageRepair {
  readonly directory: LogDirectory;
  readonly random: Random;
  readonly checkpoint: Checkpoint | null;
  readonly examination: TailExamination;
  /** What was damaged first: a repair of more than one step still names it. */
  readonly details: CorruptLogDetails;
}

/** Of what is made to stand at an offset. */
export function epochOf(repair: DamageRepair, baseOffset: number): number {
  const expected = epochAt(repair.checkpoint?.epochs ?? [], baseOffset) ?? 1;
  return Math.max(expected, repair.examination.epoch);
}
