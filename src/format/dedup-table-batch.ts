/**
 * A dedup table: where in a segment the records are that have a fingerprint, and when they were
 * appended. A batch of kind index in front of the index batch, which says where it stands.
 *
 * It is derived from the extensions of the data batches, bit for bit. It is there so that fewer bytes
 * are read to know what a window covers, and so that one fingerprint can be looked for by a single
 * short read; nothing is ever decided by its absence.
 *
 *     extension   u8 bucket bits | u32 entries | u32 samples
 *     directory   for each bucket: u32 entries in it and in all before | u32 checksum of its own
 *     entries     u32 high | u32 low | u32 offset of the record, less the segment's base offset;
 *                 by bucket, which is the upper bits of `high`, and in it by offset
 *     samples     u32 first offset after, less the segment's base offset | u32, u16 append time ms:
 *                 when the records were appended that stand between it and the one before it
 */
import { checksum } from './checksum.ts';
import { sealBatch, type BatchHeader } from './batch-header.ts';
import { EXTENSION_HEAD_BYTES, findExtension, writeExtensionHead } from './extension.ts';
import { BATCH_HEADER_BYTES, BatchKind, ExtensionType } from './layout.ts';
import { viewOf } from './u64.ts';

const HEAD_BYTES = 9;
const ENTRIES_AT = 1;
const SAMPLES_AT = 5;
const DIRECTORY_AT = BATCH_HEADER_BYTES + EXTENSION_HEAD_BYTES + HEAD_BYTES;
const BUCKET_BYTES = 8;
const BUCKET_CHECKSUM_AT = 4;
export const TABLE_ENTRY_BYTES = 12;
const LOW_AT = 4;
const PLACE_AT = 8;
const SAMPLE_BYTES = 10;
const TIME_AT = 4;
const TIME_HIGH_AT = 8;
const TWO_POW_32 = 2 ** 32;

/** A bucket is to be read alone: about so many entries, 6 KiB. */
const BUCKET_ENTRIES = 512;
/** So many shards has a table in memory: a stored one of some size is in their order. */
const SHARD_BITS = 10;
const SHARDED_ENTRIES_MIN = 8192;
/** With the largest table a bucket has 512 at most; a table that claims more bits is not believed. */
const BUCKET_BITS_MAX = 16;

/** What goes into a table, column by column, in the order of offsets; first `count` and `sampleCount` slots. */
export interface DedupColumns {
  readonly count: number;
  readonly highs: Uint32Array;
  readonly lows: Uint32Array;
  /** Of the records, less the segment's base offset: ascending. */
  readonly places: Uint32Array;
  readonly sampleCount: number;
  /** First offset after, less the segment's base offset: ascending strictly. */
  readonly sampleEnds: Uint32Array;
  /** Ascending strictly. */
  readonly sampleTimes: Float64Array;
}

function bucketBitsFor(count: number): number {
  const bits = Math.ceil(Math.log2(Math.max(1, count / BUCKET_ENTRIES)));
  return count < SHARDED_ENTRIES_MIN ? bits : Math.max(bits, SHARD_BITS);
}

/** A shift by 32 is one by 0. */
function bucketOf(high: number, bits: number): number {
  return bits === 0 ? 0 : high >>> (32 - bits);
}

/** Bytes of the whole batch. */
export function dedupTableBytes(count: number, sampleCount: number): number {
  return tableBytes(bucketBitsFor(count), count, sampleCount);
}

function tableBytes(bits: number, count: number, sampleCount: number): number {
  const directoryBytes = 2 ** bits * BUCKET_BYTES;
  return DIRECTORY_AT + directoryBytes + count * TABLE_ENTRY_BYTES + sampleCount * SAMPLE_BYTES;
}

/**
 * Encodes the whole batch. The caller sets ids, epoch, position, base offset (the segment's end) and
 * append time; sizes and counts are filled in here. O(count): one counting sort.
 */
export function encodeDedupTable(columns: DedupColumns, header: BatchHeader): Uint8Array {
  const { count, sampleCount } = columns;
  const bits = bucketBitsFor(count);
  const bytes = new Uint8Array(tableBytes(bits, count, sampleCount));
  const view = viewOf(bytes);
  const type = ExtensionType.dedupTable;
  const at = writeExtensionHead(view, BATCH_HEADER_BYTES, { type, valueBytes: HEAD_BYTES });
  view.setUint8(at, bits);
  view.setUint32(at + ENTRIES_AT, count, true);
  view.setUint32(at + SAMPLES_AT, sampleCount, true);
  writeEntries(bytes, columns, bits);
  const samplesAt = bytes.length - sampleCount * SAMPLE_BYTES;
  for (let sample = 0; sample < sampleCount; sample++) {
    const place = samplesAt + sample * SAMPLE_BYTES;
    const timeMs = columns.sampleTimes[sample] ?? 0;
    view.setUint32(place, columns.sampleEnds[sample] ?? 0, true);
    view.setUint32(place + TIME_AT, timeMs % TWO_POW_32, true);
    view.setUint16(place + TIME_HIGH_AT, Math.floor(timeMs / TWO_POW_32), true);
  }
  header.kind = BatchKind.index;
  header.sizeBytes = bytes.length;
  header.recordCount = 0;
  header.lastOffsetDelta = 0;
  header.extensionBytes = EXTENSION_HEAD_BYTES + HEAD_BYTES;
  sealBatch(bytes, view, 0, header);
  return bytes;
}

