/**
 * Records as JSON lines: what `cat --json` writes and `append --ndjson` reads, so that
 * `varve cat --json a | varve append --ndjson b` copies a log byte for byte.
 *
 * Bytes that are UTF-8 are strings; others are `{"base64": "..."}`. `null` is no key, or the
 * value of a tombstone.
 */
import { isUtf8 } from 'node:buffer';
import { hasLoneSurrogate } from '../src/codec/codec.ts';
import type { LogRecord, RecordInput, TopicRecordInput } from '../src/index.ts';
import { UsageError } from './command-error.ts';
import { DEDUP_ID_EXPECTED, isDedupId } from './dedup-ids.ts';

/** However it is spelt. */
const DEDUP_ID = /^dedup[-_]?id$/iu;

/** Bytes in JSON. */
type JsonBytes = string | { readonly base64: string };

export interface JsonRecord {
  readonly offset: number;
  readonly createTimeMs: number;
  readonly appendTimeMs: number;
  readonly key: JsonBytes | null;
  readonly headers: Readonly<Record<string, JsonBytes>>;
  readonly value: JsonBytes | null;
}

/** The record as `JSON.stringify` takes it; the keys are a documented contract. */
export function recordToJson(record: LogRecord<Uint8Array>): JsonRecord {
  const key = record.keyView();
  const value = record.valueView();
  return {
    offset: record.offset,
    createTimeMs: record.createTimeMs,
    appendTimeMs: record.appendTimeMs,
    key: key === null ? null : bytesToJson(key),
    headers: Object.fromEntries(
      Array.from(record.headers, ([name, bytes]) => [name, bytesToJson(bytes)]),
    ),
    value: value === null ? null : bytesToJson(value),
  };
}

/** Text where it is UTF-8. */
export function bytesToJson(bytes: Uint8Array): JsonBytes {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return isUtf8(buffer) ? buffer.toString('utf8') : { base64: buffer.toString('base64') };
}

/**
 * The record of one line of input. Offset and append time are the log's to give and are ignored.
 *
 * @throws UsageError naming the line and the field, never their content
 */
export function recordFromJson(line: Uint8Array, lineNumber: number): TopicRecordInput<Uint8Array> {
  const fields = { parsed: parseObject(line, lineNumber), lineNumber };
  return { ...recordFromFields(fields), ...dedupIdField(fields) };
}

/** As `recordFromJson`, of a line that is parsed, and without its id. */
export function recordFromFields(fields: FieldReader): RecordInput<Uint8Array> {
  const { parsed } = fields;
  if (!('value' in parsed)) throw badField(fields, 'value', 'to be there (null makes a tombstone)');
  return {
    value: bytesField(fields, 'value', parsed['value']),
    key: parsed['key'] === undefined ? null : bytesField(fields, 'key', parsed['key']),
    headers: headersField(fields),
    ...createTimeField(fields),
  };
}

/** The object of one line. */
export interface FieldReader {
  readonly parsed: Readonly<Record<string, unknown>>;
  readonly lineNumber: number;
}

/** @throws UsageError naming the line, never its content */
export function parseObject(
  line: Uint8Array,
  lineNumber: number,
): Readonly<Record<string, unknown>> {
  const buffer = Buffer.from(line.buffer, line.byteOffset, line.byteLength);
  if (!isUtf8(buffer)) throw new UsageError(`line ${lineNumber} of the input is not UTF-8`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(buffer.toString('utf8'));
  } catch {
    // The parser's message quotes the line, and payloads stay out of messages.
    throw new UsageError(
      `line ${lineNumber} of the input is not JSON`,
      'without --ndjson, each line is a value',
    );
  }
  if (!isObject(parsed))
    throw new UsageError(`line ${lineNumber} of the input is not a JSON object`);
  return parsed;
}

function bytesField(fields: FieldReader, name: string, found: unknown): Uint8Array | null {
  if (found === null) return null;
  const bytes = bytesFromJson(found);
  if (bytes === null) throw badField(fields, name, 'to be a string, null or {"base64": "..."}');
  return bytes;
}

function headersField(fields: FieldReader): Record<string, Uint8Array> | null {
  const found = fields.parsed['headers'];
  if (found === undefined || found === null) return null;
  if (!isObject(found)) throw badField(fields, 'headers', 'to be an object');
  const headers: [string, Uint8Array][] = [];
  for (const [name, value] of Object.entries(found)) {
    const bytes = bytesFromJson(value);
    if (bytes === null) throw badField(fields, 'headers', 'to hold strings or {"base64": "..."}');
    headers.push([name, bytes]);
  }
  return Object.fromEntries(headers);
}

function createTimeField({ parsed, lineNumber }: FieldReader): { createTimeMs?: number } {
  const found = parsed['createTimeMs'];
  if (found === undefined || found === null) return {};
  if (typeof found === 'number' && Number.isSafeInteger(found) && found >= 0)
    return { createTimeMs: found };
  throw badField(
    { parsed, lineNumber },
    'createTimeMs',
    'to be milliseconds since 1970, a whole number',
  );
}

/** The id that a line has. A record whose id is misspelt would be stored again. */
export function dedupIdField(fields: FieldReader): Pick<TopicRecordInput<never>, 'dedupId'> {
  const { parsed } = fields;
  const misspelt = Object.keys(parsed).find((name) => name !== 'dedupId' && DEDUP_ID.test(name));
  if (misspelt !== undefined) throw badField(fields, misspelt, 'to be spelt `dedupId`');
  const found = parsed['dedupId'];
  if (found === undefined || found === null) return {};
  if (isDedupId(found)) return { dedupId: found };
  throw badField(fields, 'dedupId', `to be ${DEDUP_ID_EXPECTED}`);
}

function bytesFromJson(found: unknown): Uint8Array | null {
  if (typeof found === 'string') return hasLoneSurrogate(found) ? null : Buffer.from(found, 'utf8');
  if (!isObject(found) || Object.keys(found).length !== 1) return null;
  const base64 = found['base64'];
  if (typeof base64 !== 'string') return null;
  const bytes = Buffer.from(base64, 'base64');
  return bytes.toString('base64') === base64 ? bytes : null; // Buffer skips what it does not know.
}

/** Whether `value` is a JSON object. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The error for a field that is not as it should be. */
export function badField(
  { lineNumber }: FieldReader,
  name: string,
  expectation: string,
): UsageError {
  return new UsageError(`line ${lineNumber} of the input: expected "${name}" ${expectation}`);
}
