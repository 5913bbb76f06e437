/**
 * Fields of one record, read from its bytes when asked for. `at` is where the record begins.
 *
 * @hot Plain loads at fixed places, inlined by their callers. The record was checked by `BatchCursor`.
 */
import {
  NO_KEY,
  RECORD_CREATE_TIME_HIGH_AT,
  RECORD_CREATE_TIME_LOW_AT,
  RECORD_FLAGS_SHIFT,
  RECORD_FLAG_HEADERS,
  RECORD_FLAG_NULL_VALUE,
  RECORD_HEADER_BYTES,
  RECORD_KEY_BYTES_AT,
  RECORD_OFFSET_DELTA_AT,
  RECORD_SIZE_AND_FLAGS_AT,
  RECORD_SIZE_MASK,
} from './layout.ts';
import { headerBlockBytes } from './record-headers.ts';

const TWO_POW_32 = 2 ** 32;

/** Distance from the base offset of the batch. */
export function offsetDeltaOf(view: DataView, at: number): number {
  return view.getUint32(at + RECORD_OFFSET_DELTA_AT, true);
}

/** Milliseconds since the Unix epoch. */
export function createTimeOf(view: DataView, at: number): number {
  return (
    view.getUint16(at + RECORD_CREATE_TIME_HIGH_AT, true) * TWO_POW_32 +
    view.getUint32(at + RECORD_CREATE_TIME_LOW_AT, true)
  );
}

/** Bytes of the whole record, its header included. */
export function recordSizeOf(view: DataView, at: number): number {
  return view.getUint32(at + RECORD_SIZE_AND_FLAGS_AT, true) & RECORD_SIZE_MASK;
}

/** Bytes of the key, which stands right behind the record header; -1 = no key. */
export function keyBytesOf(view: DataView, at: number): number {
  const keyField = view.getUint16(at + RECORD_KEY_BYTES_AT, true);
  return keyField === NO_KEY ? -1 : keyField;
}

/** Where the header block begins, or would. */
export function headersStartOf(view: DataView, at: number): number {
  return at + RECORD_HEADER_BYTES + Math.max(0, keyBytesOf(view, at));
}

/** Where the value begins: behind the header block, when there is one. */
export function valueStartOf(view: DataView, at: number): number {
  const headersStart = headersStartOf(view, at);
  if ((flagsOf(view, at) & RECORD_FLAG_HEADERS) === 0) return headersStart;
  return headersStart + headerBlockBytes(view, headersStart);
}

/** Whether the value is null: a tombstone. */
export function isTombstone(view: DataView, at: number): boolean {
  return (flagsOf(view, at) & RECORD_FLAG_NULL_VALUE) !== 0;
}

function flagsOf(view: DataView, at: number): number {
  return view.getUint32(at + RECORD_SIZE_AND_FLAGS_AT, true) >>> RECORD_FLAGS_SHIFT;
}