/** @hot A few nanoseconds per entry, all in one turn. */
function writeEntries(bytes: Uint8Array, columns: DedupColumns, bits: number): void {
  const { count, highs, lows, places } = columns;
  const view = viewOf(bytes);
  const entriesAt = DIRECTORY_AT + 2 ** bits * BUCKET_BYTES;
  const next = new Uint32Array(2 ** bits);
  for (let entry = 0; entry < count; entry++) {
    const bucket = bucketOf(highs[entry] ?? 0, bits);
    next[bucket] = (next[bucket] ?? 0) + 1;
  }
  let before = 0;
  for (let bucket = 0; bucket < next.length; bucket++) {
    const own = next[bucket] ?? 0;
    next[bucket] = before;
    before += own;
  }
  for (let entry = 0; entry < count; entry++) {
    const high = highs[entry] ?? 0;
    const bucket = bucketOf(high, bits);
    const slot = next[bucket] ?? 0;
    next[bucket] = slot + 1;
    const at = entriesAt + slot * TABLE_ENTRY_BYTES;
    view.setUint32(at, high, true);
    view.setUint32(at + LOW_AT, lows[entry] ?? 0, true);
    view.setUint32(at + PLACE_AT, places[entry] ?? 0, true);
  }
  let start = entriesAt; // Each bucket ends now where `next` says.
  for (let bucket = 0; bucket < next.length; bucket++) {
    const at = DIRECTORY_AT + bucket * BUCKET_BYTES;
    const end = entriesAt + (next[bucket] ?? 0) * TABLE_ENTRY_BYTES;
    view.setUint32(at, next[bucket] ?? 0, true);
    view.setUint32(at + BUCKET_CHECKSUM_AT, checksum(bytes, start, end), true);
    start = end;
  }
}

/** Whether a verified batch at `bytes[at]` is a dedup table, rather than the index. */
export function isDedupTable(bytes: Uint8Array, at: number, header: BatchHeader): boolean {
  return dedupTableEntries(bytes, at, header) !== null;
}

/** How many entries the dedup table at `bytes[at]` says that it has; null when the batch is none. */
export function dedupTableEntries(
  bytes: Uint8Array,
  at: number,
  header: BatchHeader,
): number | null {
  if (header.kind !== BatchKind.index) return null;
  const head = findExtension(bytes, at, header, ExtensionType.dedupTable);
  return head?.length === HEAD_BYTES ? viewOf(head).getUint32(ENTRIES_AT, true) : null;
}

/**
 * The table in a batch whose header and checksum were verified, at the beginning of `bytes`.
 *
 * All that a reader would rely on is checked before anything is taken, in one pass.
 *
 * @param span  offsets of the segment: no record lies further from its base
 * @returns null when it is not what a correct writer makes
 */
export function decodeDedupTable(
  bytes: Uint8Array,
  header: BatchHeader,
  span: number,
): StoredDedupTable | null {
  const head = findExtension(bytes, 0, header, ExtensionType.dedupTable);
  const isPlain = header.extensionBytes === EXTENSION_HEAD_BYTES + HEAD_BYTES;
  if (head?.length !== HEAD_BYTES || !isPlain || header.kind !== BatchKind.index) return null;
  const view = viewOf(head);
  const bits = view.getUint8(0);
  const count = view.getUint32(ENTRIES_AT, true);
  const sampleCount = view.getUint32(SAMPLES_AT, true);
  if (bits > BUCKET_BITS_MAX || tableBytes(bits, count, sampleCount) !== header.sizeBytes) {
    return null;
  }
  const table = new StoredDedupTable(bytes, { bits, count, sampleCount });
  return table.isSound(span) ? table : null;
}

interface TableHead {
  readonly bits: number;
  readonly count: number;
  readonly sampleCount: number;
}

/** A table as it stands in a segment, decoded as it is asked for. */
export class StoredDedupTable {
  readonly count: number;
  readonly sampleCount: number;
  readonly #bits: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #entriesAt: number;
  readonly #samplesAt: number;

  constructor(bytes: Uint8Array, { bits, count, sampleCount }: TableHead) {
    this.count = count;
    this.sampleCount = sampleCount;
    this.#bits = bits;
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
    this.#entriesAt = DIRECTORY_AT + 2 ** bits * BUCKET_BYTES;
    this.#samplesAt = this.#entriesAt + count * TABLE_ENTRY_BYTES;
  }

  /** Entries by bucket, and in it by offset. */
  high(entry: number): number {
    return this.#view.getUint32(this.#entriesAt + entry * TABLE_ENTRY_BYTES, true);
  }

