/**
 * The slow twin of the walk over a log's tail: where the data of a directory ends, by the rules of
 * the format alone. What recovery keeps must be exactly this (A5).
 */
import type { EpochStart } from '../../../src/format/checkpoint.ts';
import { nextOffsetOf } from '../../../src/format/batch-header.ts';
import type { SegmentHeader } from '../../../src/format/segment-header.ts';
import { checkpointIn, segmentsIn, type DiskSegment } from '../simulation/disk-reader.ts';

/** First offset that no unbroken chain of batches from the log's start reaches. */
export function referenceLogEnd(files: ReadonlyMap<string, Uint8Array>, path: string): number {
  const { checkpoint } = checkpointIn(files, path);
  const segments = segmentsIn(files, path);
  const startOffset = checkpoint?.startOffset ?? segments[0]?.baseOffset ?? 0;
  const first = segments.findLastIndex(({ baseOffset }) => baseOffset <= startOffset);
  if (first < 0) return startOffset;
  const chain = { endOffset: segments[first]?.baseOffset ?? 0, epoch: 0 };
  let previous: DiskSegment | null = null;
  for (const segment of segments.slice(first)) {
    const { header } = segment;
    if (header === null || segment.baseOffset !== chain.endOffset) break;
    if (header.baseOffset !== segment.baseOffset || header.logId !== checkpoint?.logId) break;
    if (previous !== null && !isLinked(previous, header)) break;
    if (!followBatches(segment, chain, checkpoint.epochs)) break;
    previous = segment;
  }
  return Math.max(chain.endOffset, startOffset);
}

/** Follows the batches of a segment while none is older than what is known to come before it. */
function followBatches(
  { batches }: DiskSegment,
  chain: { endOffset: number; epoch: number },
  epochs: readonly EpochStart[],
): boolean {
  for (const batch of batches) {
    const begun = epochs.filter(({ startOffset }) => startOffset <= batch.baseOffset);
    if (batch.epoch < Math.max(chain.epoch, begun.at(-1)?.epoch ?? 0)) return false;
    chain.epoch = batch.epoch;
    chain.endOffset = nextOffsetOf(batch);
  }
  return true;
}

function isLinked(previous: DiskSegment, header: SegmentHeader): boolean {
  const view = new DataView(previous.bytes.buffer, previous.bytes.byteOffset);
  const isRewritten = (previous.header?.generation ?? 0) > 0;
  const endCrc = isRewritten
    ? previous.header?.endCrc // As the original ended, of whose last batch less may be left.
    : (previous.batches.at(-1)?.crc ?? view.getUint32(0, true));
  return (
    header.previousId === previous.header?.segmentId &&
    header.previousEndOffset === header.baseOffset &&
    header.previousEndCrc === endCrc
  );
}
