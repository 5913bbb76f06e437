/**
 * Idempotent placement: puts records at a given offset, once, however often it is asked to.
 *
 * For commits that are replayed: what the log already holds must be equal, the rest is appended.
 */
import { CorruptLogError, WrongOffsetError } from '../core/errors.ts';
import type { AppendBatchResult } from './append-result.ts';
import type { LogRecord } from './record.ts';
import type { RecordInput } from './record-input.ts';

/** The part of a log that placement needs. */
export interface PlaceableLog {
  readonly path: string;
  readonly startOffset: number;
  readonly endOffset: number;
  sync(): Promise<void>;
  records(options: {
    readonly from: number;
    readonly to: number;
  }): AsyncIterable<LogRecord<Uint8Array>>;
  appendBatch(
    records: readonly RecordInput<Uint8Array>[],
    options: { readonly expectedOffset: number },
  ): Promise<AppendBatchResult>;
}

/**
 * Makes sure that `records` stand at `baseOffset` and behind it.
 *
 * Records below the start offset are not looked at. Those that are there are synced first, so what
 * this confirms is durable.
 *
 * @throws WrongOffsetError when the log ends below `baseOffset`: it lost something; CorruptLogError
 *   when it holds another record at one of the offsets; and as `Log.appendBatch`
 */
export async function placeAt(
  log: PlaceableLog,
  baseOffset: number,
  records: readonly RecordInput<Uint8Array>[],
): Promise<void> {
  const { endOffset } = log;
  if (baseOffset > endOffset) {
    throw new WrongOffsetError({ expected: baseOffset, actual: endOffset });
  }
  const held = Math.min(endOffset, baseOffset + records.length);
  if (held > baseOffset) {
    await log.sync();
    await compareHeld(log, { baseOffset, held }, records);
  }
  const rest = records.slice(held - baseOffset);
  if (rest.length > 0) await log.appendBatch(rest, { expectedOffset: held });
}

async function compareHeld(
  log: PlaceableLog,
  range: { readonly baseOffset: number; readonly held: number },
  records: readonly RecordInput<Uint8Array>[],
): Promise<void> {
  const from = Math.max(range.baseOffset, log.startOffset);
  let expected = from;
  for await (const record of log.records({ from, to: range.held })) {
    const wanted = records[expected - range.baseOffset];
    if (record.offset !== expected || wanted === undefined || !isEqual(record, wanted)) {
      throw differs(log, expected);
    }
    expected++;
  }
  if (expected < range.held) throw differs(log, expected);
}

function isEqual(record: LogRecord<Uint8Array>, wanted: RecordInput<Uint8Array>): boolean {
  return (
    isEqualBytes(record.keyView(), toBytes(wanted.key ?? null)) &&
    isEqualBytes(record.valueView(), wanted.value) &&
    (wanted.createTimeMs === undefined || wanted.createTimeMs === record.createTimeMs) &&
    hasHeaders(record, Object.entries(wanted.headers ?? {}))
  );
}

function hasHeaders(
  record: LogRecord<Uint8Array>,
  wanted: readonly (readonly [string, string | Uint8Array])[],
): boolean {
  const { headers } = record;
  if (headers.size !== wanted.length) return false;
  return wanted.every(([name, value]) => isEqualBytes(headers.get(name) ?? null, toBytes(value)));
}

function toBytes(value: string | Uint8Array | null): Uint8Array | null {
  return typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
}

function isEqualBytes(a: Uint8Array | null, b: Uint8Array | null): boolean {
  if (a === null || b === null) return a === b;
  return Buffer.compare(a, b) === 0;
}

function differs(log: PlaceableLog, offset: number): CorruptLogError {
  return new CorruptLogError({
    file: log.path,
    position: 0,
    kind: 'record',
    firstOffset: offset,
    nextOffset: offset + 1,
    reason: 'the log holds another record than the one that was committed at this offset',
  });
}
