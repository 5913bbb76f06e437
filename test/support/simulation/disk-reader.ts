/**
 * What is on a disk, read the slow and obvious way: whole files in memory, batch after batch.
 * Shares the format's decoding with the engine, and nothing of how the engine walks or judges.
 */
import { join } from 'node:path';

import {
  batchProblem,
  emptyBatchHeader,
  headerProblem,
  nextOffsetOf,
  type BatchHeader,
} from '../../../src/format/batch-header.ts';
import {
  CHECKPOINT_FILE,
  RESERVE_FILE,
  parseSegmentFileName,
} from '../../../src/format/file-names.ts';
import { parseCheckpointFile, type ParsedCheckpointFile } from '../../../src/format/checkpoint.ts';
import { BATCH_HEADER_BYTES, BatchKind, SEGMENT_HEADER_BYTES } from '../../../src/format/layout.ts';
import { parseSegmentHeader, type SegmentHeader } from '../../../src/format/segment-header.ts';
import type { MemoryDirectoryNode } from '../../../src/io/memory-tree.ts';
import type { FaultyFileSystem } from '../faulty-file-system.ts';

export interface DiskSegment {
  readonly path: string;
  readonly baseOffset: number;
  readonly bytes: Uint8Array;
  /** Null when damaged or torn. */
  readonly header: SegmentHeader | null;
  /** Valid batches that hold offsets, from the start of the segment to the first that is bad. */
  readonly batches: readonly BatchHeader[];
  /** First offset behind them. */
  readonly nextOffset: number;
  /** Position behind them. */
  readonly endPosition: number;
  /** The index batch, when a valid one follows. */
  readonly index: BatchHeader | null;
}

/** Every file below a directory by path, as reads show it; not the reserve, whose bytes say nothing. */
export function filesUnder(fileSystem: FaultyFileSystem, path: string): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  const visit = (directory: MemoryDirectoryNode, at: string): void => {
    for (const [name, node] of directory.entries) {
      if (node.kind === 'directory') visit(node, join(at, name));
      else if (name !== RESERVE_FILE)
        files.set(join(at, name), node.bytes.slice(0, node.bytes.sizeBytes));
    }
  };
  visit(fileSystem.disk.tree.findDirectory({ operation: 'look', path }), path);
  return files;
}

/** The segments of a log, ascending. */
export function segmentsIn(files: ReadonlyMap<string, Uint8Array>, path: string): DiskSegment[] {
  const segments: DiskSegment[] = [];
  for (const [file, bytes] of files) {
    const baseOffset = parseSegmentFileName(file.slice(path.length + 1));
    if (baseOffset !== null) segments.push(readSegment(file, baseOffset, bytes));
  }
  return segments.sort((one, other) => one.baseOffset - other.baseOffset);
}

/** The log's checkpoint, whatever is left of it. */
export function checkpointIn(
  files: ReadonlyMap<string, Uint8Array>,
  path: string,
): ParsedCheckpointFile {
  return parseCheckpointFile(files.get(join(path, CHECKPOINT_FILE)) ?? new Uint8Array(0));
}

function readSegment(path: string, baseOffset: number, bytes: Uint8Array): DiskSegment {
  const { header } = parseSegmentHeader(bytes.subarray(0, SEGMENT_HEADER_BYTES));
  const batches: BatchHeader[] = [];
  let endPosition = SEGMENT_HEADER_BYTES;
  let nextOffset = baseOffset;
  let index: BatchHeader | null = null;
  for (;;) {
    const batch = header === null ? null : batchAt(bytes, endPosition, header);
    if (batch === null || batch.baseOffset !== nextOffset) break;
    if (batch.kind === BatchKind.index) {
      index = batch;
      break;
    }
    batches.push(batch);
    endPosition += batch.sizeBytes;
    nextOffset = nextOffsetOf(batch);
  }
  return { path, baseOffset, bytes, header, batches, nextOffset, endPosition, index };
}

/** The valid batch of this segment at a position; null when there is none. */
export function batchAt(
  bytes: Uint8Array,
  position: number,
  ids: Pick<SegmentHeader, 'logId' | 'segmentId'>,
): BatchHeader | null {
  if (position + BATCH_HEADER_BYTES > bytes.length) return null;
  const header = emptyBatchHeader();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const { logId, segmentId } = ids;
  const place = { logId, segmentId, position, bytesLeft: bytes.length - position };
  if (headerProblem(view, position, place, header) !== null) return null;
  return batchProblem(bytes, position, header) === null ? header : null;
}
