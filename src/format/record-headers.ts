/**
 * The header block of a record: u16 length of what follows, then per header
 * u16 name length, name (UTF-8), u16 value length, value. A name of Varve's own stands as a number in the
 * field of its length. Names are unique; order is kept.
 */
import { argumentError } from '../core/assert.ts';
import { TooLargeError } from '../core/errors.ts';
import { HEADERS_BYTES_MAX, HEADER_NAME_BYTES_MAX } from '../core/limits.ts';
import { isPlainObject } from '../core/options.ts';
import { isNumberedName, nameOfNumber, numberedName } from './header-names.ts';
import { viewOf } from './u64.ts';

/** Header values by name: text is stored as UTF-8. */
export type HeadersInput = Readonly<Record<string, string | Uint8Array>>;

/** Headers that are encoded already, in place of their names and values. */
export class HeaderBlock {
  readonly [name: string]: Uint8Array;
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

/** In front of a block. */
export const HEADERS_LENGTH_BYTES = 2;
/** In front of a name and of a value. */
export const HEADER_NAME_LENGTH_BYTES = 2;
export const HEADER_VALUE_LENGTH_BYTES = 2;
const EMPTY: ReadonlyMap<string, Uint8Array> = new Map();
const NO_BYTES = new Uint8Array(0);

const textEncoder = new TextEncoder();
const textDecoder = new TextDecoder('utf-8', { ignoreBOM: true }); // A mark is part of the name.

/**
 * Encodes headers; null when there are none.
 *
 * @throws TypeError for a value that is neither text nor bytes; TooLargeError
 *   (`ERR_VARVE_TOO_LARGE`) above 64 KiB in all or 255 bytes for a name
 */
export function encodeHeaders(headers: HeadersInput): Uint8Array | null {
  if (!isPlainObject(headers)) {
    throw argumentError(TypeError, 'headers', 'a plain object of names and values', headers);
  }
  const entries = Object.entries(headers).map(([name, value]) => ({
    ...encodeName(name),
    value: encodeValue(name, value),
  }));
  if (entries.length === 0) return null;
  let bytes = HEADERS_LENGTH_BYTES;
  for (const { name, value } of entries) {
    bytes += HEADER_NAME_LENGTH_BYTES + name.length + HEADER_VALUE_LENGTH_BYTES + value.length;
  }
  if (bytes > HEADERS_BYTES_MAX) {
    throw new TooLargeError({ what: 'header block', bytes, bytesMax: HEADERS_BYTES_MAX });
  }
  return writeBlock(entries, bytes);
}

interface EncodedName {
  /** The length of `name`, or a number that stands for it. */
  readonly nameField: number;
  /** Empty when a number stands for it. */
  readonly name: Uint8Array;
}

interface EncodedHeader extends EncodedName {
  readonly value: Uint8Array;
}

function writeBlock(entries: readonly EncodedHeader[], bytes: number): Uint8Array {
  const block = new Uint8Array(bytes);
  const view = viewOf(block);
  view.setUint16(0, bytes - HEADERS_LENGTH_BYTES, true);
  let at = HEADERS_LENGTH_BYTES;
  for (const { nameField, name, value } of entries) {
    view.setUint16(at, nameField, true);
    block.set(name, at + HEADER_NAME_LENGTH_BYTES);
    at += HEADER_NAME_LENGTH_BYTES + name.length;
    view.setUint16(at, value.length, true);
    block.set(value, at + HEADER_VALUE_LENGTH_BYTES);
    at += HEADER_VALUE_LENGTH_BYTES + value.length;
  }
  return block;
}

function encodeName(name: string): EncodedName {
  const numbered = numberedName(name);
  if (numbered >= 0) return { nameField: numbered, name: NO_BYTES };
  const bytes = textEncoder.encode(name);
  if (bytes.length > HEADER_NAME_BYTES_MAX) {
    throw new TooLargeError({
      what: 'header name',
      bytes: bytes.length,
      bytesMax: HEADER_NAME_BYTES_MAX,
    });
  }
  return { nameField: bytes.length, name: bytes };
}

function encodeValue(name: string, value: unknown): Uint8Array {
  if (typeof value === 'string') return textEncoder.encode(value);
  if (value instanceof Uint8Array) return value;
  throw argumentError(TypeError, `headers.${name}`, 'a string or Uint8Array', value);
}

/** Length of the block that starts at `at`, its own length field included. */
export function headerBlockBytes(view: DataView, at: number): number {
  return HEADERS_LENGTH_BYTES + view.getUint16(at, true);
}

/**
 * Decodes the block in `bytes[start, end)`; values are copies. An empty range gives an empty map.
 *
 * @returns null when a length does not fit, or a number stands for no name: hostile bytes under a right
 *   checksum
 */
export function decodeHeaders(
  bytes: Uint8Array,
  start: number,
  end: number,
): ReadonlyMap<string, Uint8Array> | null {
  if (start === end) return EMPTY;
  const view = viewOf(bytes);
  const headers = new Map<string, Uint8Array>();
  let at = start + HEADERS_LENGTH_BYTES;
  while (at < end) {
    if (at + HEADER_NAME_LENGTH_BYTES > end) return null;
    const nameField = view.getUint16(at, true);
    const nameStart = at + HEADER_NAME_LENGTH_BYTES;
    const nameEnd = isNumberedName(nameField) ? nameStart : nameStart + nameField;
    if (nameEnd + HEADER_VALUE_LENGTH_BYTES > end) return null;
    const valueStart = nameEnd + HEADER_VALUE_LENGTH_BYTES;
    const valueEnd = valueStart + view.getUint16(nameEnd, true);
    if (valueEnd > end) return null;
    const name = isNumberedName(nameField)
      ? nameOfNumber(nameField)
      : textDecoder.decode(bytes.subarray(nameStart, nameEnd));
    if (name === null) return null;
    // Not `slice()`: of a Buffer that is a view.
    headers.set(name, new Uint8Array(bytes.subarray(valueStart, valueEnd)));
    at = valueEnd;
  }
  return headers;
}
