/**
 * `onCorruption: 'skip'`: replaces one damaged place by a gap batch, so that everything else can
 * be read and appended to. The damaged bytes are copied to `quarantine/` first. Opening then looks
 * again, until nothing damaged is left.
 */
import { present } from '../core/assert.ts';
import { CorruptLogError, type CorruptLogDetails } from '../core/errors.ts';
import { randomId } from '../core/random.ts';
import { BATCH_BYTES_MAX } from '../core/limits.ts';
import { encodeGapBatch, GAP_BATCH_BYTES_MIN, GAP_OFFSETS_MAX } from '../format/gap-batch.ts';
import { SEGMENT_HEADER_BYTES } from '../format/layout.ts';
import { encodeSegmentHeader } from '../format/segment-header.ts';
import type { File } from '../io/file-system.ts';
import { writeFully } from '../io/transfer.ts';
import { Segment } from '../segment/segment.ts';
import {
  headerFor,
  linkedSegmentId,
  remadeHeader,
  segmentIdInside,
  statedEndCrc,
} from './header-repair.ts';
import type { LogDirectory } from './log-directory.ts';
import { Quarantine } from './quarantine.ts';
import type { LogGap } from './recovery-report.ts';
import { epochOf, type DamageRepair } from './repair-step.ts';
import type { TailDamage } from './tail-examination.ts';

/** Gap batches for one hole: with 2^32 offsets each, more than this is a forged number. */
const GAP_BATCHES_MAX = 1024;

/**
 * Repairs the first damaged place.
 *
 * @returns the offsets that were lost; null when a header was written again, or a file moved away
 * @throws CorruptLogError when the stated hole cannot be one; IoError
 */
export async function replaceDamage(repair: DamageRepair): Promise<LogGap | null> {
  const { damage, segments } = repair.examination;
  const first = segments[0];
  const startOffset = repair.checkpoint?.startOffset ?? 0;
  if (first !== undefined && first.baseOffset > startOffset) {
    return replaceMissingStart(repair, startOffset, first);
  }
  if (damage !== null && damage.position === 0) return replaceHeader(repair, damage);
  const isInside = damage !== null && damage.resume?.segmentAt === damage.segmentAt;
  return isInside ? replaceInside(repair, damage) : replaceEnd(repair);
}

/** Valid data goes on in the same segment: gap batches cover exactly the damaged bytes. */
async function replaceInside(repair: DamageRepair, damage: TailDamage): Promise<LogGap> {
  const segment = present(repair.examination.segments[damage.segmentAt], 'it was walked');
  const resume = present(damage.resume, 'the caller checked it');
  const endOffset = repair.examination.endOffset;
  if (resume.baseOffset - endOffset > GAP_OFFSETS_MAX) throw impossible(repair);
  await withFile(repair.directory, segment, async (file) => {
    await new Quarantine(repair.directory).copy(file, damage.position, resume.position);
    let position = damage.position;
    let baseOffset = endOffset;
    while (position < resume.position) {
      const left = resume.position - position;
      const isLast = left <= BATCH_BYTES_MAX;
      // Leave the last piece large enough for a batch of its own.
      const sizeBytes = isLast ? left : BATCH_BYTES_MAX - GAP_BATCH_BYTES_MIN;
      const nextOffset = isLast ? resume.baseOffset : baseOffset + 1;
      const gap = { file, segment, position, sizeBytes, baseOffset, nextOffset };
      await writeGap(repair, { ...gap, endCrc: null });
      position += sizeBytes;
      baseOffset = nextOffset;
    }
    await file.datasync();
  });
  return gapAt(repair, endOffset, resume.baseOffset);
}

/** Nothing valid follows in the segment: cut it and close the hole up to the next one. */
async function replaceEnd(repair: DamageRepair): Promise<LogGap> {
  const { segments, lastAt, endOffset, syncedOffset } = repair.examination;
  const next = segments[lastAt + 1];
  const end = segments[lastAt];
  // A rewritten segment ends where it says: what is missing behind it is another's.
  const isOver = end === undefined || end.statedEnd === endOffset;
  const last = isOver ? await createSegment(repair, endOffset, next) : end;
  const nextOffset = last.statedEnd ?? next?.baseOffset ?? syncedOffset;
  const position = last.dataEndPosition ?? SEGMENT_HEADER_BYTES;
  const endCrc = next === undefined ? null : await statedEndCrc(repair.directory, next);
  await withFile(repair.directory, last, async (file) => {
    const { sizeBytes } = await file.stat();
    if (sizeBytes > position) {
      await new Quarantine(repair.directory).copy(file, position, sizeBytes);
      await file.truncate(position);
    }
    const hole = { file, segment: last, position, baseOffset: endOffset, nextOffset, endCrc };
    await writeGaps(repair, hole);
    await file.datasync();
  });
  return gapAt(repair, endOffset, nextOffset);
}

