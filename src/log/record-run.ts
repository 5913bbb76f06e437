/** What a commit appends to a log. */
import type { EncodableRecord } from '../format/batch-encoder.ts';

/** Records that follow each other. */
export interface RecordRun {
  readonly records: readonly EncodableRecord[];
}

export function recordCountOf(runs: readonly RecordRun[]): number {
  return runs.reduce((sum, { records }) => sum + records.length, 0);
}
