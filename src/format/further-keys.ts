/**
 * Routing keys of a record beside the first, RabbitMQ's CC and BCC: headers right behind that of the
 * routing key, each a JSON array of text. Copies of the record keep those of CC alone.
 */
import { list, text } from '../core/shape.ts';
import { BCC_HEADER, CC_HEADER, numberedName } from './header-names.ts';
import {
  encodeHeaders,
  HEADER_NAME_LENGTH_BYTES,
  HEADER_VALUE_LENGTH_BYTES,
  HEADERS_LENGTH_BYTES,
} from './record-headers.ts';

/** Checked, as the routing key is. */
export interface FurtherKeys {
  readonly cc: readonly string[];
  readonly bcc: readonly string[];
}

const textDecoder = new TextDecoder();
const CC_NAME = numberedName(CC_HEADER);
const BCC_NAME = numberedName(BCC_HEADER);
/** From where a header begins to its value, in front of which stands its length. */
const VALUE_AT = HEADER_NAME_LENGTH_BYTES + HEADER_VALUE_LENGTH_BYTES;
const KEYS = list(text);
const NONE: readonly string[] = [];

/** Their headers, as they stand in a block. @throws TooLargeError when they do not fit one */
export function encodeFurtherKeys({ cc, bcc }: FurtherKeys): Uint8Array {
  const headers: Record<string, string> = {};
  if (cc.length > 0) headers[CC_HEADER] = JSON.stringify(cc);
  if (bcc.length > 0) headers[BCC_HEADER] = JSON.stringify(bcc);
  return encodeHeaders(headers)?.subarray(HEADERS_LENGTH_BYTES) ?? new Uint8Array(0);
}

/**
 * Whether a header at `bytes[at]` has further keys.
 *
 * @param end  of the block
 * @hot Of a header with another name two bytes are read.
 */
export function areFurtherKeys(bytes: Uint8Array, at: number, end: number): boolean {
  return entryEnd(CC_NAME, bytes, at, end) >= 0 || entryEnd(BCC_NAME, bytes, at, end) >= 0;
}

/** The further keys at `bytes[at]`: of CC, then of BCC. What is no JSON array of text has none. */
export function decodeFurtherKeys(bytes: Uint8Array, at: number, end: number): readonly string[] {
  const ccEnd = entryEnd(CC_NAME, bytes, at, end);
  const cc = ccEnd < 0 ? NONE : keysIn(bytes, at + VALUE_AT, ccEnd);
  const bccAt = ccEnd < 0 ? at : ccEnd;
  const bccEnd = entryEnd(BCC_NAME, bytes, bccAt, end);
  return bccEnd < 0 ? cc : [...cc, ...keysIn(bytes, bccAt + VALUE_AT, bccEnd)];
}

/** A stretch of bytes. */
export interface Stretch {
  readonly start: number;
  readonly end: number;
}

/** The header of BCC among the further keys at `bytes[at]`; null = there is none. */
export function bccStretch(bytes: Uint8Array, at: number, end: number): Stretch | null {
  const ccEnd = entryEnd(CC_NAME, bytes, at, end);
  const start = ccEnd < 0 ? at : ccEnd;
  const bccEnd = entryEnd(BCC_NAME, bytes, start, end);
  return bccEnd < 0 ? null : { start, end: bccEnd };
}

/** Where a header ends that begins at `bytes[at]`; -1 when it has another name, or does not fit. */
function entryEnd(name: number, bytes: Uint8Array, at: number, end: number): number {
  if (u16At(bytes, at) !== name || at + VALUE_AT > end) return -1;
  const valueEnd = at + VALUE_AT + u16At(bytes, at + HEADER_NAME_LENGTH_BYTES);
  return valueEnd > end ? -1 : valueEnd;
}

function u16At(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
}

function keysIn(bytes: Uint8Array, start: number, end: number): readonly string[] {
  try {
    return KEYS.check('keys', JSON.parse(textDecoder.decode(bytes.subarray(start, end))));
  } catch {
    return NONE; // Not written by us.
  }
}
