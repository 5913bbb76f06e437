/** Writes a log of a given size, for jobs that read or open it. Not measured. */
import { openLog, type Log, type RecordInput } from '../../src/index.ts';

const RECORDS_PER_CALL = 1000;
const CALLS_IN_FLIGHT = 16;

export interface FillOptions {
  readonly bytes: number;
  readonly valueBytes: number;
}

/** Writes a new log of `bytes` or little more, and closes it. @returns its records */
export async function fillLog(path: string, { bytes, valueBytes }: FillOptions): Promise<number> {
  const log = await openLog(path, { durability: 'os' });
  const input = batchOf(valueBytes, RECORDS_PER_CALL);
  await appendUpTo(log, bytes, input);
  const records = log.endOffset;
  await log.close();
  return records;
}

/** Appends `input` again and again, 16 calls in flight, until the log has `bytes` or little more. */
export async function appendUpTo(
  log: Log<Uint8Array>,
  bytes: number,
  input: readonly RecordInput<Uint8Array>[],
): Promise<void> {
  const isShort = () => {
    const { sizeBytes, queuedBytes } = log.stats();
    return sizeBytes + queuedBytes < bytes;
  };
  const caller = async () => {
    while (isShort()) await log.appendBatch(input);
  };
  await Promise.all(Array.from({ length: CALLS_IN_FLIGHT }, caller));
  // What was written and not yet acknowledged counted twice.
  while (isShort()) await log.appendBatch(input);
}

/** Records with keys of 16 bytes and values of `valueBytes`. */
export function batchOf(valueBytes: number, count: number): RecordInput<Uint8Array>[] {
  return Array.from({ length: count }, (_, n) => ({
    key: `key-${String(n).padStart(12, '0')}`,
    value: Buffer.alloc(valueBytes, 0x61),
  }));
}
