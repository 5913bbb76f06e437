/** Reads a whole log through its public API. */
import type { Log } from '../../../src/log/log.ts';
import type { FoundLog } from './oracle.ts';
import { foundRecord, type FoundRecord } from './records.ts';

/** Everything that is visible now. */
export async function readLog(log: Log<Uint8Array>): Promise<FoundLog> {
  const records: FoundRecord[] = [];
  for await (const batch of log.batches()) {
    for (const record of batch) records.push(foundRecord(record));
  }
  const { startOffset, visibleOffset, epoch } = log;
  return { startOffset, endOffset: visibleOffset, epoch, records };
}
