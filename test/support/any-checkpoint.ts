/** Checkpoints that a writer could make, for property tests. */
import fc from 'fast-check';

import { EPOCH_MAX, EPOCHS_KEPT } from '../../src/core/limits.ts';
import type { Checkpoint, EpochStart } from '../../src/format/checkpoint.ts';

const u53 = fc.maxSafeNat();
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });

/** Both epochs and start offsets ascend. */
const epochs: fc.Arbitrary<readonly EpochStart[]> = fc
  .integer({ min: 1, max: EPOCHS_KEPT })
  .chain((count) => {
    const size = { minLength: count, maxLength: count };
    return fc.tuple(
      fc.uniqueArray(fc.integer({ min: 1, max: EPOCH_MAX }), size),
      fc.uniqueArray(u53, size),
    );
  })
  .map(([numbers, offsets]) => {
    const startOffsets = offsets.toSorted((a, b) => a - b);
    return numbers
      .toSorted((a, b) => a - b)
      .map((epoch, at) => ({ epoch, startOffset: startOffsets[at] ?? 0 }));
  });

export const anyCheckpoint: fc.Arbitrary<Checkpoint> = fc.record({
  sequence: u53,
  logId: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  startOffset: u53,
  syncedOffset: u53,
  visibleOffset: u53,
  hintSegment: u53,
  hintPosition: u32,
  epochs,
});
