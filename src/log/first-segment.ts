/** The first segment of a new log that belongs to a store. */
import type { Clock } from '../core/clock.ts';
import { randomId, type Random } from '../core/random.ts';
import type { Checkpoint } from '../format/checkpoint.ts';
import { encodeSegmentHeader, ORIGINAL } from '../format/segment-header.ts';
import { writeFully } from '../io/transfer.ts';
import type { LogDirectory } from './log-directory.ts';

export interface FirstSegmentOptions {
  readonly directory: LogDirectory;
  readonly checkpoint: Checkpoint;
  readonly random: Random;
  readonly clock: Clock;
  /** The id of the store. */
  readonly ownerId: number;
}

/**
 * Creates it at once and durably, not with the first record: its header is what tells everybody
 * else that the log is not for them.
 */
export async function createFirstSegment(options: FirstSegmentOptions): Promise<void> {
  const { directory, checkpoint, random, clock, ownerId } = options;
  const header = {
    logId: checkpoint.logId,
    segmentId: randomId(random),
    ...ORIGINAL,
    baseOffset: 0,
    previousId: 0,
    previousEndOffset: 0,
    previousEndCrc: 0,
    epoch: checkpoint.epochs.at(-1)?.epoch ?? 1,
    createdTimeMs: clock.now(),
    ownerId,
  };
  const file = await directory.fileSystem.open(directory.segmentPath(0), 'create');
  try {
    await writeFully(file, encodeSegmentHeader(header), 0);
    await file.datasync();
  } finally {
    await file.close();
  }
  await directory.sync();
}
