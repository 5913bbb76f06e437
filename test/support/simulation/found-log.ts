/** What a log holds as its public API shows it, and whether that is a log at all. */
import type { Log } from '../../../src/log/log.ts';
import { foundRecord, type FoundRecord } from './records.ts';

/** Offsets that hold no record, and why that is known. */
export interface OffsetRange {
  readonly firstOffset: number;
  readonly nextOffset: number;
}

/** All that a log which was just opened holds. */
export interface FoundLog {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly epoch: number;
  readonly records: readonly FoundRecord[];
}

/** Everything that is visible now. */
export async function readLog(log: Log<Uint8Array>): Promise<FoundLog> {
  const records: FoundRecord[] = [];
  for await (const batch of log.batches()) {
    for (const record of batch) records.push(foundRecord(record));
  }
  const { startOffset, visibleOffset, epoch } = log;
  return { startOffset, endOffset: visibleOffset, epoch, records };
}

/** Breaches of order: offsets are dense but for known gaps, append times and epochs never go back. */
export function orderProblems(found: FoundLog, isGap: (offset: number) => boolean): string[] {
  const problems: string[] = [];
  let expected = found.startOffset;
  const skipTo = (end: number): void => {
    for (; expected < end; expected++) {
      if (!isGap(expected)) problems.push(`nothing at offset ${expected}, and no gap explains it`);
    }
  };
  let last = { appendTimeMs: 0, epoch: 0 };
  for (const record of found.records) {
    const { offset, appendTimeMs, epoch } = record;
    if (offset < expected) problems.push(`offset ${offset} comes after ${expected - 1}`);
    skipTo(offset);
    if (appendTimeMs < last.appendTimeMs) {
      problems.push(`append time ${appendTimeMs} at ${offset} after ${last.appendTimeMs}`);
    }
    if (epoch < last.epoch) problems.push(`epoch ${epoch} at ${offset} after ${last.epoch}`);
    last = record;
    expected = Math.max(expected, offset + 1);
  }
  skipTo(found.endOffset);
  if (expected > found.endOffset) {
    problems.push(`a record at ${expected - 1}, the log ends at ${found.endOffset}`);
  }
  return problems;
}
