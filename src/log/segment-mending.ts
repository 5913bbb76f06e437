/**
 * Mends what opening leaves alone, because no record is missing: an index batch that is not the one
 * its batches make, and records that do not fit a batch whose checksum is right.
 *
 * The bytes go to `quarantine/` first; whatever step a crash follows, doing it again is right.
 */
import { assert } from '../core/assert.ts';
import { CorruptLogError, type CorruptLogDetails } from '../core/errors.ts';
import { nextOffsetOf } from '../format/batch-header.ts';
import { encodeGapBatch } from '../format/gap-batch.ts';
import { SEGMENT_HEADER_BYTES } from '../format/layout.ts';
import { encodeSegmentHeader, parseSegmentHeader } from '../format/segment-header.ts';
import type { File } from '../io/file-system.ts';
import { writeFully } from '../io/transfer.ts';
import { SegmentScanner } from '../segment/segment-scanner.ts';
import type { LogDirectory } from './log-directory.ts';
import { Quarantine } from './quarantine.ts';
import type { LogGap } from './recovery-report.ts';

/** Cuts off an index batch and all behind it: readers make the index again from the batches. */
export async function cutIndex(
  directory: LogDirectory,
  { file: path, position }: CorruptLogDetails,
): Promise<void> {
  await withFile(directory, path, async (file) => {
    const { sizeBytes } = await file.stat();
    await new Quarantine(directory).copy(file, position, sizeBytes);
    await file.truncate(position);
    await file.datasync();
  });
}

/** Puts a gap batch of the same length in the place of a batch whose records are damaged. */
export async function replaceBatch(
  directory: LogDirectory,
  { file: path, position }: CorruptLogDetails,
): Promise<LogGap> {
  return withFile(directory, path, async (file) => {
    const scanner = new SegmentScanner(file, {
      logId: 0,
      segmentId: 0,
      position,
      baseOffset: null,
    });
    const status = await scanner.next();
    assert(status === 'batch', 'the checksum of a batch with damaged records is right');
    const { logId, segmentId, epoch, baseOffset, appendTimeMs, sizeBytes } = scanner.header;
    const nextOffset = nextOffsetOf(scanner.header);
    await new Quarantine(directory).copy(file, position, position + sizeBytes);
    const place = { logId, segmentId, epoch, position, baseOffset, nextOffset };
    const replacedEndCrc = scanner.endCrc(); // Where it was the last batch, the next segment has it.
    const gap = encodeGapBatch({ ...place, appendTimeMs, sizeBytes, replacedEndCrc });
    await writeFully(file, gap, position);
    await file.datasync();
    return { firstOffset: baseOffset, nextOffset, file: path, position };
  });
}

/** Has a header that counts wrong say nothing of how many records there are. */
export async function forgetCounts(
  directory: LogDirectory,
  details: CorruptLogDetails,
): Promise<void> {
  await withFile(directory, details.file, async (file) => {
    const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
    const { header } = parseSegmentHeader(bytes.subarray(0, await file.read(bytes, 0)));
    if (header === null) throw new CorruptLogError(details);
    await new Quarantine(directory).copy(file, 0, SEGMENT_HEADER_BYTES);
    const uncounted = { ...header, recordCount: null, tombstoneCount: null };
    await writeFully(file, encodeSegmentHeader(uncounted), 0);
    await file.datasync();
  });
}

async function withFile<T>(
  directory: LogDirectory,
  path: string,
  use: (file: File) => Promise<T>,
): Promise<T> {
  const file = await directory.fileSystem.open(path, 'write');
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}
