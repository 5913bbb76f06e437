/** The records of an `appendBatch`, checked and encoded before the first of them is appended. */
import { checkArray, present } from '../core/assert.ts';
import type { EncodableRecord } from '../format/batch-encoder.ts';
import { IdHeader } from '../format/id-header.ts';
import type { Appender } from './appender.ts';
import {
  emptyEncodable,
  prepareRecord,
  type PrepareSettings,
  type RecordInput,
} from './record-input.ts';
import type { RecordRun } from './record-run.ts';

/** Objects that are kept for the next call. */
const KEPT_MAX = 10_000;

/** Records that a commit will append to a log. */
export interface PreparedAppend {
  readonly logId: number;
  readonly appender: Appender;
  /** In the order in which they stand there. */
  readonly runs: readonly RecordRun[];
  /** Called when the commit has ended, one way or the other. */
  readonly release?: () => void;
}

export class PreparedRecords<T> {
  readonly #settings: PrepareSettings<T>;
  #kept: EncodableRecord[] = [];

  constructor(settings: PrepareSettings<T>) {
    this.#settings = settings;
  }

  /** As many as `records`, or more of which the rest means nothing. @throws as `prepareRecord` */
  prepare(records: readonly RecordInput<T>[], nowMs: number): EncodableRecord[] {
    checkArray('records', records);
    const prepared = this.#kept;
    this.#kept = []; // A codec is user code: when it appends, it gets objects of its own.
    for (let at = 0; at < records.length; at++) {
      if (at === prepared.length) prepared.push(emptyEncodable());
      prepareRecord(records[at], nowMs, this.#settings, present(prepared[at], 'grown above'));
    }
    return prepared;
  }

  /** For later: as `copiesOf`. @throws as `prepare` */
  copies(records: readonly RecordInput<T>[], nowMs: number): readonly EncodableRecord[] {
    return copiesOf(records, nowMs, this.#settings);
  }

  /** Hands the first `count` to `appender`, and takes the objects back. */
  addAll(
    prepared: EncodableRecord[],
    count: number,
    appender: { addAll(records: readonly EncodableRecord[], count: number): void },
  ): void {
    appender.addAll(prepared, count);
    this.takeBack(prepared);
  }

  /** Takes back what `prepare` returned, and nobody needs any more. */
  takeBack(prepared: EncodableRecord[]): void {
    for (const record of prepared) {
      if (record.sizeBytes === 0) break; // A larger call used it, and those behind it.
      record.key = null; // Not ours to keep.
      record.value = null;
      record.headers = null;
      record.sizeBytes = 0;
    }
    prepared.length = Math.min(prepared.length, KEPT_MAX);
    this.#kept = prepared;
  }
}

/** For what is prepared and not appended at once: gives records bytes of their own. */
export function keepBytes(prepared: readonly EncodableRecord[]): void {
  for (const record of prepared) copyBytes(record);
}

/** Records for later: with bytes of their own, whatever the caller does with his. @throws as `prepareRecord` */
export function copiesOf<T>(
  records: readonly RecordInput<T>[],
  nowMs: number,
  settings: PrepareSettings<T>,
): readonly EncodableRecord[] {
  checkArray('records', records);
  // A list that grows takes room for 17 at once.
  if (records.length === 1) return [copyOf(records[0], nowMs, settings)];
  const copies: EncodableRecord[] = [];
  for (let at = 0; at < records.length; at++) copies.push(copyOf(records[at], nowMs, settings));
  return copies;
}

function copyOf<T>(
  record: RecordInput<T> | undefined,
  nowMs: number,
  settings: PrepareSettings<T>,
): EncodableRecord {
  const copy = emptyEncodable();
  prepareRecord(record, nowMs, settings, copy);
  copyBytes(copy);
  return copy;
}

/** Small ones share memory with others: an `ArrayBuffer` of their own costs more than all the rest. */
function copyBytes(record: EncodableRecord): void {
  const { key, headers, value } = record;
  if (headers instanceof IdHeader) record.headers = headers.toBytes();
  if (key instanceof Uint8Array) record.key = Buffer.from(key);
  if (value !== null) record.value = Buffer.from(value);
}
