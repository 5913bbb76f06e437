/**
 * Log epochs: each writer open begins one, and a position carries the epoch it was read in.
 *
 * After a power cut a log at level `os` or `interval` may give an offset to another record. The
 * list of (epoch, start offset) pairs tells such positions from live ones: an epoch ended where the
 * next one began.
 */
import { EPOCHS_KEPT } from '../core/limits.ts';
import type { EpochStart } from '../format/checkpoint.ts';

/** The epoch that `offset` belongs to at least; null when it is older than the list. */
export function epochAt(epochs: readonly EpochStart[], offset: number): number | null {
  let epoch: number | null = null;
  for (const pair of epochs) {
    if (pair.startOffset <= offset) epoch = pair.epoch;
  }
  return epoch;
}

/** First offset that `epoch` did not reach; null while no later epoch is known. */
export function endOfEpoch(epochs: readonly EpochStart[], epoch: number): number | null {
  return epochs.find((pair) => pair.epoch > epoch)?.startOffset ?? null;
}

/**
 * The list after a new epoch begins at `startOffset`.
 *
 * Epochs that begin at or behind that offset hold no record any more and leave the list: a position
 * of theirs is refused because the new epoch, later than they, begins at or before it.
 */
export function beginEpoch(
  epochs: readonly EpochStart[],
  epoch: number,
  startOffset: number,
): readonly EpochStart[] {
  const kept = epochs.filter((pair) => pair.startOffset < startOffset);
  return [...kept, { epoch, startOffset }].slice(-EPOCHS_KEPT);
}
