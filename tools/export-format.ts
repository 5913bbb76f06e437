/**
 * The export format: one JSON object for each record, then a trailer that proves the rest.
 *
 *   {"offset":0,"createTimeMs":978307200000,"key":"a","headers":{},"value":"text"}
 *   {"trailer":{"formatVersion":1,"recordCount":1,"firstOffset":0,"lastOffset":0,"sha256":"..."}}
 *
 * Lines end with a line feed. The fields are those of `varve cat --json` without the append time,
 * which is the log's own; bytes that are not UTF-8 are `{"base64": "..."}`. The SHA-256 covers every
 * byte before the trailer's line, so what is cut off, changed or left out is found.
 */
import { createHash } from 'node:crypto';
import { StoreError } from '../src/index.ts';
import type { LogRecord, RecordInput } from '../src/index.ts';
import { bytes as bytesCodec } from '../src/codec/codec.ts';
import { RECORD_BYTES_LIMIT } from '../src/core/limits.ts';
import { emptyEncodable, prepareRecord } from '../src/log/record-input.ts';
import { UsageError } from './command-error.ts';
import {
  badField,
  isObject,
  parseObject,
  recordFromFields,
  recordToJson,
  type FieldReader,
} from './record-json.ts';
import { formatPlural } from './units.ts';

/** Raised when an older varve could not import what a newer one writes. */
const EXPORT_VERSION = 1;
/** The largest record, each byte of it an escape of six characters such as `\u0001`, and its frame. */
export const EXPORT_LINE_BYTES_MAX = 6 * RECORD_BYTES_LIMIT + 1024 * 1024;

const RECORD_FIELDS: ReadonlySet<string> = new Set([
  'offset',
  'createTimeMs',
  'key',
  'headers',
  'value',
]);
const LINE_FEED = '\n';

/** What the last line states about those before it. */
export interface ExportTrailer {
  readonly formatVersion: number;
  readonly recordCount: number;
  /** Null when there are no records. */
  readonly firstOffset: number | null;
  readonly lastOffset: number | null;
  /** Hexadecimal, of all bytes before the trailer's line. */
  readonly sha256: string;
}

/** Counts and hashes the lines of an export, on both of its sides. */
class ExportState {
  recordCount = 0;
  firstOffset: number | null = null;
  lastOffset: number | null = null;
  readonly #hash = createHash('sha256');

  add(offset: number, line: string | Uint8Array): void {
    this.recordCount += 1;
    this.firstOffset ??= offset;
    this.lastOffset = offset;
    this.#hash.update(line).update(LINE_FEED);
  }

  trailer(): ExportTrailer {
    const { recordCount, firstOffset, lastOffset } = this;
    const sha256 = this.#hash.copy().digest('hex');
    return { formatVersion: EXPORT_VERSION, recordCount, firstOffset, lastOffset, sha256 };
  }
}

/** Makes the lines of an export. */
export class ExportEncoder {
  readonly #state = new ExportState();

  get recordCount(): number {
    return this.#state.recordCount;
  }

  /** The line of a record, with its line feed. */
  record(record: LogRecord<Uint8Array>): string {
    const { appendTimeMs: _, ...fields } = recordToJson(record);
    const line = JSON.stringify(fields);
    this.#state.add(record.offset, line);
    return line + LINE_FEED;
  }

