/** The extension block of a batch: fields of a type, a length and bytes, one behind the other. */
import { assert } from '../core/assert.ts';
import { CorruptLogError } from '../core/errors.ts';
import { nextOffsetOf, type BatchHeader } from './batch-header.ts';
import { BATCH_HEADER_BYTES, type ExtensionType } from './layout.ts';
import { viewOf } from './u64.ts';

type FieldType = (typeof ExtensionType)[keyof typeof ExtensionType];

/** Type and length, in front of the bytes of a field. */
export const EXTENSION_HEAD_BYTES = 4;
/** Of one field, at most; with its head it fits the block, whose length is a u16 too. */
export const EXTENSION_VALUE_BYTES_MAX = 0xffff - EXTENSION_HEAD_BYTES;

/** Of the whole block: its length is a u16. */
export const EXTENSION_BYTES_MAX = 0xffff;

/** A verified batch without its records, which may be compressed. */
export interface ExtendedBatch {
  readonly header: BatchHeader;
  /** Its extension block; null = it has none. */
  readonly extension: Uint8Array | null;
  /** For error messages. */
  readonly file: string;
}

/** The extension block of a verified batch at `bytes[at]`; null = it has none. */
export function extensionOf(
  bytes: Uint8Array,
  at: number,
  { extensionBytes }: Pick<BatchHeader, 'extensionBytes'>,
): Uint8Array | null {
  const start = at + BATCH_HEADER_BYTES;
  return extensionBytes === 0 ? null : bytes.subarray(start, start + extensionBytes);
}

/** Writes type and length at `at` of `view`; the value goes behind them. @returns where */
export function writeExtensionHead(
  view: DataView,
  at: number,
  field: { readonly type: FieldType; readonly valueBytes: number },
): number {
  assert(field.valueBytes <= EXTENSION_VALUE_BYTES_MAX, 'a field fits the extension block');
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

/**
 * As `findField`, where a field that is overlooked would be worse than an error.
 *
 * @throws CorruptLogError when the fields do not fill the block, or one of the type stands there twice
 */
export function soundField(batch: ExtendedBatch, type: FieldType): Uint8Array | null {
  let found: Uint8Array | null = null;
  for (const field of fieldsIn(batch)) {
    if (field.type !== type) continue;
    if (found !== null) throw extensionError(batch, `there are two fields of type ${type}`);
    found = field.value;
  }
  return found;
}

/** One field of an extension block. */
export interface ExtensionField {
  readonly type: number;
  readonly value: Uint8Array;
  /** Type and length in front of it included. */
  readonly bytes: Uint8Array;
}

/** All fields of a batch, in order. @throws CorruptLogError when they do not fill the block */
export function* fieldsIn(batch: ExtendedBatch): Generator<ExtensionField, void, void> {
  const { extension } = batch;
  if (extension === null) return;
  const view = viewOf(extension);
  const end = extension.length;
  for (let at = 0; at < end;) {
    const value = at + EXTENSION_HEAD_BYTES;
    const next = value > end ? Infinity : value + view.getUint16(at + 2, true);
    if (next > end) throw extensionError(batch, `a field at byte ${at} does not fit ${end} bytes`);
    const type = view.getUint16(at, true);
    yield { type, value: extension.subarray(value, next), bytes: extension.subarray(at, next) };
    at = next;
  }
}

/** The extension block says what cannot be: under a right checksum a hostile file or a bug. */
export function extensionError({ header, file }: ExtendedBatch, problem: string): CorruptLogError {
  return new CorruptLogError({
    file,
    position: header.position,
    kind: 'batch',
    firstOffset: header.baseOffset,
    nextOffset: nextOffsetOf(header),
    reason: `the extension block: ${problem}`,
  });
}
