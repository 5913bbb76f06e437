/** The first 128 bytes of a segment file: who it is, and where its log stood when it began. */
import { checksum } from './checksum.ts';
import { hex } from './batch-header.ts';
import {
  COUNT_UNKNOWN,
  FORMAT_VERSION,
  SEGMENT_BASE_OFFSET_AT,
  SEGMENT_CLEANED_TIME_AT,
  SEGMENT_COMPACTED_TO_AT,
  SEGMENT_CRC_AT,
  SEGMENT_CREATED_TIME_AT,
  SEGMENT_END_CRC_AT,
  SEGMENT_END_OFFSET_AT,
  SEGMENT_EPOCH_AT,
  SEGMENT_GENERATION_AT,
  SEGMENT_HEADER_BYTES,
  SEGMENT_LAST_APPEND_TIME_AT,
  SEGMENT_LOG_ID_AT,
  SEGMENT_MAGIC,
  SEGMENT_MAGIC_AT,
  SEGMENT_OWNER_ID_AT,
  SEGMENT_PREVIOUS_END_CRC_AT,
  SEGMENT_PREVIOUS_END_OFFSET_AT,
  SEGMENT_PREVIOUS_ID_AT,
  SEGMENT_RECORD_COUNT_AT,
  SEGMENT_SEGMENT_ID_AT,
  SEGMENT_TOMBSTONE_COUNT_AT,
  SEGMENT_VERSION_AT,
} from './layout.ts';
import { getU64, setU64, viewOf } from './u64.ts';

/** What was done to a segment since it was written: of one that was rewritten, else `ORIGINAL`. */
export interface SegmentRewriting {
  /** How often it was rewritten; 0 = these are the bytes that were appended. */
  readonly generation: number;
  /** First offset after the segment, as the original ended. */
  readonly endOffset: number;
  /** As the next segment states it: stored checksum of the original's last batch. */
  readonly endCrc: number;
  /** Records below this offset were taken into account when keys were compared; 0 = never. */
  readonly compactedTo: number;
  /** Append time of the log when nothing older was superseded by its records any more; 0 = not yet. */
  readonly cleanedTimeMs: number;
  /** Of the original's last batch; 0 = nobody knows. */
  readonly lastAppendTimeMs: number;
  /** Records that are left; null = nobody knows. */
  readonly recordCount: number | null;
  /** Those without a value among them; null = nobody knows. */
  readonly tombstoneCount: number | null;
}

/** Of a segment that is as it was appended. */
export const ORIGINAL: SegmentRewriting = {
  generation: 0,
  endOffset: 0,
  endCrc: 0,
  compactedTo: 0,
  cleanedTimeMs: 0,
  lastAppendTimeMs: 0,
  recordCount: null,
  tombstoneCount: null,
};

export interface SegmentHeader extends SegmentRewriting {
  readonly logId: number;
  readonly segmentId: number;
  readonly baseOffset: number;
  /** Id of the segment before this one; 0 = none. */
  readonly previousId: number;
  readonly previousEndOffset: number;
  /** Stored checksum of the previous segment's last batch of any kind but index, or of its header. */
  readonly previousEndCrc: number;
  /** Log epoch when the segment was created. */
  readonly epoch: number;
  /** Append time when the segment was created, ms since the Unix epoch. */
  readonly createdTimeMs: number;
  /** 0 = a bare log, else the id of the store that owns it. */
  readonly ownerId: number;
}

/** Encodes a header; the result is `SEGMENT_HEADER_BYTES` long. */
export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
  const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
  const view = viewOf(bytes);
  view.setUint32(SEGMENT_MAGIC_AT, SEGMENT_MAGIC, true);
  view.setUint16(SEGMENT_VERSION_AT, FORMAT_VERSION, true);
  view.setUint32(SEGMENT_GENERATION_AT, header.generation, true);
  setU64(view, SEGMENT_LOG_ID_AT, header.logId);
  setU64(view, SEGMENT_SEGMENT_ID_AT, header.segmentId);
  setU64(view, SEGMENT_BASE_OFFSET_AT, header.baseOffset);
  setU64(view, SEGMENT_PREVIOUS_ID_AT, header.previousId);
  setU64(view, SEGMENT_PREVIOUS_END_OFFSET_AT, header.previousEndOffset);
  view.setUint32(SEGMENT_PREVIOUS_END_CRC_AT, header.previousEndCrc, true);
  view.setUint32(SEGMENT_EPOCH_AT, header.epoch, true);
  setU64(view, SEGMENT_CREATED_TIME_AT, header.createdTimeMs);
  setU64(view, SEGMENT_OWNER_ID_AT, header.ownerId);
  if (header.generation > 0) writeRewriting(view, header);
  const crc = checksum(bytes, SEGMENT_MAGIC_AT, SEGMENT_HEADER_BYTES);
  view.setUint32(SEGMENT_CRC_AT, crc, true);
  return bytes;
}

