/** Lines of input to records of a log or a topic, many in flight, and an exact count of what is stored. */
import type { TopicRecordInput } from '../src/index.ts';
import { UsageError } from './command-error.ts';
import { recordFromJson } from './record-json.ts';

/** Of a log of its own without an id. */
export type InputRecord = TopicRecordInput<Uint8Array>;

/** How lines become records. */
export interface LineOptions {
  /** Lines are JSON objects; empty ones are skipped. */
  readonly ndjson?: true;
  /** How such a line is read; default `recordFromJson`. */
  readonly readJson?: typeof recordFromJson;
  /** What stands before its first occurrence is the key. */
  readonly keySeparator?: string;
  /** What every record gets that has none of its own; an id, of which there is one, is of one record. */
  readonly common?: Partial<Pick<InputRecord, 'key' | 'headers' | 'dedupId'>>;
}

/** Bytes that wait for the disk: a few syncs' worth, far below the log's own bound. */
const IN_FLIGHT_BYTES_MAX = 8 * 1024 * 1024;

/** What a record holds in memory beside its value, roughly: empty lines are not free. */
const RECORD_BYTES = 64;

/** Where records go. A log is one; others count from 0 what this input brought, duplicates too. */
export interface RecordSink {
  /** Of the next record. */
  readonly endOffset: number;
  /** Checks all records before it takes one. @throws at once for a record that it refuses */
  appendBatch(
    records: readonly InputRecord[],
    options: { readonly expectedOffset: number },
  ): Promise<unknown>;
  /** Until nothing is on its way. */
  flushed(): Promise<void>;
}

interface NumberedRecord {
  readonly record: InputRecord;
  readonly lineNumber: number;
}

/**
 * Appends in order and without a hole: each group states the offset that it must get, so that when
 * the log refuses one (a full disk), none of those behind it slips into its place.
 */
export class LineAppender {
  readonly baseOffset: number;
  /** Records that are acknowledged, those too that were stored before. */
  storedCount = 0;
  /** Bytes of their values. */
  storedBytes = 0;
  /** The line that was read last, from 1. */
  lineNumber = 0;
  readonly #sink: RecordSink;
  #nextOffset: number;
  #inFlightBytes = 0;
  #failure: Error | null = null;
  /** Settles when everything appended so far has; never rejects. */
  #settled: Promise<void> = Promise.resolve();

  constructor(sink: RecordSink) {
    this.#sink = sink;
    this.baseOffset = sink.endOffset;
    this.#nextOffset = sink.endOffset;
  }

  /** Whether the log refused or failed an append. */
  get hasFailed(): boolean {
    return this.#failure !== null;
  }

  /** Appends `lines`; waits only when much is in flight. @throws what the log rejected with */
  async append(lines: readonly Uint8Array[], options: LineOptions): Promise<void> {
    const records: NumberedRecord[] = [];
    try {
      for (const line of lines) {
        this.lineNumber += 1;
        const record = this.#toRecord(line, options);
        if (record !== null) records.push({ record, lineNumber: this.lineNumber });
      }
    } catch (error) {
      this.#submit(records); // What stands before the bad line.
      throw error;
    }
    this.#submitChecked(records);
    if (this.#inFlightBytes >= IN_FLIGHT_BYTES_MAX) await this.#settled;
    if (this.#failure !== null) throw this.#failure;
  }

  /** Waits until all is acknowledged. @throws what the log rejected with, first failure first */
  async flushed(): Promise<void> {
    await this.#settled;
    if (this.#failure !== null) throw this.#failure;
  }

  /**
   * After a failure: waits for what is in flight and makes `storedCount` exact, so that the input
   * can be continued behind it. A group that was refused may have left its first records.
   */
  async settle(): Promise<void> {
    await this.#settled;
    try {
      await this.#sink.flushed();
      this.storedCount = this.#sink.endOffset - this.baseOffset;
    } catch {
      // The writer stopped: what it had not acknowledged, only the next open can tell.
    }
  }

  #toRecord(
    line: Uint8Array,
    { ndjson, readJson = recordFromJson, keySeparator, common }: LineOptions,
  ): InputRecord | null {
    if (ndjson === true) {
      if (line.length === 0) return null;
      return completed(readJson(line, this.lineNumber), common);
    }
    if (common?.dedupId !== undefined && this.lineNumber > 1) throw manyWithOneId();
    const record = keySeparator === undefined ? { value: line } : splitKey(line, keySeparator);
    return completed(record, common);
  }

  /** The log checks a group before it takes any of it: on a refusal, finds out which line it is. */
  #submitChecked(records: readonly NumberedRecord[]): void {
    try {
      this.#submit(records);
    } catch {
      for (const numbered of records) {
        this.lineNumber = numbered.lineNumber;
        this.#submit([numbered]);
      }
    }
  }

  #submit(numbered: readonly NumberedRecord[]): void {
    if (numbered.length === 0 || this.#failure !== null) return;
    const records = numbered.map(({ record }) => record);
    const valueBytes = records.reduce((sum, { value }) => sum + (value?.length ?? 0), 0);
    const appended = this.#sink.appendBatch(records, { expectedOffset: this.#nextOffset });
    this.#nextOffset += records.length;
    const heldBytes = valueBytes + records.length * RECORD_BYTES;
    this.#inFlightBytes += heldBytes;
    const before = this.#settled;
    this.#settled = (async () => {
      try {
        await appended;
        this.storedCount += records.length;
        this.storedBytes += valueBytes;
      } catch (error) {
        this.#failure ??= error instanceof Error ? error : new Error(String(error));
      }
      this.#inFlightBytes -= heldBytes;
      await before;
    })();
  }
}

/** All but the first would be its duplicates. */
export function manyWithOneId(): UsageError {
  return new UsageError(
    '--dedup-id is of one record, and there are more',
    'with --ndjson, each line has its own: {"value": "text", "dedupId": "id"}',
  );
}

function completed(record: InputRecord, common: LineOptions['common']): InputRecord {
  if (common === undefined) return record;
  const { key, headers, dedupId } = common;
  return {
    ...record,
    key: record.key ?? key,
    headers: { ...headers, ...record.headers },
    ...(dedupId === undefined ? {} : { dedupId }),
  };
}

function splitKey(line: Uint8Array, separator: string): InputRecord {
  const buffer = Buffer.from(line.buffer, line.byteOffset, line.byteLength);
  const at = buffer.indexOf(separator);
  if (at === -1) return { value: line };
  return {
    key: buffer.subarray(0, at),
    value: buffer.subarray(at + Buffer.byteLength(separator)),
  };
}
