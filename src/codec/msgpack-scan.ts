/**
 * Checks MessagePack bytes before anything is built from them.
 *
 * `msgpackr` is fast and trusting: it follows extension types that build regular expressions,
 * errors, record readers and back references, takes the stack as the depth limit, renames
 * `__proto__` keys and replaces bytes that are not UTF-8. This walk lets through only what
 * `msgpack().encode` can write, within bounds, so the decoder never meets the rest.
 *
 * It allocates nothing and reads each header once; strings and binaries are skipped by length.
 */
import { isUtf8 } from 'node:buffer';

/** Containers inside containers. Far above honest data, far below the stack. */
export const MSGPACK_DEPTH_MAX = 64;
/** Values in one record, keys not counted. An empty map is 1 byte stored and 56 in memory. */
export const MSGPACK_VALUES_MAX = 1024 * 1024;

const EXTENSION_TIMESTAMP = 0xff; // -1 of the specification
const EXTENSION_UNDEFINED = 0x00; // what msgpackr writes for undefined: fixext 1 of type 0
/** The range of a `Date`, either way from the epoch (ECMA-262). */
const DATE_MS_MAX = 8_640_000_000_000_000;
const PROTO_KEY = new TextEncoder().encode('__proto__');

/**
 * Throws unless `bytes` is exactly one MessagePack value of the kinds that Varve writes.
 *
 * @throws RangeError naming what is wrong and the byte position, never the content
 */
export function scanMessagePack(bytes: Uint8Array): void {
  const scan = new MessagePackScan(bytes);
  scan.value(0);
  if (scan.position !== bytes.length) {
    throw new RangeError(`${bytes.length - scan.position} bytes follow the value`);
  }
}

class MessagePackScan {
  /** Next byte to look at. */
  position = 0;
  readonly #bytes: Uint8Array;
  #valuesLeft = MSGPACK_VALUES_MAX;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  value(depth: number): void {
    if (--this.#valuesLeft < 0) this.#fail(`more than ${MSGPACK_VALUES_MAX} values`);
    const token = this.#unsigned(1);
    if (token < 0x80 || token >= 0xe0) return; // one-byte integers
    if (token < 0x90) return this.#map(token & 0x0f, depth);
    if (token < 0xa0) return this.#array(token & 0x0f, depth);
    if (token < 0xc0) return this.#text(token & 0x1f);
    this.#tagged(token, depth);
  }

  #tagged(token: number, depth: number): void {
    switch (token) {
      case 0xc0: // nil
      case 0xc2: // false
      case 0xc3: // true
        return;
      case 0xc4: // bin 8, 16, 32
      case 0xc5:
      case 0xc6:
        return this.#skip(this.#unsigned(1 << (token - 0xc4)));
      case 0xca: // float 32
        return this.#skip(4);
      case 0xcb: // float 64
        return this.#skip(8);
      case 0xcc: // uint 8 to 64
      case 0xcd:
      case 0xce:
      case 0xcf:
        return this.#skip(1 << (token - 0xcc));
      case 0xd0: // int 8 to 64
      case 0xd1:
      case 0xd2:
      case 0xd3:
        return this.#skip(1 << (token - 0xd0));
      case 0xd9: // str 8, 16, 32
      case 0xda:
      case 0xdb:
        return this.#text(this.#unsigned(1 << (token - 0xd9)));
      case 0xdc: // array 16, 32
      case 0xdd:
        return this.#array(this.#unsigned(2 << (token - 0xdc)), depth);
      case 0xde: // map 16, 32
      case 0xdf:
        return this.#map(this.#unsigned(2 << (token - 0xde)), depth);
      default:
        return this.#extension(token);
    }
  }

  /** Timestamps of 4, 8 and 12 bytes, and undefined. Every other extension is refused. */
  #extension(token: number): void {
    const isFixed = token >= 0xd4 && token <= 0xd8;
    if (!isFixed && token !== 0xc7) this.#fail(`type 0x${token.toString(16)} is not supported`);
    const sizeBytes = isFixed ? 1 << (token - 0xd4) : this.#unsigned(1);
    const type = this.#unsigned(1);
    const isTimestamp =
      type === EXTENSION_TIMESTAMP && (sizeBytes === 4 || sizeBytes === 8 || sizeBytes === 12);
    const isUndefined = type === EXTENSION_UNDEFINED && sizeBytes === 1 && isFixed;
    if (!isTimestamp && !isUndefined) {
      this.#fail(`extension type ${(type << 24) >> 24} of ${sizeBytes} bytes is not supported`);
    }
    if (isTimestamp && sizeBytes === 12) this.#longTimestamp();
    else this.#skip(sizeBytes);
  }

  /** Nanoseconds u32 and seconds i64: the one form that holds moments a `Date` does not. */
  #longTimestamp(): void {
    const nanoseconds = this.#unsigned(4);
    const seconds = (this.#unsigned(4) | 0) * 2 ** 32 + this.#unsigned(4);
    const timeMs = seconds * 1000 + nanoseconds / 1_000_000;
    if (nanoseconds >= 1_000_000_000 || Math.abs(timeMs) > DATE_MS_MAX) {
      this.#fail('a timestamp that is no Date');
    }
  }

  #array(count: number, depth: number): void {
    this.#enter(count, depth);
    for (let index = 0; index < count; index++) this.value(depth + 1);
  }

  #map(count: number, depth: number): void {
    this.#enter(count * 2, depth);
    for (let index = 0; index < count; index++) {
      this.#key();
      this.value(depth + 1);
    }
  }

  /** A container's depth, and its count against the bytes left: each item takes at least one. */
  #enter(itemCount: number, depth: number): void {
    if (depth >= MSGPACK_DEPTH_MAX) this.#fail(`more than ${MSGPACK_DEPTH_MAX} levels`);
    if (itemCount > this.#bytes.length - this.position) this.#fail('a count beyond the end');
  }

  #key(): void {
    const token = this.#unsigned(1);
    let sizeBytes: number;
    if (token >= 0xa0 && token < 0xc0) sizeBytes = token & 0x1f;
    else if (token >= 0xd9 && token <= 0xdb) sizeBytes = this.#unsigned(1 << (token - 0xd9));
    else return this.#fail('a map key that is not a string');
    const start = this.position;
    this.#text(sizeBytes);
    if (sizeBytes === PROTO_KEY.length && this.#matches(start, PROTO_KEY)) {
      this.#fail('a map key named __proto__');
    }
  }

  #matches(start: number, expected: Uint8Array): boolean {
    return expected.every((byte, index) => this.#bytes[start + index] === byte);
  }

  #text(sizeBytes: number): void {
    const start = this.position;
    this.#skip(sizeBytes);
    if (!isUtf8(this.#bytes.subarray(start, this.position))) this.#fail('a string is not UTF-8');
  }

  /** A big-endian unsigned integer of 1, 2 or 4 bytes. */
  #unsigned(sizeBytes: number): number {
    const start = this.position;
    this.#skip(sizeBytes);
    let value = 0;
    for (let at = start; at < this.position; at++) {
      value = value * 256 + (this.#bytes[at] ?? 0); // In bounds: #skip checked the end.
    }
    return value;
  }

  #skip(sizeBytes: number): void {
    if (sizeBytes > this.#bytes.length - this.position) this.#fail('it ends early');
    this.position += sizeBytes;
  }

  #fail(reason: string): never {
    throw new RangeError(
      `not MessagePack that Varve writes, near byte ${this.position}: ${reason}`,
    );
  }
}
