/** What a `power-writer` process is asked to do. */
import { randomBelow, type Random } from '../../../src/core/random.ts';
import type { DurabilityLevel } from '../../../src/index.ts';
import type { Sabotage } from './sabotage.ts';

export interface WriterPlan {
  readonly directory: string;
  /** Of the records' content; the same in all lives of one log. */
  readonly seed: number;
  /** Of the order of calls. */
  readonly lifeSeed: number;
  readonly level: DurabilityLevel;
  /** Share of the appends that ask for `sync`, whatever the level of the log. */
  readonly syncShare: number;
  /** What the others ask for. */
  readonly weakLevel: DurabilityLevel;
  /** Appends that wait at a time. */
  readonly inFlight: number;
  readonly flushMs: number;
  readonly sabotage: Sabotage;
  /** Closes the log and ends when it holds so many records; null: appends until it is killed. */
  readonly endOffsetMax: number | null;
}

/** Small, so that a short life rolls and trims many times. */
export const SEGMENT_BYTES = 96 * 1024;
export const RETENTION_BYTES = 400 * 1024;

const LEVELS: readonly DurabilityLevel[] = ['sync', 'sync', 'sync', 'interval', 'os'];
const WEAK_LEVELS: readonly DurabilityLevel[] = ['os', 'interval'];
const SYNC_SHARES = [1, 0.5, 0.1, 0.02];
const FLUSH_MS = [10, 50, 3_600_000];

/** A writer of random habits. */
export function randomPlan(
  random: Random,
  fixed: Pick<WriterPlan, 'directory' | 'seed' | 'sabotage'>,
): WriterPlan {
  return {
    ...fixed,
    lifeSeed: randomBelow(random, 2 ** 31),
    level: pick(random, LEVELS),
    syncShare: pick(random, SYNC_SHARES),
    weakLevel: pick(random, WEAK_LEVELS),
    inFlight: 1 + randomBelow(random, 32),
    flushMs: pick(random, FLUSH_MS),
    endOffsetMax: null,
  };
}

export function pick<T>(random: Random, choices: readonly T[]): T {
  const picked = choices[randomBelow(random, choices.length)];
  if (picked === undefined) throw new Error('a choice needs candidates');
  return picked;
}
