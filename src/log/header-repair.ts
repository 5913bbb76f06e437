/** Headers of segments, made anew: of one that is lost, and of one whose own is damaged or does not link. */
import { present } from '../core/assert.ts';
import { randomId } from '../core/random.ts';
import { nextOffsetOf, type BatchHeader } from '../format/batch-header.ts';
import { BatchKind, SEGMENT_HEADER_BYTES } from '../format/layout.ts';
import { ORIGINAL, parseSegmentHeader, type SegmentHeader } from '../format/segment-header.ts';
import { findCandidates } from '../segment/candidates.ts';
import type { Segment } from '../segment/segment.ts';
import type { LogDirectory } from './log-directory.ts';
import { epochOf, type DamageRepair } from './repair-step.ts';

/** Of a segment that follows what was found sound, as it was appended. */
export function headerFor(
  repair: DamageRepair,
  baseOffset: number,
  segmentId: number,
): SegmentHeader {
  const { segments, lastAt, lastAppendTimeMs } = repair.examination;
  const previous = segments[lastAt];
  const known = segments.find((segment) => segment.header !== null)?.header;
  return {
    logId: repair.checkpoint?.logId ?? known?.logId ?? randomId(repair.random),
    segmentId,
    ...ORIGINAL,
    baseOffset,
    previousId: previous?.header?.segmentId ?? 0,
    previousEndOffset: baseOffset,
    previousEndCrc: previous?.endCrc ?? 0,
    epoch: epochOf(repair, baseOffset),
    createdTimeMs: lastAppendTimeMs,
    ownerId: known?.ownerId ?? 0,
  };
}

/**
 * Of the segment at `at`, which is there. What it said of having been rewritten is kept if that can be read;
 * else it is told by the batches, and its end by the link of the next segment: stamps are not known then.
 *
 * @param segmentId  that its batches carry
 */
export async function remadeHeader(
  repair: DamageRepair,
  at: number,
  segmentId: number,
): Promise<SegmentHeader> {
  const { directory, examination } = repair;
  const segment = present(examination.segments[at], 'it was entered');
  const fresh = headerFor(repair, segment.baseOffset, segmentId);
  const stored = await readHeader(directory, segment);
  if (stored !== null && stored.generation > 0) {
    const { previousId, previousEndOffset, previousEndCrc } = fresh;
    return { ...stored, segmentId, previousId, previousEndOffset, previousEndCrc };
  }
  const next = examination.segments[at + 1];
  const link = next === undefined ? null : await readHeader(directory, next);
  if (link === null || link.previousId !== segmentId) return fresh;
  if (!(await isRewritten(repair, segment, link))) return fresh;
  const { previousEndOffset: endOffset, previousEndCrc: endCrc, createdTimeMs } = link;
  return { ...fresh, generation: 1, endOffset, endCrc, lastAppendTimeMs: createdTimeMs };
}

/** Whether batches of a segment have lost records, or do not end as the next one states that it ended. */
async function isRewritten(
  repair: DamageRepair,
  segment: Segment,
  link: SegmentHeader,
): Promise<boolean> {
  let endCrc: number | null = null;
  for await (const header of batchesInside(repair, segment, link.previousId)) {
    if (header.kind !== BatchKind.data) continue;
    if (header.recordCount <= header.lastOffsetDelta) return true;
    if (nextOffsetOf(header) === link.previousEndOffset) endCrc = header.crc;
  }
  return endCrc !== null && endCrc !== link.previousEndCrc;
}

/** The id that the valid batches of a segment carry; null when it has none. */
export async function segmentIdInside(
  repair: DamageRepair,
  segment: Segment,
): Promise<number | null> {
  for await (const header of batchesInside(repair, segment, 0)) return header.segmentId;
  return null;
}

/** Headers of its valid batches, each good until the next. @param segmentId  0 = of any segment */
async function* batchesInside(
  repair: DamageRepair,
  segment: Segment,
  segmentId: number,
): AsyncGenerator<BatchHeader, void, void> {
  const file = await repair.directory.fileSystem.open(segment.path, 'read');
  try {
    const { sizeBytes } = await file.stat();
    const logId = repair.checkpoint?.logId ?? 0;
    const search = { logId, segmentId, position: SEGMENT_HEADER_BYTES, endPosition: sizeBytes };
    yield* findCandidates(file, search);
  } finally {
    await file.close();
  }
}

/** What `segment`'s header says about the end of the one before; null when it is unreadable. */
export async function statedEndCrc(
  directory: LogDirectory,
  segment: Segment,
): Promise<number | null> {
  return (await readHeader(directory, segment))?.previousEndCrc ?? null;
}

/** The id of the segment that `segment` links to; 0 when there is none or it is unreadable. */
export async function linkedSegmentId(directory: LogDirectory, segment: Segment): Promise<number> {
  return (await readHeader(directory, segment))?.previousId ?? 0;
}

async function readHeader(
  directory: LogDirectory,
  segment: Segment,
): Promise<SegmentHeader | null> {
  const file = await directory.fileSystem.open(segment.path, 'read');
  try {
    const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
    const bytesRead = await file.read(bytes, 0);
    return parseSegmentHeader(bytes.subarray(0, bytesRead)).header;
  } finally {
    await file.close();
  }
}
