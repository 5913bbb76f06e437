/** Bytes of journal entries, written and read field by field. */
import { assert } from '../core/assert.ts';

const FIRST_BYTES = 256;
/** A buffer that a large commit needed is not kept. */
const KEPT_BYTES_MAX = 1024 * 1024;
/** A varint of 53 bits. */
const UINT_BYTES_MAX = 8;
const DOUBLE_BYTES = 8;
const SEVEN_BITS = 0x7f;
const MORE = 0x80;
/** Of a text whose length is one byte, and that is written unit by unit if it is ASCII. */
const SHORT_UNITS_MAX = 64;
/** Up to here V8 keeps the bytes of an array on its own heap, where they cost next to nothing. */
const SHORT_BYTES_MAX = 64;

/** A mark is part of the text. */
const textDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The bytes are no entry: a hostile file or a bug, for the checksum was right. */
export class BadEntryError extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'BadEntryError';
  }
}

/** Collects the fields of one entry after the other in a buffer of its own. */
export class EntryWriter {
  #bytes: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #end = 0;

  u8(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#end++] = value;
  }

  /** A safe integer from 0 on, 7 bits a byte, lowest first. */
  uint(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, 'an unsigned safe integer');
    this.#reserve(UINT_BYTES_MAX);
    let rest = value;
    for (; rest > SEVEN_BITS; rest = Math.floor(rest / MORE)) {
      this.#bytes[this.#end++] = (rest % MORE) | MORE;
    }
    this.#bytes[this.#end++] = rest;
  }

  /** A finite number, as IEEE 754 has it in 64 bits, lowest byte first. */
  double(value: number): void {
    assert(Number.isFinite(value), 'a finite number');
    this.#reserve(DOUBLE_BYTES);
    this.#end = this.#bytes.writeDoubleLE(value + 0, this.#end); // -0 is 0.
  }

  /** Length and bytes. */
  bytes(value: Uint8Array): void {
    this.uint(value.length);
    this.encoded(value);
  }

  /** What another writer has made of fields. */
  encoded(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#bytes.set(value, this.#end);
    this.#end += value.length;
  }

  /** Length and UTF-8. */
  text(value: string): void {
    if (this.#shortAscii(value)) return;
    const length = Buffer.byteLength(value, 'utf8');
    this.uint(length);
    this.#reserve(length);
    this.#bytes.write(value, this.#end, length, 'utf8');
    this.#end += length;
  }

  /** Most texts are names, or empty: two calls of native code cost more than they do. */
  #shortAscii(value: string): boolean {
    const { length } = value;
    if (length > SHORT_UNITS_MAX) return false;
    this.#reserve(1 + length);
    const bytes = this.#bytes;
    const start = this.#end + 1;
    for (let at = 0; at < length; at++) {
      const unit = value.charCodeAt(at);
      if (unit > SEVEN_BITS) return false;
      bytes[start + at] = unit;
    }
    bytes[this.#end] = length;
    this.#end = start + length;
    return true;
  }

  /** Forgets what an encoding that failed has left. */
  clear(): void {
    this.#end = 0;
  }

  /** A copy of what was written since the last call. */
  take(): Uint8Array {
    const bytes = this.#end > SHORT_BYTES_MAX ? new Uint8Array(this.#view()) : this.#shortCopy();
    this.#forget();
    return bytes;
  }

  /** As `take`, without the copy: good until the next call of anything. */
  takeView(): Uint8Array {
    const bytes = this.#view();
    this.#forget();
    return bytes;
  }

  #view(): Uint8Array {
    return this.#bytes.subarray(0, this.#end);
  }

  /** Most entries are short: to look at a part of the buffer costs more than they do. */
  #shortCopy(): Uint8Array {
    const bytes = new Uint8Array(this.#end);
    for (let at = 0; at < bytes.length; at++) bytes[at] = this.#bytes[at] ?? 0;
    return bytes;
  }

  #forget(): void {
    this.#end = 0;
    if (this.#bytes.length > KEPT_BYTES_MAX) this.#bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  }

  #reserve(more: number): void {
    const needed = this.#end + more;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.#end));
    this.#bytes = larger;
  }
}

/** Walks the fields of an entry. Every method throws `BadEntryError` where the bytes end too early. */
export class EntryReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Whether nothing is left to be read. */
  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  u8(): number {
    const value = this.#bytes[this.#at++];
    if (value === undefined) throw new BadEntryError('it ends within a field');
    return value;
  }

  uint(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < UINT_BYTES_MAX; count++) {
      const byte = this.u8();
      value += (byte & SEVEN_BITS) * scale;
      if (byte < MORE) {
        // One value has one form, so that equal states have equal bytes.
        const isLong = byte === 0 && count > 0;
        if (isLong || !Number.isSafeInteger(value)) break;
        return value;
      }
      scale *= MORE;
    }
    throw new BadEntryError('an integer is too long');
  }

  double(): number {
    const from = this.#at;
    if (DOUBLE_BYTES > this.#bytes.length - from) {
      throw new BadEntryError('it ends within a field');
    }
    this.#at = from + DOUBLE_BYTES;
    const value = this.#bytes.readDoubleLE(from);
    // One value has one form: NaN has many, and 0 would have two.
    if (Number.isFinite(value) && !Object.is(value, -0)) return value;
    throw new BadEntryError('a number is none that is written');
  }

  /** A copy. */
  bytes(): Uint8Array {
    return new Uint8Array(this.#take());
  }

  text(): string {
    try {
      return textDecoder.decode(this.#take());
    } catch (error) {
      if (error instanceof BadEntryError) throw error;
      throw new BadEntryError('a text is no UTF-8'); // Two texts with other bytes would be equal.
    }
  }

  /** Nothing may follow the last field: an older version would have been told by its number. */
  end(): void {
    if (this.#at !== this.#bytes.length) throw new BadEntryError('bytes follow the last field');
  }

  #take(): Buffer {
    const length = this.uint();
    const from = this.#at;
    if (length > this.#bytes.length - from) throw new BadEntryError('it ends within a field');
    this.#at = from + length;
    return this.#bytes.subarray(from, this.#at);
  }
}
