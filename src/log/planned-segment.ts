/** The next segment of a log, before it has a file. */
import { randomId, type Random } from '../core/random.ts';
import { encodeSegmentHeader, ORIGINAL, segmentHeaderCrc } from '../format/segment-header.ts';
import { Segment } from '../segment/segment.ts';
import type { LogDirectory } from './log-directory.ts';

export interface PlannedSegmentParts {
  readonly directory: LogDirectory;
  readonly random: Random;
  readonly logId: number;
  /** Of the store that the log belongs to; 0 = of its own. */
  readonly ownerId: number;
  readonly epoch: number;
}

/** Where the segment before it ends. */
export interface SegmentBorder {
  readonly previous: Segment | null;
  readonly offset: number;
  /** Of its last batch. */
  readonly endCrc: number;
  readonly timeMs: number;
}

export function planSegment(
  { directory, random, logId, ownerId, epoch }: PlannedSegmentParts,
  { previous, offset, endCrc, timeMs }: SegmentBorder,
): Segment {
  const header = {
    logId,
    segmentId: randomId(random),
    ...ORIGINAL,
    baseOffset: offset,
    previousId: previous?.header?.segmentId ?? 0,
    previousEndOffset: offset,
    previousEndCrc: endCrc,
    epoch,
    createdTimeMs: timeMs,
    ownerId,
  };
  const crc = segmentHeaderCrc(encodeSegmentHeader(header));
  return Segment.planned(directory.segmentPath(offset), header, crc);
}