function writeRewriting(view: DataView, header: SegmentHeader): void {
  setU64(view, SEGMENT_END_OFFSET_AT, header.endOffset);
  view.setUint32(SEGMENT_END_CRC_AT, header.endCrc, true);
  setU64(view, SEGMENT_COMPACTED_TO_AT, header.compactedTo);
  setU64(view, SEGMENT_CLEANED_TIME_AT, header.cleanedTimeMs);
  setU64(view, SEGMENT_LAST_APPEND_TIME_AT, header.lastAppendTimeMs);
  view.setUint32(SEGMENT_RECORD_COUNT_AT, header.recordCount ?? COUNT_UNKNOWN, true);
  view.setUint32(SEGMENT_TOMBSTONE_COUNT_AT, header.tombstoneCount ?? COUNT_UNKNOWN, true);
}

/** The stored checksum of an encoded header: the end CRC of a segment without batches. */
export function segmentHeaderCrc(bytes: Uint8Array): number {
  return viewOf(bytes).getUint32(SEGMENT_CRC_AT, true);
}

export type ParsedSegmentHeader =
  | { readonly header: SegmentHeader; readonly crc: number; readonly problem: null }
  /** `version` is set when the header is whole but newer than this library. */
  | { readonly header: null; readonly problem: string; readonly version: number | null };

/** Decodes and checks a header. Fewer than `SEGMENT_HEADER_BYTES` bytes are a problem, not an error. */
export function parseSegmentHeader(bytes: Uint8Array): ParsedSegmentHeader {
  if (bytes.length < SEGMENT_HEADER_BYTES) {
    return bad(`the file ends after ${bytes.length} of ${SEGMENT_HEADER_BYTES} header bytes`);
  }
  const view = viewOf(bytes);
  const magic = view.getUint32(SEGMENT_MAGIC_AT, true);
  if (magic !== SEGMENT_MAGIC) {
    return bad(`magic is ${hex(magic)}, expected ${hex(SEGMENT_MAGIC)}`);
  }
  const stored = view.getUint32(SEGMENT_CRC_AT, true);
  const computed = checksum(bytes, SEGMENT_MAGIC_AT, SEGMENT_HEADER_BYTES);
  if (stored !== computed) return bad(`crc stored=${hex(stored)} computed=${hex(computed)}`);
  const version = view.getUint16(SEGMENT_VERSION_AT, true);
  if (version !== FORMAT_VERSION) {
    return { header: null, problem: `format version is ${version}`, version };
  }
  const header: SegmentHeader = {
    logId: getU64(view, SEGMENT_LOG_ID_AT),
    segmentId: getU64(view, SEGMENT_SEGMENT_ID_AT),
    baseOffset: getU64(view, SEGMENT_BASE_OFFSET_AT),
    previousId: getU64(view, SEGMENT_PREVIOUS_ID_AT),
    previousEndOffset: getU64(view, SEGMENT_PREVIOUS_END_OFFSET_AT),
    previousEndCrc: view.getUint32(SEGMENT_PREVIOUS_END_CRC_AT, true),
    epoch: view.getUint32(SEGMENT_EPOCH_AT, true),
    createdTimeMs: getU64(view, SEGMENT_CREATED_TIME_AT),
    ownerId: getU64(view, SEGMENT_OWNER_ID_AT),
    ...rewritingIn(view),
  };
  if (header.logId <= 0 || header.segmentId <= 0 || header.baseOffset < 0) {
    return bad('an id or offset is out of its range');
  }
  const problem = rewritingProblem(header);
  if (problem !== null) return bad(problem);
  return { header, crc: stored, problem: null };
}

function rewritingIn(view: DataView): SegmentRewriting {
  const generation = view.getUint32(SEGMENT_GENERATION_AT, true);
  if (generation === 0) return ORIGINAL;
  return {
    generation,
    endOffset: getU64(view, SEGMENT_END_OFFSET_AT),
    endCrc: view.getUint32(SEGMENT_END_CRC_AT, true),
    compactedTo: getU64(view, SEGMENT_COMPACTED_TO_AT),
    cleanedTimeMs: getU64(view, SEGMENT_CLEANED_TIME_AT),
    lastAppendTimeMs: getU64(view, SEGMENT_LAST_APPEND_TIME_AT),
    recordCount: countIn(view, SEGMENT_RECORD_COUNT_AT),
    tombstoneCount: countIn(view, SEGMENT_TOMBSTONE_COUNT_AT),
  };
}

function countIn(view: DataView, at: number): number | null {
  const count = view.getUint32(at, true);
  return count === COUNT_UNKNOWN ? null : count;
}

/** Under a right checksum a hostile file or a bug. */
function rewritingProblem(header: SegmentHeader): string | null {
  const { generation, baseOffset, endOffset, compactedTo, cleanedTimeMs } = header;
  if (generation === 0) return null;
  if (endOffset <= baseOffset) return `generation ${generation} ends at offset ${endOffset}`;
  if (compactedTo < 0 || cleanedTimeMs < 0 || header.lastAppendTimeMs < 0) {
    return 'an offset or time is above 2^53 - 1';
  }
  const { recordCount, tombstoneCount } = header;
  if ((tombstoneCount ?? 0) <= (recordCount ?? COUNT_UNKNOWN)) return null;
  return `${tombstoneCount} tombstones are not among ${recordCount} records`;
}

function bad(problem: string): ParsedSegmentHeader {
  return { header: null, problem, version: null };
}
