/**
 * Finds valid batches behind damage, where nothing says where a batch begins.
 *
 * A candidate counts only at its own stated position; ids, position and length are compared before
 * any checksum is computed, so bytes that merely contain our magic cost next to nothing.
 */
import { READ_WINDOW_BYTES } from '../core/limits.ts';
import {
  batchProblem,
  emptyBatchHeader,
  headerProblem,
  type BatchHeader,
} from '../format/batch-header.ts';
import { BATCH_HEADER_BYTES, BATCH_MAGIC, BatchKind, MAGIC_AT } from '../format/layout.ts';
import { viewOf } from '../format/u64.ts';
import type { File } from '../io/file-system.ts';

export interface CandidateSearch {
  /** 0 = unknown, accept any. */
  readonly logId: number;
  readonly segmentId: number;
  /** Where to begin; every byte position from here on is tried. */
  readonly position: number;
  readonly endPosition: number;
}

const MAGIC_BYTES = Buffer.alloc(4);
MAGIC_BYTES.writeUInt32LE(BATCH_MAGIC);

/** Yields the header of each valid batch of any kind, in file order. Memory: one window or batch. */
export async function* findCandidates(
  file: File,
  search: CandidateSearch,
): AsyncGenerator<BatchHeader, void, void> {
  let position = search.position;
  while (position + BATCH_HEADER_BYTES <= search.endPosition) {
    const windowBytes = Math.min(READ_WINDOW_BYTES, search.endPosition - position);
    const window = await readAt(file, position, windowBytes);
    const lastStart = window.length - BATCH_HEADER_BYTES; // A whole header follows up to here.
    if (lastStart < 0) return;
    let at = 0;
    while (at <= lastStart) {
      const magicAt = window.indexOf(MAGIC_BYTES, at + MAGIC_AT);
      if (magicAt < 0 || magicAt - MAGIC_AT > lastStart) {
        at = lastStart + 1;
        break;
      }
      at = magicAt - MAGIC_AT;
      const header = await candidateAt(file, window, at, { ...search, position: position + at });
      if (header !== null) yield header;
      at += header === null ? 1 : header.sizeBytes;
    }
    position += at;
  }
}

/** Where valid batches go on. */
export interface ResumePlace {
  readonly position: number;
  readonly baseOffset: number;
}

/** Base offsets between which a batch may go on; both are excluded. */
export interface ResumeRange {
  readonly after: number;
  /** Where the next segment begins: a batch from there on is another segment's. */
  readonly before: number | null;
}

/** The first valid batch behind damage that can follow it in its segment; null when none does. */
export async function resumeBehind(
  file: File,
  search: CandidateSearch,
  { after, before }: ResumeRange,
): Promise<ResumePlace | null> {
  for await (const { kind, position, baseOffset } of findCandidates(file, search)) {
    if (kind === BatchKind.index || baseOffset <= after) continue;
    if (before === null || baseOffset < before) return { position, baseOffset };
  }
  return null;
}

async function candidateAt(
  file: File,
  window: Uint8Array,
  at: number,
  search: CandidateSearch,
): Promise<BatchHeader | null> {
  const header = emptyBatchHeader();
  const place = { ...search, bytesLeft: search.endPosition - search.position };
  if (headerProblem(viewOf(window), at, place, header) !== null) return null;
  if (at + header.sizeBytes <= window.length) {
    return batchProblem(window, at, header) === null ? header : null;
  }
  const batch = await readAt(file, search.position, header.sizeBytes);
  if (batch.length < header.sizeBytes) return null;
  return batchProblem(batch, 0, header) === null ? header : null;
}

async function readAt(file: File, position: number, sizeBytes: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(sizeBytes);
  const bytesRead = await file.read(buffer, position);
  return buffer.subarray(0, bytesRead);
}
