/**
 * Appends to a new log: any call shape, value size, level, and number of calls in flight.
 *
 * Timed from the first call to the last acknowledgement at the log's level. Opening, closing (which
 * syncs) and deleting the log are not: the raw writes beside it neither sync nor delete in their time.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { openLog, type DurabilityLevel, type Log, type RecordInput } from '../../src/index.ts';
import { assert } from '../../src/core/assert.ts';
import type { Job } from '../core/job.ts';
import { makeRecords, type KeyKind } from './records.ts';

export type AppendParameters = {
  readonly durability: DurabilityLevel;
  readonly valueBytes: number;
  /** Default: strings. */
  readonly keys?: KeyKind;
  /** Per run; a multiple of `recordsPerCall`. */
  readonly records: number;
  /** `append`: one promise per record; `appendBatch`; `appendNoWait`: none, with `ready`. */
  readonly call: 'append' | 'appendBatch' | 'appendNoWait';
  /** Records per `appendBatch`; otherwise how many different records there are. */
  readonly recordsPerCall: number;
  readonly callsInFlight: number;
};

type BytesLog = Log<Uint8Array>;
type Input = readonly RecordInput<Uint8Array>[];

export async function openJob(directory: string, parameters: AppendParameters): Promise<Job> {
  const { durability, valueBytes, keys = 'string', records, recordsPerCall } = parameters;
  const path = join(directory, 'log');
  const input = makeRecords(recordsPerCall, { valueBytes, keys });
  assert(records % recordsPerCall === 0, 'records is a multiple of recordsPerCall');
  return {
    async run() {
      const log = await openLog(path, { durability });
      const startMs = performance.now();
      await appendAll(log, input, parameters);
      const ms = performance.now() - startMs;
      const { endOffset, visibleOffset, syncedOffset, sizeBytes: bytes } = log.stats();
      assert(endOffset === records && visibleOffset === records, 'every record was appended');
      assert(durability !== 'sync' || syncedOffset === records, 'every record was synced');
      await log.close();
      rmSync(path, { recursive: true });
      return { bytes, records, ms };
    },
    close: () => Promise.resolve(),
  };
}

function appendAll(log: BytesLog, input: Input, parameters: AppendParameters): Promise<void> {
  const { call, records, recordsPerCall, callsInFlight } = parameters;
  if (call === 'appendNoWait') return appendNoWait(log, input, records);
  const isSingle = call === 'append';
  let left = isSingle ? records : records / recordsPerCall;
  const appendOneByOne = async () => {
    while (left > 0) {
      const record = input[--left % recordsPerCall] as RecordInput<Uint8Array>;
      await log.append(record);
    }
  };
  const appendInBatches = async () => {
    while (left-- > 0) await log.appendBatch(input);
  };
  return inParallel(callsInFlight, isSingle ? appendOneByOne : appendInBatches);
}

async function inParallel(callers: number, caller: () => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: callers }, caller));
}

async function appendNoWait(log: BytesLog, input: Input, records: number): Promise<void> {
  for (let at = 0; at < records; at++) {
    const record = input[at % input.length] as RecordInput<Uint8Array>;
    while (log.appendNoWait(record) < 0) await log.ready();
  }
  await log.flushed();
}
