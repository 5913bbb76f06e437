/** The extension block of a batch: fields of a type, a length and bytes, one behind the other. */
import { assert } from '../core/assert.ts';
import type { BatchHeader } from './batch-header.ts';
import { BATCH_HEADER_BYTES, type ExtensionType } from './layout.ts';
import { viewOf } from './u64.ts';

type FieldType = (typeof ExtensionType)[keyof typeof ExtensionType];

/** Type and length, in front of the bytes of a field. */
export const EXTENSION_HEAD_BYTES = 4;
/** Of one field, at most; with its head it fits the block, whose length is a u16 too. */
export const EXTENSION_VALUE_BYTES_MAX = 0xffff - EXTENSION_HEAD_BYTES;

/** Writes type and length at `bytes[at]`; the value goes behind them. @returns where */
export function writeExtensionHead(
  bytes: Uint8Array,
  at: number,
  field: { readonly type: FieldType; readonly valueBytes: number },
): number {
  assert(field.valueBytes <= EXTENSION_VALUE_BYTES_MAX, 'a field fits the extension block');
  const view = viewOf(bytes);
  view.setUint16(at, field.type, true);
  view.setUint16(at + 2, field.valueBytes, true);
  return at + EXTENSION_HEAD_BYTES;
}

/** The value of the first field of a type, of a verified batch at `bytes[at]`; null when it has none. */
export function findExtension(
  bytes: Uint8Array,
  at: number,
  header: Pick<BatchHeader, 'extensionBytes'>,
  type: FieldType,
): Uint8Array | null {
  const start = at + BATCH_HEADER_BYTES;
  return findField(bytes.subarray(start, start + header.extensionBytes), type);
}

/** As `findExtension`, of the block alone. */
export function findField(block: Uint8Array, type: FieldType): Uint8Array | null {
  const view = viewOf(block);
  const end = block.length;
  let field = 0;
  while (field + EXTENSION_HEAD_BYTES <= end) {
    const valueBytes = view.getUint16(field + 2, true);
    const value = field + EXTENSION_HEAD_BYTES;
    if (value + valueBytes > end) return null;
    if (view.getUint16(field, true) === type) return block.subarray(value, value + valueBytes);
    field = value + valueBytes;
  }
  return null;
}