  /** The last line. */
  trailer(): string {
    return JSON.stringify({ trailer: this.#state.trailer() }) + LINE_FEED;
  }
}

/** A record of an export, and where it stood in the log that was exported. */
export interface ExportedRecord {
  readonly offset: number;
  readonly record: RecordInput<Uint8Array>;
}

/**
 * Takes the lines of an export, one after the other, and checks each.
 *
 * The last line is held back: only what follows tells a record from a trailer that was cut off.
 */
export class ExportDecoder {
  readonly #state = new ExportState();
  #held: { readonly line: Uint8Array; readonly lineNumber: number } | null = null;
  #lineNumber = 0;

  /** Records so far. */
  get recordCount(): number {
    return this.#state.recordCount;
  }

  /** Offsets that are missing between the first and the last record so far. */
  get missingCount(): number {
    const { recordCount, firstOffset, lastOffset } = this.#state;
    if (firstOffset === null || lastOffset === null) return 0;
    return lastOffset - firstOffset + 1 - recordCount;
  }

  get firstOffset(): number | null {
    return this.#state.firstOffset;
  }

  /**
   * Takes a line without its line feed; returns the record of the line before, null for the first.
   *
   * @throws UsageError naming the line that is not a record; nothing of it is taken
   */
  push(line: Uint8Array): ExportedRecord | null {
    const before = this.#held;
    this.#lineNumber += 1;
    this.#held = { line: new Uint8Array(line), lineNumber: this.#lineNumber };
    return before === null ? null : this.#record(before.line, before.lineNumber);
  }

  /**
   * At the end of the input: the record of the last line, when it is one and no trailer. A record
   * that was cut off does not parse, so one that does is whole.
   */
  takeLast(): ExportedRecord | null {
    if (this.#held === null || trailerOf(this.#held.line) !== null) return null;
    const { line, lineNumber } = this.#held;
    try {
      const record = this.#record(line, lineNumber);
      this.#held = null;
      return record;
    } catch (error) {
      if (error instanceof UsageError) return null; // `end` says that it is no trailer.
      throw error;
    }
  }

  /** Why the lines are no whole export, as a sentence; null when they are. After `takeLast`. */
  end(): string | null {
    if (this.#lineNumber === 0) return 'it is empty';
    const stated = this.#held === null ? null : trailerOf(this.#held.line);
    if (stated === null) {
      return `it has no trailer: it was cut off after ${formatPlural(this.recordCount, 'record')}`;
    }
    const found = this.#state.trailer();
    if (stated['formatVersion'] !== EXPORT_VERSION) {
      return `format version ${String(stated['formatVersion'])} is not ${EXPORT_VERSION}`;
    }
    for (const [name, value] of Object.entries(found)) {
      if (stated[name] === value) continue;
      return `the trailer states another ${name} than the lines before it have: they were changed`;
    }
    return null;
  }

  #record(line: Uint8Array, lineNumber: number): ExportedRecord {
    const parsed = parseObject(line, lineNumber);
    if ('trailer' in parsed) {
      throw new UsageError(
        `line ${lineNumber} of the input is a trailer, and more follows`,
        'import one export at a time',
      );
    }
    const fields: FieldReader = { parsed, lineNumber };
    const offset = offsetOf(fields, this.#state.lastOffset);
    checkFields(fields);
    const record = recordFromFields(fields);
    checkSize(record, lineNumber);
    this.#state.add(offset, line);
    return { offset, record };
  }
}

function trailerOf(line: Uint8Array): Readonly<Record<string, unknown>> | null {
  try {
    const { trailer } = parseObject(line, 0);
    return isObject(trailer) ? trailer : null;
  } catch (error) {
    if (error instanceof UsageError) return null;
    throw error;
  }
}

function offsetOf(fields: FieldReader, before: number | null): number {
  const found = fields.parsed['offset'];
  if (typeof found !== 'number' || !Number.isSafeInteger(found) || found < 0) {
    throw badField(fields, 'offset', 'to be a whole number');
  }
  if (before !== null && found <= before) {
    throw badField(fields, 'offset', 'to be above that of the line before');
  }
  return found;
}

/** An export says everything of a record: what is missing or unknown would be lost without a word. */
function checkFields(fields: FieldReader): void {
  for (const name of RECORD_FIELDS) {
    if (!Object.hasOwn(fields.parsed, name)) throw badField(fields, name, 'to be there');
  }
  // Elsewhere null is the time of the append; here a time would be lost.
  if (fields.parsed['createTimeMs'] === null)
    throw badField(fields, 'createTimeMs', 'to be a time');
  if (Object.keys(fields.parsed).length === RECORD_FIELDS.size) return;
  const known = [...RECORD_FIELDS].join(', ');
  throw new UsageError(
    `line ${fields.lineNumber} of the input has a field that is none of ${known}`,
  );
}

/** What the log would refuse is refused here, with the line that it is in. */
function checkSize(record: RecordInput<Uint8Array>, lineNumber: number): void {
  const settings = { codec: bytesCodec, limits: { recordBytesMax: RECORD_BYTES_LIMIT } };
  try {
    prepareRecord(record, 0, settings, emptyEncodable());
  } catch (error) {
    const isOurs = error instanceof StoreError || error instanceof RangeError;
    if (!isOurs) throw error;
    throw new UsageError(`line ${lineNumber} of the input: ${error.message}`);
  }
}