  low(entry: number): number {
    return this.#view.getUint32(this.#entriesAt + entry * TABLE_ENTRY_BYTES + LOW_AT, true);
  }

  /** Offset of the record, less the segment's base offset. */
  place(entry: number): number {
    return this.#view.getUint32(this.#entriesAt + entry * TABLE_ENTRY_BYTES + PLACE_AT, true);
  }

  /** First offset after, less the segment's base offset. */
  sampleEnd(sample: number): number {
    return this.#view.getUint32(this.#samplesAt + sample * SAMPLE_BYTES, true);
  }

  sampleTime(sample: number): number {
    const at = this.#samplesAt + sample * SAMPLE_BYTES;
    const upper = this.#view.getUint16(at + TIME_HIGH_AT, true);
    return upper * TWO_POW_32 + this.#view.getUint32(at + TIME_AT, true);
  }

  /** What it takes to read a single bucket, in memory of its own. */
  directory(): TableDirectory {
    const bytes = this.#bytes.slice(DIRECTORY_AT, this.#entriesAt);
    return new TableDirectory(bytes, { bits: this.#bits, entriesAt: this.#entriesAt });
  }

  /** Whether each entry stands where it is looked for, and names an offset of the segment. */
  isSound(span: number): boolean {
    let before = 0;
    for (let bucket = 0; bucket < 2 ** this.#bits; bucket++) {
      const end = this.#bucketEnd(bucket);
      if (end < before || end > this.count) return false;
      if (!this.#isBucketSound(bucket, before, end, span)) return false;
      before = end;
    }
    return before === this.count && this.#areSamplesSound(span);
  }

  #isBucketSound(bucket: number, from: number, to: number, span: number): boolean {
    let last = -1;
    for (let entry = from; entry < to; entry++) {
      const place = this.place(entry);
      if (bucketOf(this.high(entry), this.#bits) !== bucket) return false;
      if (place <= last || place >= span) return false;
      last = place;
    }
    const start = this.#entriesAt + from * TABLE_ENTRY_BYTES;
    const end = this.#entriesAt + to * TABLE_ENTRY_BYTES;
    return checksum(this.#bytes, start, end) === this.#bucketChecksum(bucket);
  }

  #areSamplesSound(span: number): boolean {
    let [lastEnd, lastMs] = [0, -1];
    for (let sample = 0; sample < this.sampleCount; sample++) {
      const [end, timeMs] = [this.sampleEnd(sample), this.sampleTime(sample)];
      if (end <= lastEnd || end > span || timeMs <= lastMs) return false;
      [lastEnd, lastMs] = [end, timeMs];
    }
    return true;
  }

  #bucketEnd(bucket: number): number {
    return this.#view.getUint32(DIRECTORY_AT + bucket * BUCKET_BYTES, true);
  }

  #bucketChecksum(bucket: number): number {
    const at = DIRECTORY_AT + bucket * BUCKET_BYTES + BUCKET_CHECKSUM_AT;
    return this.#view.getUint32(at, true);
  }
}

/** Where a bucket of a stored table is: bytes of the batch. */
export interface BucketExtent {
  readonly at: number;
  readonly sizeBytes: number;
}

/** By which one bucket of a stored table is found, read and checked alone: 8 bytes for some hundred entries. */
export class TableDirectory {
  readonly #view: DataView;
  readonly #bits: number;
  readonly #entriesAt: number;

  constructor(bytes: Uint8Array, place: { readonly bits: number; readonly entriesAt: number }) {
    this.#view = viewOf(bytes);
    this.#bits = place.bits;
    this.#entriesAt = place.entriesAt;
  }

  get byteLength(): number {
    return this.#view.byteLength;
  }

  /** In which bucket a fingerprint is, if it is there. */
  bucketOf(high: number): number {
    return bucketOf(high, this.#bits);
  }

  extentOf(bucket: number): BucketExtent {
    const start = bucket === 0 ? 0 : this.#endOf(bucket - 1);
    const sizeBytes = (this.#endOf(bucket) - start) * TABLE_ENTRY_BYTES;
    return { at: this.#entriesAt + start * TABLE_ENTRY_BYTES, sizeBytes };
  }

  /** Whether these are the bytes of that bucket as they were written. */
  isWhole(bucket: number, bytes: Uint8Array): boolean {
    const stored = this.#view.getUint32(bucket * BUCKET_BYTES + BUCKET_CHECKSUM_AT, true);
    return checksum(bytes, 0, bytes.length) === stored;
  }

  #endOf(bucket: number): number {
    return this.#view.getUint32(bucket * BUCKET_BYTES, true);
  }
}

/** Offsets of the records in a bucket that have that fingerprint, less the segment's base offset. */
export function placesIn(bucket: Uint8Array, high: number, low: number): readonly number[] {
  const view = viewOf(bucket);
  const places: number[] = [];
  for (let at = 0; at < bucket.length; at += TABLE_ENTRY_BYTES) {
    if (view.getUint32(at + LOW_AT, true) !== low || view.getUint32(at, true) !== high) continue;
    places.push(view.getUint32(at + PLACE_AT, true));
  }
  return places;
}
