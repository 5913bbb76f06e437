/** Appends to a new log: any call shape, value size, level, and number of calls in flight. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { openLog, type DurabilityLevel, type Log, type RecordInput } from '../../src/index.ts';
import type { Job } from '../core/job.ts';

export type AppendParameters = {
  readonly durability: DurabilityLevel;
  readonly valueBytes: number;
  readonly records: number;
  /** `append`: one promise per record; `appendBatch`; `appendNoWait`: none, with `flushed`. */
  readonly call: 'append' | 'appendBatch' | 'appendNoWait';
  /** Records per `appendBatch`. */
  readonly recordsPerCall: number;
  readonly callsInFlight: number;
};

type BytesLog = Log<Uint8Array>;

export async function openJob(directory: string, parameters: AppendParameters): Promise<Job> {
  const { durability, records } = parameters;
  const path = join(directory, 'log');
  const input = makeRecords(parameters);
  return {
    async run() {
      const log = await openLog(path, { durability });
      const startMs = performance.now();
      await appendAll(log, input, parameters);
      const ms = performance.now() - startMs;
      const bytes = log.stats().sizeBytes;
      await log.close();
      rmSync(path, { recursive: true });
      return { bytes, records, ms };
    },
    close: () => Promise.resolve(),
  };
}

function makeRecords({ valueBytes, recordsPerCall }: AppendParameters): RecordInput<Uint8Array>[] {
  return Array.from({ length: recordsPerCall }, (_, n) => ({
    key: `key-${String(n).padStart(12, '0')}`,
    value: Buffer.alloc(valueBytes, 0x61),
  }));
}

async function appendAll(
  log: BytesLog,
  input: RecordInput<Uint8Array>[],
  { call, records, recordsPerCall, callsInFlight }: AppendParameters,
): Promise<void> {
  if (call === 'appendNoWait') {
    await appendNoWait(log, input, records);
    return;
  }
  let left = call === 'append' ? records : Math.ceil(records / recordsPerCall);
  const single = async () => {
    while (left-- > 0) await log.append(input[left % recordsPerCall] as RecordInput<Uint8Array>);
  };
  const batch = async () => {
    while (left-- > 0) await log.appendBatch(input);
  };
  const caller = call === 'append' ? single : batch;
  await Promise.all(Array.from({ length: callsInFlight }, caller));
}

async function appendNoWait(
  log: BytesLog,
  input: RecordInput<Uint8Array>[],
  records: number,
): Promise<void> {
  for (let at = 0; at < records; at++) {
    const record = input[at % input.length] as RecordInput<Uint8Array>;
    while (log.appendNoWait(record) < 0) await log.flushed();
  }
  await log.flushed();
}