/** The segment's header is damaged or does not link: write it again, or remove the file. */
async function replaceHeader(repair: DamageRepair, damage: TailDamage): Promise<LogGap | null> {
  const { directory, examination } = repair;
  const segment = present(examination.segments[damage.segmentAt], 'it was entered');
  const segmentId = damage.isForeign ? null : await segmentIdInside(repair, segment);
  if (segmentId === null) {
    await new Quarantine(directory).move(segment.path);
    return null; // The hole is found and closed when the caller looks again.
  }
  const header = await remadeHeader(repair, damage.segmentAt, segmentId);
  await withFile(directory, segment, async (file) => {
    await new Quarantine(directory).copy(file, 0, SEGMENT_HEADER_BYTES);
    await writeFully(file, encodeSegmentHeader(header), 0);
    await file.datasync();
  });
  return null;
}

/** The first segments are missing: a new first segment says so. */
async function replaceMissingStart(
  repair: DamageRepair,
  startOffset: number,
  first: Segment,
): Promise<LogGap> {
  const segment = await createSegment(repair, startOffset, first);
  const endCrc = await statedEndCrc(repair.directory, first);
  await withFile(repair.directory, segment, async (file) => {
    const position = SEGMENT_HEADER_BYTES;
    const nextOffset = first.baseOffset;
    await writeGaps(repair, {
      file,
      segment,
      position,
      baseOffset: startOffset,
      nextOffset,
      endCrc,
    });
    await file.datasync();
  });
  return gapAt(repair, startOffset, first.baseOffset);
}

interface GapPlace {
  readonly file: File;
  readonly segment: Segment;
  readonly position: number;
  readonly baseOffset: number;
  readonly nextOffset: number;
  /** End CRC that the next segment states; null when there is none. */
  readonly endCrc: number | null;
}

/** Writes as many gap batches as the hole at the end of a segment needs. */
async function writeGaps(repair: DamageRepair, hole: GapPlace): Promise<void> {
  let { position, baseOffset } = hole;
  if (hole.nextOffset - baseOffset > GAP_BATCHES_MAX * GAP_OFFSETS_MAX) throw impossible(repair);
  while (baseOffset < hole.nextOffset) {
    const nextOffset = Math.min(hole.nextOffset, baseOffset + GAP_OFFSETS_MAX);
    const endCrc = nextOffset === hole.nextOffset ? hole.endCrc : null;
    const sizeBytes = GAP_BATCH_BYTES_MIN;
    await writeGap(repair, { ...hole, position, baseOffset, nextOffset, endCrc, sizeBytes });
    position += sizeBytes;
    baseOffset = nextOffset;
  }
}

function impossible({ details }: DamageRepair): CorruptLogError {
  const reason = `${details.reason}; so many offsets cannot be lost here`;
  return new CorruptLogError({ ...details, reason });
}

async function writeGap(
  repair: DamageRepair,
  place: GapPlace & { readonly sizeBytes: number },
): Promise<void> {
  const { file, segment, endCrc, ...gap } = place;
  const header = present(segment.header, 'the segment was walked or created');
  const bytes = encodeGapBatch({
    ...gap,
    logId: header.logId,
    segmentId: header.segmentId,
    epoch: epochOf(repair, place.baseOffset),
    appendTimeMs: repair.examination.lastAppendTimeMs,
    replacedEndCrc: endCrc,
  });
  await writeFully(file, bytes, place.position);
}

/** A new segment in place of a lost one, with the id that the segment behind it links to. */
async function createSegment(
  repair: DamageRepair,
  baseOffset: number,
  next: Segment | undefined,
): Promise<Segment> {
  const { directory } = repair;
  const linkedId = next === undefined ? 0 : await linkedSegmentId(directory, next);
  const segmentId = linkedId === 0 ? randomId(repair.random) : linkedId;
  const header = headerFor(repair, baseOffset, segmentId);
  const file = await directory.fileSystem.open(directory.segmentPath(baseOffset), 'create');
  try {
    await writeFully(file, encodeSegmentHeader(header), 0);
    await file.datasync();
  } finally {
    await file.close();
  }
  await directory.sync();
  return Segment.planned(directory.segmentPath(baseOffset), header, 0);
}

async function withFile(
  directory: LogDirectory,
  segment: Segment,
  use: (file: File) => Promise<void>,
): Promise<void> {
  const file = await directory.fileSystem.open(segment.path, 'write');
  try {
    await use(file);
  } finally {
    await file.close();
  }
}

/** What was lost, and the damaged place, which is not always where the gap batch stands. */
function gapAt({ details }: DamageRepair, firstOffset: number, nextOffset: number): LogGap {
  return { firstOffset, nextOffset, file: details.file, position: details.position };
}

/** Whether two findings are about one damage. */
export function isSamePlace(one: CorruptLogDetails, two: CorruptLogDetails): boolean {
  return (
    one.file === two.file &&
    one.position === two.position &&
    one.kind === two.kind &&
    one.firstOffset === two.firstOffset
  );
}
