/** What groups ask of the log of a partition. */
import type { Log } from '../log/log.ts';
import type { ReadFrom } from '../log/read-options.ts';
import type { RecordBatch } from '../log/record.ts';

/** The log of one partition, open. */
export interface PartitionLog {
  readonly partition: number;
  readonly log: Log<Uint8Array>;
}

/** Offset of the first record that a read from there would bring; the visible end when none would. */
export async function resolveOffset({ log }: PartitionLog, from: ReadFrom): Promise<number> {
  const batch = await firstBatch(log, from);
  return batch?.baseOffset ?? log.visibleOffset;
}

/**
 * When the first record at or after `offset` was appended, ms; null when there is none. What is asked for
 * again and again is read as one record is: a batch, if it is not in memory; only behind a gap more.
 */
export async function appendTimeAt({ log }: PartitionLog, offset: number): Promise<number | null> {
  if (offset >= log.visibleOffset) return null;
  const record = offset < log.startOffset ? null : await log.read(offset);
  const found = record ?? (await firstBatch(log, offset));
  return found?.appendTimeMs ?? null;
}

async function firstBatch(
  log: Log<Uint8Array>,
  from: ReadFrom,
): Promise<RecordBatch<Uint8Array> | null> {
  for await (const batch of log.batches({ from, limit: 1 })) return batch;
  return null;
}
