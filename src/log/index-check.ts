/** Compares a stored index batch with the one that its batches make, for `verify`. */
import type { CorruptLogDetails } from '../core/errors.ts';
import { emptyBatchHeader, readBatchHeader } from '../format/batch-header.ts';
import { extensionOf } from '../format/extension.ts';
import { decodeIndexBatch, type IndexColumns } from '../format/index-batch.ts';
import { encodeIndexTables, type TablePlace } from '../format/index-tables.ts';
import type { SegmentIndex } from '../segment/segment-index.ts';
import type { SegmentScanner } from '../segment/segment-scanner.ts';
import type { Segment } from '../segment/segment.ts';

const NOTHING = new Uint8Array(0);

/**
 * Why the index batch on which `scanner` stands is not `rebuilt`, bit for bit; null when it is.
 *
 * @param places  of the tables that were found in front of it
 */
export function indexProblem(
  segment: Segment,
  scanner: SegmentScanner,
  rebuilt: SegmentIndex,
  places: readonly TablePlace[],
): CorruptLogDetails | null {
  const { start, position } = scanner;
  const bytes = scanner.bytes.subarray(start, start + scanner.header.sizeBytes);
  const header = emptyBatchHeader();
  readBatchHeader(scanner.view, start, header);
  const columns = decodeIndexBatch(bytes, header);
  const named = extensionOf(bytes, 0, header) ?? NOTHING;
  const expected = encodeIndexTables({ endCrc: segment.endCrc ?? 0, places });
  const isNamed = Buffer.compare(named, expected) === 0;
  if (isNamed && columns !== null && isEqualIndex(columns, rebuilt)) return null;
  const reason = 'the index batch is not the one that the batches make';
  const offsets = { firstOffset: null, nextOffset: null };
  return { file: segment.path, position, kind: 'index', ...offsets, reason };
}

function isEqualIndex(stored: IndexColumns, rebuilt: IndexColumns): boolean {
  if (stored.count !== rebuilt.count) return false;
  for (let slot = 0; slot < stored.count; slot++) {
    if (stored.offsets[slot] !== rebuilt.offsets[slot]) return false;
    if (stored.maxCreateTimes[slot] !== rebuilt.maxCreateTimes[slot]) return false;
    if (stored.positions[slot] !== rebuilt.positions[slot]) return false;
  }
  return true;
}
