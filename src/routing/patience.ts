/** How long the others wait for one destination log. */
import { assert } from '../core/assert.ts';
import { endsWithin, type Clock } from '../core/clock.ts';
import { SYNC_PATIENCE_MS } from '../core/limits.ts';

/** Longer than a hanging sync keeps the others from theirs: else all would seem slow. */
export const PATIENCE_MS = 250;
assert(
  PATIENCE_MS > 2 * SYNC_PATIENCE_MS,
  'of syncs that wait for one that hangs some end in time',
);

/** Less is nothing that anybody need hear of: on a busy machine it comes and goes. */
export const STALL_TOLD_MS = 1000;

/** What is wrong with a log that the others have left behind: it may go on at any time. */
export class StalledError extends Error {
  constructor() {
    super(`it took nothing for ${PATIENCE_MS} ms`);
  }
}

/** Waits for work that never rejects, but not for long. @returns whether it has ended */
export function patiently(clock: Clock, work: Promise<void>): Promise<boolean> {
  return endsWithin(clock, work, PATIENCE_MS);
}
