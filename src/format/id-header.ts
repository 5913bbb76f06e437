/**
 * The header block of a record that has an id by which it is known again, and no other header: written where
 * the record is encoded, from the words that its fingerprint is made of.
 *
 * @hot One small object per record.
 */
import { DEDUP_ID_HEADER, numberedName } from './header-names.ts';
import {
  HEADER_NAME_LENGTH_BYTES,
  HEADER_VALUE_LENGTH_BYTES,
  HEADERS_LENGTH_BYTES,
} from './record-headers.ts';

const NAME = numberedName(DEDUP_ID_HEADER);
const NAME_AT = HEADERS_LENGTH_BYTES;
const LENGTH_AT = NAME_AT + HEADER_NAME_LENGTH_BYTES;
const ID_AT = LENGTH_AT + HEADER_VALUE_LENGTH_BYTES;
const WORD_BYTES = 4;

export class IdHeader {
  /** Of the block. */
  readonly length: number;
  /** The id: so many bytes from the word at `from` on, little-endian. Nobody writes there any more. */
  readonly words: Int32Array;
  readonly from: number;
  readonly sizeBytes: number;

  /** @param sizeBytes  1..255 */
  constructor(words: Int32Array, from: number, sizeBytes: number) {
    this.length = ID_AT + sizeBytes;
    this.words = words;
    this.from = from;
    this.sizeBytes = sizeBytes;
  }

  writeTo(view: DataView, start: number): void {
    const { words, sizeBytes } = this;
    view.setUint16(start, this.length - HEADERS_LENGTH_BYTES, true);
    view.setUint16(start + NAME_AT, NAME, true);
    view.setUint16(start + LENGTH_AT, sizeBytes, true);
    const end = start + this.length;
    let at = start + ID_AT;
    let next = this.from;
    for (; at + WORD_BYTES <= end; at += WORD_BYTES) {
      view.setInt32(at, words[next++] ?? 0, true);
    }
    // Byte by byte: there may be no room for what fills the last word up.
    for (let rest = words[next] ?? 0; at < end; rest >>>= 8) view.setUint8(at++, rest & 0xff);
  }
}
