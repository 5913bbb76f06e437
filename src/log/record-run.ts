/** Records that are appended to a log one behind the other, and what is said of them. */
import { BATCH_HEADER_BYTES } from '../format/layout.ts';
import type { EncodableRecord } from '../format/batch-encoder.ts';
import type { BatchTag } from './batch-tag.ts';

/** Records that follow each other. */
export interface RecordRun {
  readonly records: readonly EncodableRecord[];
  /** Null = nothing: they may share their batches with others. */
  readonly tag: BatchTag | null;
}

export function recordCountOf(runs: readonly RecordRun[]): number {
  let count = 0;
  for (const { records } of runs) count += records.length;
  return count;
}

/** Bytes that they take, but for the headers of full batches. */
export function runBytesOf(runs: readonly RecordRun[]): number {
  let bytes = 0;
  for (const { records, tag } of runs) {
    for (const record of records) bytes += record.sizeBytes;
    if (tag !== null) bytes += BATCH_HEADER_BYTES + tag.extensionBytesMax(records.length);
  }
  return bytes;
}
