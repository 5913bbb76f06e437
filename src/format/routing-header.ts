/**
 * The routing key of a published record: the first header of its block, so that it is read at a fixed
 * place. Copies of the record keep it.
 */
import { argumentError, present } from '../core/assert.ts';
import { TooLargeError } from '../core/errors.ts';
import { HEADERS_BYTES_MAX, ROUTING_KEY_BYTES_MAX } from '../core/limits.ts';
import { areFurtherKeys, encodeFurtherKeys, type FurtherKeys } from './further-keys.ts';
import { BCC_HEADER, CC_HEADER, numberedName, ROUTING_KEY_HEADER } from './header-names.ts';
import {
  encodeHeaders,
  HEADER_NAME_LENGTH_BYTES,
  HEADER_VALUE_LENGTH_BYTES,
  HEADERS_LENGTH_BYTES,
  HeaderBlock,
  type HeadersInput,
} from './record-headers.ts';

const textDecoder = new TextDecoder('utf-8', { ignoreBOM: true });
const NAME_AT = HEADERS_LENGTH_BYTES;
const KEY_LENGTH_AT = NAME_AT + HEADER_NAME_LENGTH_BYTES;
/** Where the key begins in a block that begins with one. */
export const ROUTING_KEY_AT = KEY_LENGTH_AT + HEADER_VALUE_LENGTH_BYTES;
const KEY_HEADERS = [ROUTING_KEY_HEADER, CC_HEADER, BCC_HEADER];
const NO_BYTES = new Uint8Array(0);
const ASCII_MAX = 0x7f;
/** What all blocks begin with, but for their lengths. */
const FRONT = Buffer.alloc(ROUTING_KEY_AT);
FRONT.writeUInt16LE(numberedName(ROUTING_KEY_HEADER), NAME_AT);
const NAME_LOW = present(FRONT[NAME_AT], 'low byte of the name');
const NAME_HIGH = present(FRONT[NAME_AT + 1], 'high byte of the name');
/** Characters that no text of this length can exceed the limit with. */
const SURELY_FIT_CHARS = Math.floor(ROUTING_KEY_BYTES_MAX / 3);
const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * Throws unless `key` is a routing key: 0 to 255 bytes of UTF-8.
 *
 * @param name  what the caller calls it
 * @throws TypeError, RangeError (`ERR_VARVE_INVALID_ARGUMENT`) for half a surrogate pair;
 *   TooLargeError (`ERR_VARVE_TOO_LARGE`)
 */
export function checkRoutingKey(name: string, key: unknown): string {
  if (typeof key !== 'string') throw argumentError(TypeError, name, 'a string', key);
  if (LONE_SURROGATE.test(key)) {
    throw argumentError(RangeError, name, 'text without lone surrogates', key);
  }
  if (key.length <= SURELY_FIT_CHARS) return key;
  const bytes = Buffer.byteLength(key, 'utf8');
  if (bytes <= ROUTING_KEY_BYTES_MAX) return key;
  throw new TooLargeError({ what: 'routing key', bytes, bytesMax: ROUTING_KEY_BYTES_MAX });
}

/**
 * The header block of a record that is published under a routing key.
 *
 * @param key      checked: at most 255 bytes
 * @param headers  the publisher's own; null = none. Such as are named like those of keys are left out
 * @param further  keys beside the first; null = none
 * @throws as `encodeHeaders`
 */
export function routedHeaders(
  key: string,
  headers: HeadersInput | null,
  further: FurtherKeys | null = null,
): HeaderBlock {
  const own = headers === null ? null : encodeHeaders(withoutKeys(headers));
  const ownBytes = own === null ? 0 : own.length - HEADERS_LENGTH_BYTES;
  const keyBytes = Buffer.byteLength(key, 'utf8');
  const furtherBytes = further === null ? NO_BYTES : encodeFurtherKeys(further);
  const furtherAt = ROUTING_KEY_AT + keyBytes;
  const ownAt = furtherAt + furtherBytes.length;
  const bytes = ownAt + ownBytes;
  if (bytes > HEADERS_BYTES_MAX) {
    throw new TooLargeError({ what: 'header block', bytes, bytesMax: HEADERS_BYTES_MAX });
  }
  const block = Buffer.allocUnsafe(bytes); // Of a pool: every record that is published has one.
  block.set(FRONT);
  block.writeUInt16LE(bytes - HEADERS_LENGTH_BYTES);
  block.writeUInt16LE(keyBytes, KEY_LENGTH_AT);
  block.write(key, ROUTING_KEY_AT, keyBytes, keyBytes === key.length ? 'latin1' : 'utf8');
  if (further !== null) block.set(furtherBytes, furtherAt);
  if (own !== null) block.set(own.subarray(HEADERS_LENGTH_BYTES), ownAt);
  return new HeaderBlock(block);
}

/**
 * The routing key in the header block at `bytes[start]`; null when the block does not begin with one.
 *
 * @param blockBytes  length of the block; 0 = none
 */
export function routingKeyAt(bytes: Uint8Array, start: number, blockBytes: number): string | null {
  const keyBytes = routingKeyBytes(bytes, start, blockBytes);
  if (keyBytes < 0) return null;
  const from = start + ROUTING_KEY_AT;
  return textAt(bytes, from, from + keyBytes);
}

/** How long the key is in the header block at `bytes[start]`; -1 when it does not begin with one. */
export function routingKeyBytes(bytes: Uint8Array, start: number, blockBytes: number): number {
  if (!beginsWithKey(bytes, start, blockBytes)) return -1;
  const at = start + KEY_LENGTH_AT;
  const keyBytes = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
  return ROUTING_KEY_AT + keyBytes > blockBytes ? -1 : keyBytes;
}

/**
 * Where the further keys begin in the header block at `bytes[start]`; -1 when it has none.
 *
 * @hot Of a block without them hardly anything is read.
 */
export function furtherKeysAt(bytes: Uint8Array, start: number, blockBytes: number): number {
  const keyBytes = bytes[start + KEY_LENGTH_AT] ?? 0; // If it begins with a key, and that is a short one.
  const at = start + ROUTING_KEY_AT + keyBytes;
  const end = start + blockBytes;
  if (at >= end || !areFurtherKeys(bytes, at, end)) return -1;
  return routingKeyBytes(bytes, start, blockBytes) === keyBytes ? at : -1;
}

function beginsWithKey(bytes: Uint8Array, start: number, blockBytes: number): boolean {
  const at = start + NAME_AT;
  return blockBytes >= ROUTING_KEY_AT && bytes[at] === NAME_LOW && bytes[at + 1] === NAME_HIGH;
}

/** Of keys, which are ASCII mostly: a decoder costs more. */
function textAt(bytes: Uint8Array, from: number, to: number): string {
  for (let at = from; at < to; at++) {
    if ((bytes[at] ?? 0) > ASCII_MAX) return textDecoder.decode(bytes.subarray(from, to));
  }
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString('latin1');
}

function withoutKeys(headers: HeadersInput): HeadersInput {
  if (typeof headers !== 'object') return headers;
  if (!KEY_HEADERS.some((name) => Object.hasOwn(headers, name))) return headers;
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !KEY_HEADERS.includes(name)),
  );
}
