/**
 * What an index batch says of the tables in front of it, of which the first begins where the data of the
 * segment ends. They count only as it says, so a table that a crash tore, or that an earlier life of the
 * file left, counts for nothing.
 *
 *     u32 end crc of the data, as the next segment states it, then for each table
 *     u8 kind | u32 position | u32 bytes | u32 its checksum
 */
import type { BatchHeader } from './batch-header.ts';
import { EXTENSION_HEAD_BYTES, findExtension, writeExtensionHead } from './extension.ts';
import { ExtensionType, SEGMENT_HEADER_BYTES } from './layout.ts';
import { viewOf } from './u64.ts';

/** What a table is of. Those of other kinds are a later version's, and skipped. */
export const TableKind = { dedup: 1 } as const;

/** Where a table stands: a whole batch. */
export interface TablePlace {
  readonly kind: number;
  readonly position: number;
  readonly sizeBytes: number;
  /** Its stored checksum. */
  readonly crc: number;
}

export interface IndexTables {
  /** Of the data that they were made of. */
  readonly endCrc: number;
  /** One behind the other, up to the index batch. */
  readonly places: readonly TablePlace[];
}

const END_CRC_BYTES = 4;
const POSITION_AT = 1;
const SIZE_AT = 5;
const CRC_AT = 9;
const PLACE_BYTES = 13;

/** The extension block of an index batch; empty where there are no tables. */
export function encodeIndexTables({ endCrc, places }: IndexTables): Uint8Array {
  if (places.length === 0) return new Uint8Array(0);
  const valueBytes = END_CRC_BYTES + places.length * PLACE_BYTES;
  const block = new Uint8Array(EXTENSION_HEAD_BYTES + valueBytes);
  const view = viewOf(block);
  let at = writeExtensionHead(view, 0, { type: ExtensionType.tables, valueBytes });
  view.setUint32(at, endCrc, true);
  at += END_CRC_BYTES;
  for (const { kind, position, sizeBytes, crc } of places) {
    view.setUint8(at, kind);
    view.setUint32(at + POSITION_AT, position, true);
    view.setUint32(at + SIZE_AT, sizeBytes, true);
    view.setUint32(at + CRC_AT, crc, true);
    at += PLACE_BYTES;
  }
  return block;
}

/** What the index batch at the beginning of `bytes` says; null = it has no tables, or says what cannot be. */
export function indexTablesIn(bytes: Uint8Array, header: BatchHeader): IndexTables | null {
  const value = findExtension(bytes, 0, header, ExtensionType.tables);
  if (value === null || value.length < END_CRC_BYTES + PLACE_BYTES) return null;
  if ((value.length - END_CRC_BYTES) % PLACE_BYTES !== 0) return null;
  const view = viewOf(value);
  const places: TablePlace[] = [];
  for (let at = END_CRC_BYTES; at < value.length; at += PLACE_BYTES) {
    places.push({
      kind: view.getUint8(at),
      position: view.getUint32(at + POSITION_AT, true),
      sizeBytes: view.getUint32(at + SIZE_AT, true),
      crc: view.getUint32(at + CRC_AT, true),
    });
  }
  const tables = { endCrc: view.getUint32(0, true), places };
  return areInOrder(places, header.position) ? tables : null;
}

function areInOrder(places: readonly TablePlace[], end: number): boolean {
  let next = places[0]?.position ?? end;
  if (next < SEGMENT_HEADER_BYTES) return false;
  for (const { position, sizeBytes } of places) {
    if (position !== next || sizeBytes === 0) return false;
    next += sizeBytes;
  }
  return next === end;
}
