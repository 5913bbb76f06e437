/**
 * Reads a whole log from the page cache, checksums verified, every record visited.
 *
 * The log is written and synced when the job is opened. `offsets` adds up the offset and the value's
 * length of each record, `values` asks for the key and the value and adds up a byte of each.
 */
import { join } from 'node:path';
import { openLog, type Log, type RecordInput } from '../../src/index.ts';
import type { Job } from '../core/job.ts';

const RECORDS_PER_CALL = 1000;

export type ScanParameters = {
  readonly valueBytes: number;
  /** Bytes as stored: at least so many. */
  readonly bytes: number;
  readonly how: 'cursor' | 'batches' | 'records';
  readonly touches: 'offsets' | 'values';
};

type BytesLog = Log<Uint8Array>;

/** What was seen: `sum` is there so that nothing is optimized away. */
interface Seen {
  readonly records: number;
  readonly sum: number;
}

export async function openJob(directory: string, parameters: ScanParameters): Promise<Job> {
  const path = join(directory, 'log');
  await write(path, parameters);
  const log = await openLog(path, { readOnly: true });
  const { sizeBytes: bytes, endOffset } = log.stats();
  const walk = { cursor: walkCursor, batches: walkBatches, records: walkRecords }[parameters.how];
  const touchesValues = parameters.touches === 'values';
  return {
    async run() {
      const startMs = performance.now();
      const { records, sum } = await walk(log, touchesValues);
      const ms = performance.now() - startMs;
      if (records !== endOffset || sum <= 0) throw new Error(`read ${records} of ${endOffset}`);
      return { bytes, records, ms };
    },
    close: () => log.close(),
  };
}

async function write(path: string, { valueBytes, bytes }: ScanParameters): Promise<void> {
  const log = await openLog(path, { durability: 'os' });
  const input: RecordInput<Uint8Array>[] = Array.from({ length: RECORDS_PER_CALL }, (_, n) => ({
    key: `key-${String(n).padStart(12, '0')}`,
    value: Buffer.alloc(valueBytes, 0x61),
  }));
  while (log.stats().sizeBytes < bytes) {
    await Promise.all(Array.from({ length: 16 }, () => log.appendBatch(input)));
  }
  await log.sync(); // Or it would be written back while others are measured.
  await log.close();
}

async function walkCursor(log: BytesLog, touchesValues: boolean): Promise<Seen> {
  const cursor = log.cursor();
  let records = 0;
  let sum = 0;
  while (await cursor.nextBatch()) {
    while (cursor.next()) {
      records++;
      sum += touchesValues
        ? (cursor.keyView()?.[0] ?? 0) + (cursor.valueView()?.[0] ?? 0)
        : cursor.offset + cursor.valueBytes;
    }
  }
  await cursor.close();
  return { records, sum };
}

async function walkBatches(log: BytesLog, touchesValues: boolean): Promise<Seen> {
  let records = 0;
  let sum = 0;
  for await (const batch of log.batches()) {
    for (const record of batch) {
      records++;
      sum += touchesValues
        ? (record.key?.length ?? 0) + (record.value?.[0] ?? 0)
        : record.offset + record.sizeBytes; // The getters of key and value decode.
    }
  }
  return { records, sum };
}

async function walkRecords(log: BytesLog, touchesValues: boolean): Promise<Seen> {
  let records = 0;
  let sum = 0;
  for await (const record of log.records()) {
    records++;
    sum += touchesValues
      ? (record.key?.length ?? 0) + (record.value?.[0] ?? 0)
      : record.offset + record.sizeBytes;
  }
  return { records, sum };
}
