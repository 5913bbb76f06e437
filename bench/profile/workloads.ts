/**
 * The append and read paths as a profile sees them: nothing but the measured loop between `start`
 * and `end`; opening, filling and closing happen before and behind it.
 *
 * A workload works on `log`, which its caller opens and closes. It counts what it did: a scan that
 * loses records would look fast.
 */
import type { Log, RecordInput } from '../../src/index.ts';
import { makeRecords } from '../jobs/records.ts';

/** Bytes in, bytes out. */
export type BytesLog = Log<Uint8Array>;

export const APPEND_SHAPES = ['appendBatch', 'append', 'appendNoWait'] as const;
export const READ_SHAPES = ['cursor', 'batches', 'records'] as const;
export type AppendShape = (typeof APPEND_SHAPES)[number];
export type ReadShape = (typeof READ_SHAPES)[number];
export type Shape = AppendShape | ReadShape;

/** Records of each `appendBatch`. */
const RECORDS_PER_CALL = 1000;

export function isReadShape(shape: Shape): shape is ReadShape {
  return READ_SHAPES.some((name) => name === shape);
}

export function isShape(shape: unknown): shape is Shape {
  return [...APPEND_SHAPES, ...READ_SHAPES].some((name) => name === shape);
}

/** What every call appends: keys of 16 bytes, values of `valueBytes`. */
export function recordsOfCall(valueBytes: number): RecordInput<Uint8Array>[] {
  return makeRecords(RECORDS_PER_CALL, { valueBytes });
}

export interface AppendLoad {
  readonly shape: AppendShape;
  readonly input: readonly RecordInput<Uint8Array>[];
  /** A multiple of 1000. */
  readonly records: number;
  readonly callsInFlight: number;
}

/** Appends `records` and resolves when all are acknowledged. */
export async function appendAll(log: BytesLog, load: AppendLoad): Promise<void> {
  const before = log.endOffset;
  if (load.shape === 'appendNoWait') await appendNoWait(log, load);
  else await appendInFlight(log, load);
  expectRecords(load.records, log.endOffset - before);
}

async function appendInFlight(log: BytesLog, load: AppendLoad): Promise<void> {
  const { shape, input, records, callsInFlight } = load;
  let left = shape === 'append' ? records : records / RECORDS_PER_CALL;
  const single = async () => {
    while (left-- > 0) {
      await log.append(input[left % RECORDS_PER_CALL] as RecordInput<Uint8Array>);
    }
  };
  const batch = async () => {
    while (left-- > 0) await log.appendBatch(input);
  };
  const caller = shape === 'append' ? single : batch;
  await Promise.all(Array.from({ length: callsInFlight }, caller));
}

async function appendNoWait(log: BytesLog, { input, records }: AppendLoad): Promise<void> {
  for (let at = 0; at < records; at++) {
    const record = input[at % RECORDS_PER_CALL] as RecordInput<Uint8Array>;
    while (log.appendNoWait(record) < 0) await log.flushed();
  }
  await log.flushed();
}

/** Reads the whole log, every record visited; its offset is read, its value is not. */
export async function scanAll(log: BytesLog, shape: ReadShape): Promise<number> {
  const scan = { cursor: scanByCursor, batches: scanBatches, records: scanRecords }[shape];
  const records = await scan(log);
  expectRecords(log.endOffset - log.startOffset, records);
  return records;
}

async function scanByCursor(log: BytesLog): Promise<number> {
  const cursor = log.cursor();
  let records = 0;
  while (await cursor.nextBatch()) while (cursor.next()) records += cursor.offset >= 0 ? 1 : 0;
  await cursor.close();
  return records;
}

async function scanBatches(log: BytesLog): Promise<number> {
  let records = 0;
  for await (const batch of log.batches()) {
    for (const record of batch) records += record.offset >= 0 ? 1 : 0;
  }
  return records;
}

async function scanRecords(log: BytesLog): Promise<number> {
  let records = 0;
  for await (const record of log.records()) records += record.offset >= 0 ? 1 : 0;
  return records;
}

function expectRecords(expected: number, found: number): void {
  if (found !== expected) throw new Error(`expected ${expected} records, found ${found}`);
}
