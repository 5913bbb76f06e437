/** What callers append, checked and brought into the shape that the encoder takes. */
import { argumentError, checkInteger } from '../core/assert.ts';
import { CodecError, StoreError, TooLargeError } from '../core/errors.ts';
import { KEY_BYTES_MAX } from '../core/limits.ts';
import type { Codec } from '../codec/codec.ts';
import {
  countKeyBytes,
  encodedRecordBytes,
  TEXT_BYTES_GUESS_ERROR_MAX,
  textBytesGuess,
  type EncodableRecord,
} from '../format/batch-encoder.ts';
import { CREATE_TIME_MS_MAX } from '../format/layout.ts';
import { unknownKey } from '../core/options.ts';
import { encodeHeaders, HeaderBlock, type HeadersInput } from '../format/record-headers.ts';

/** A record to append. The log copies all of it before the call returns. */
export interface RecordInput<T> {
  /** null = a tombstone for the key. */
  readonly value: T | null;
  /** Text (stored as UTF-8) or bytes, at most 65,534 bytes; default none. */
  readonly key?: string | Uint8Array | null | undefined;
  /** Text or bytes by name, at most 64 KiB in all; default none. */
  readonly headers?: HeadersInput | null | undefined;
  /**
   * The caller's time for this record, ms since the Unix epoch, in any order; default now, which up
   * to 64 records that are appended in one turn of the event loop share.
   */
  readonly createTimeMs?: number | undefined;
}

export interface PrepareSettings<T> {
  readonly codec: Pick<Codec<unknown, T>, 'id' | 'encode'>;
  /** May change from one record to the next. */
  readonly limits: { readonly recordBytesMax: number };
}

/** A record object to be filled again and again. */
export function emptyEncodable(): EncodableRecord {
  return { key: null, keyBytes: 0, headers: null, value: null, createTimeMs: 0, sizeBytes: 0 };
}

/**
 * Checks `input` and fills `into`. Has no other effect, so a bad record changes nothing.
 *
 * @throws TypeError, RangeError (`ERR_VARVE_INVALID_ARGUMENT`); TooLargeError
 *   (`ERR_VARVE_TOO_LARGE`); CodecError (`ERR_VARVE_CODEC`); InvalidValueError
 */
export function prepareRecord<T>(
  input: RecordInput<T> | undefined,
  nowMs: number,
  settings: PrepareSettings<T>,
  into: EncodableRecord,
): void {
  if (input === undefined || input === null || typeof input !== 'object') {
    throw argumentError(TypeError, 'record', 'an object with a `value`', input);
  }
  const { value, key = null, headers, createTimeMs } = input;
  // Codec and getters are user code that may append: `into` is filled when they are all done.
  const valueBytes = value === null ? null : encodeValue(settings.codec, value, input);
  const headerBlock = headers == null ? null : blockOf(headers);
  const timeMs =
    createTimeMs === undefined
      ? nowMs
      : checkInteger('createTimeMs', createTimeMs, { min: 0, max: CREATE_TIME_MS_MAX });
  into.value = valueBytes;
  into.headers = headerBlock;
  into.createTimeMs = timeMs;
  into.key = key;
  into.keyBytes = key === null ? 0 : keyLength(key);
  into.sizeBytes = encodedRecordBytes(into.keyBytes, headerBlock, valueBytes);
  checkSize(into, settings.limits);
}

/** Gives a prepared record other headers. @throws TooLargeError */
export function replaceHeaders(
  into: EncodableRecord,
  headers: EncodableRecord['headers'],
  limits: PrepareSettings<never>['limits'],
): void {
  into.sizeBytes += (headers?.length ?? 0) - (into.headers?.length ?? 0);
  into.headers = headers;
  checkSize(into, limits);
}

function checkSize(
  into: EncodableRecord,
  { recordBytesMax }: PrepareSettings<never>['limits'],
): void {
  // A key that may be longer than it seems is counted where that matters.
  if (into.sizeBytes > recordBytesMax - TEXT_BYTES_GUESS_ERROR_MAX) countKeyBytes(into);
  if (into.sizeBytes > recordBytesMax) {
    throw new TooLargeError({
      what: 'record',
      bytes: into.sizeBytes,
      bytesMax: recordBytesMax,
    });
  }
}

function blockOf(headers: HeadersInput): Uint8Array | null {
  return headers instanceof HeaderBlock ? headers.bytes : encodeHeaders(headers);
}

/** @throws CodecError; what a codec of the user throws as a StoreError or TypeError */
export function encodeValue<T>(
  codec: PrepareSettings<T>['codec'],
  value: T,
  input: object,
): Uint8Array {
  if (value === undefined) throw noValue(input);
  let encoded: Uint8Array;
  try {
    encoded = codec.encode(value);
  } catch (cause) {
    if (cause instanceof StoreError || cause instanceof TypeError) throw cause;
    const details = { codec: codec.id, offset: null };
    throw new CodecError(`codec ${codec.id} could not encode a value`, details, { cause });
  }
  if (encoded instanceof Uint8Array) return encoded;
  throw argumentError(TypeError, 'value', `what codec ${codec.id} turns into a Uint8Array`, value);
}

const KNOWN: ReadonlySet<string> = new Set<keyof RecordInput<never>>([
  'value',
  'key',
  'headers',
  'createTimeMs',
]);

/** Here the names are looked at; in every record that costs more than a slip is worth. */
function noValue(input: object): TypeError {
  const unknown = Object.keys(input).find((key) => !KNOWN.has(key));
  return unknown === undefined
    ? argumentError(TypeError, 'value', 'a value or null', undefined)
    : argumentError(TypeError, 'record', unknownKey(unknown, KNOWN), input);
}

function keyLength(key: string | Uint8Array): number {
  const keyBytes = typeof key === 'string' ? textBytesGuess(key) : keyBytesOf(key);
  if (keyBytes > KEY_BYTES_MAX) {
    throw new TooLargeError({ what: 'key', bytes: keyBytes, bytesMax: KEY_BYTES_MAX });
  }
  return keyBytes;
}

function keyBytesOf(key: Uint8Array): number {
  if (key instanceof Uint8Array) return key.length;
  throw argumentError(TypeError, 'key', 'a string, Uint8Array or null', key);
}
