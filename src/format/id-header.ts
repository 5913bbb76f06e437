/**
 * The header block of a record that has an id by which it is known again, and no other header: written where
 * the record is encoded, from the bytes that its fingerprint is of.
 *
 * @hot One small object per record, which is used again and again.
 */
import { present } from '../core/assert.ts';
import { DEDUP_ID_HEADER, numberedName } from './header-names.ts';
import { JoinedText } from './joined-text.ts';
import {
  HEADER_NAME_LENGTH_BYTES,
  HEADER_VALUE_LENGTH_BYTES,
  HEADERS_LENGTH_BYTES,
} from './record-headers.ts';
import { viewOf } from './u64.ts';

const NAME = numberedName(DEDUP_ID_HEADER);
const NAME_AT = HEADERS_LENGTH_BYTES;
const LENGTH_AT = NAME_AT + HEADER_NAME_LENGTH_BYTES;
const ID_AT = LENGTH_AT + HEADER_VALUE_LENGTH_BYTES;

export class IdHeader {
  /** Of the block. */
  length = ID_AT;
  /** Where the id is among the others: 1..255 bytes. */
  from = 0;
  sizeBytes = 0;
  readonly ids: JoinedText;

  /** @param ids  texts that are encoded before anything is written, and all ASCII */
  constructor(ids: JoinedText) {
    this.ids = ids;
  }

  set(from: number, sizeBytes: number): void {
    this.from = from;
    this.sizeBytes = sizeBytes;
    this.length = ID_AT + sizeBytes;
  }

  writeTo(view: DataView, start: number): void {
    const { sizeBytes } = this;
    view.setUint16(start, this.length - HEADERS_LENGTH_BYTES, true);
    view.setUint16(start + NAME_AT, NAME, true);
    view.setUint16(start + LENGTH_AT, sizeBytes, true);
    this.ids.copyTo(view, start + ID_AT, this.from, sizeBytes);
  }

  /** A copy for later. */
  toBytes(): Uint8Array {
    const bytes = Buffer.allocUnsafe(this.length);
    this.writeTo(viewOf(bytes), 0);
    return bytes;
  }
}

/** Objects that are kept for the next call. */
const KEPT_MAX = 10_000;

/** The ids of the records of one call; used again for the next. */
export class IdHeaders {
  readonly #ids = new JoinedText();
  readonly #headers: IdHeader[] = [];
  #count = 0;

  /** @param id  1 to 255 characters, taken for ASCII */
  add(id: string): IdHeader {
    const at = this.#count++;
    if (at === this.#headers.length) this.#headers.push(new IdHeader(this.#ids));
    const header = present(this.#headers[at], 'grown above');
    header.set(this.#ids.text.length, id.length);
    this.#ids.add(id);
    return header;
  }

  /** Before a header is written. @returns whether all are ASCII: if not, none means anything */
  encode(): boolean {
    return this.#ids.encode();
  }

  /** Nobody has a header any more. */
  clear(): void {
    this.#count = 0;
    this.#headers.length = Math.min(this.#headers.length, KEPT_MAX);
    this.#ids.clear();
  }
}
