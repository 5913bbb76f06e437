/** What all handles of an open log share. */
import type { RecordSource } from './record-source.ts';

export class LogLife {
  /** Set by the first `close`. */
  closing: Promise<void> | null = null;
  /** Reads that were begun and not ended: an abandoned iterator must not keep a file open. */
  readonly reads = new Set<RecordSource>();
}
