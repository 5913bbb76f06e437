/**
 * The batches of the next generation of a segment: of each batch of the one before the records that are
 * kept, at most one batch. Bytes in, bytes out.
 *
 * Offsets stay covered. A batch that loses records keeps its base offset, and so the deltas of what is left;
 * it also covers what follows it and has nothing left. Where it cannot, at the beginning and behind a gap, a
 * batch without records does. So the last batch is open until the next one with records comes.
 */
import { assert } from '../core/assert.ts';
import { OFF_THREAD_BYTES_MIN } from '../core/limits.ts';
import {
  compressionOf,
  emptyBatchHeader,
  nextOffsetOf,
  sealBatch,
  type BatchHeader,
} from '../format/batch-header.ts';
import type { VerifiedBatch } from '../format/batch-records.ts';
import type { Compressor } from '../format/compression.ts';
import { GAP_BATCH_BYTES_MIN } from '../format/gap-batch.ts';
import { KeptExtension } from '../format/kept-extension.ts';
import {
  BATCH_HEADER_BYTES,
  BatchKind,
  Compression,
  SEGMENT_HEADER_BYTES,
  UNCOMPRESSED_SIZE_BYTES,
} from '../format/layout.ts';
import { viewOf } from '../format/u64.ts';
import type { RecordChoice } from './record-choice.ts';

const BYTES_MIN = 64 * 1024;
/** Offsets that one batch can cover: its last offset delta is a u32. */
const OFFSETS_MAX = 2 ** 32;

export interface KeptBatchesOptions {
  /** How batches that were compressed are compressed again. @throws CodecUnavailableError */
  readonly compressorOf: (compression: number) => Compressor;
  /** Told of each batch when it is whole, in order; the header is used again. */
  readonly onBatch: (header: BatchHeader) => void;
}

export class KeptBatches {
  /** Records that were kept so far, and those among them that delete their key. */
  recordCount = 0;
  tombstoneCount = 0;
  readonly #options: KeptBatchesOptions;
  readonly #extension = new KeptExtension();
  #bytes = new Uint8Array(BYTES_MIN);
  #view = viewOf(this.#bytes);
  /** Whole batches stand in front of here, the open one from here on. */
  #start = 0;
  /** Where the open batch begins in the file. */
  #position = SEGMENT_HEADER_BYTES;
  /** Of the open batch; null = there is none. */
  #header: BatchHeader | null = null;
  /** How the records of the open batch are still to be compressed. */
  #compression: number = Compression.none;

  constructor(options: KeptBatchesOptions) {
    this.#options = options;
  }

  /**
   * Takes the next batch of the segment, of kind data or gap, with what was chosen of it.
   *
   * @throws CorruptLogError when it contradicts itself
   */
  add(batch: VerifiedBatch, choice: RecordChoice): void {
    const { header } = batch;
    if (header.kind === BatchKind.gap) {
      this.#addGap(header);
      return;
    }
    assert(header.kind === BatchKind.data, 'entries of a journal are not compacted');
    this.recordCount += choice.count;
    this.tombstoneCount += choice.tombstoneCount;
    if (choice.count === 0) this.#addNothing(header);
    else if (choice.count === header.recordCount) this.#addWhole(batch);
    else this.#addSome(choice);
  }

  /** No batch follows: what was open is whole. */
  finish(): void {
    const header = this.#header;
    if (header === null) return;
    if (this.#compression !== Compression.none) {
      const compressor = this.#options.compressorOf(this.#compression);
      this.#pack(header, compressor, compressor.compress(this.#recordsOf(header)));
    }
    sealBatch(this.#bytes, this.#view, this.#start, header);
    this.#options.onBatch(header);
    this.#start += header.sizeBytes;
    this.#position += header.sizeBytes;
    this.#header = null;
  }

  /**
   * Compresses what the last batch has left on another thread, where that takes long; nothing may be added
   * meanwhile. Without it `add` and `finish` do it.
   *
   * @throws CodecUnavailableError
   */
  async compressOffThread(): Promise<void> {
    const header = this.#header;
    if (header === null || this.#compression === Compression.none) return;
    const records = this.#recordsOf(header);
    if (records.length < OFF_THREAD_BYTES_MIN) return;
    const compressor = this.#options.compressorOf(this.#compression);
    this.#pack(header, compressor, await compressor.compressOffThread(records));
  }

  /** Whole batches that were not taken, one behind the other; good until the next call. */
  get whole(): Uint8Array {
    return this.#bytes.subarray(0, this.#start);
  }

  /** Forgets the whole batches: they are written. */
  taken(): void {
    const openBytes = this.#header?.sizeBytes ?? 0;
    this.#bytes.copyWithin(0, this.#start, this.#start + openBytes);
    this.#start = 0;
  }

  #addWhole({ bytes, at, header }: VerifiedBatch): void {
    this.#open({ ...header });
    this.#reserve(header.sizeBytes);
    this.#bytes.set(bytes.subarray(at, at + header.sizeBytes), this.#start);
  }

  #addSome(choice: RecordChoice): void {
    const { records } = choice;
    const { header: from } = records;
    const extension = this.#extension.encode(records, choice);
    const header = { ...from, producerId: 0, baseSequence: 0, producerEpoch: 0 };
    this.#open(header);
    const recordsAt = BATCH_HEADER_BYTES + extension.length;
    this.#reserve(recordsAt + choice.sizeBytes);
    this.#bytes.set(extension, this.#start + BATCH_HEADER_BYTES);
    choice.copyTo(this.#bytes, this.#start + recordsAt);
    header.extensionBytes = extension.length;
    header.recordCount = choice.count;
    header.baseCreateTimeMs = choice.minCreateTimeMs;
    header.maxCreateTimeMs = choice.maxCreateTimeMs;
    header.sizeBytes = recordsAt + choice.sizeBytes;
    header.attributes = Compression.none;
    this.#compression = compressionOf(from);
  }

  /** Of the open batch, before they are compressed. */
  #recordsOf({ extensionBytes, sizeBytes }: BatchHeader): Uint8Array {
    const start = this.#start + BATCH_HEADER_BYTES + extensionBytes;
    return this.#bytes.subarray(start, this.#start + sizeBytes);
  }

  #pack(header: BatchHeader, compressor: Compressor, compressed: Uint8Array | null): void {
    this.#compression = Compression.none;
    if (compressed === null) return; // Better stored as it is.
    const start = this.#start + BATCH_HEADER_BYTES + header.extensionBytes;
    this.#view.setUint32(start, this.#start + header.sizeBytes - start, true);
    this.#bytes.set(compressed, start + UNCOMPRESSED_SIZE_BYTES);
    header.attributes = compressor.compression;
    header.sizeBytes = start - this.#start + UNCOMPRESSED_SIZE_BYTES + compressed.length;
  }

  /** Nothing is left of a batch. */
  #addNothing(from: BatchHeader): void {
    const open = this.#header;
    const nextOffset = nextOffsetOf(from);
    if (open?.kind === BatchKind.data && nextOffset - open.baseOffset <= OFFSETS_MAX) {
      open.lastOffsetDelta = nextOffset - open.baseOffset - 1;
      return;
    }
    const { logId, segmentId, epoch, baseOffset, lastOffsetDelta } = from;
    const { appendTimeMs, syncedUpTo, topologyVersion } = from;
    const place = { logId, segmentId, epoch, baseOffset, lastOffsetDelta };
    const stamps = { appendTimeMs, syncedUpTo, topologyVersion, sizeBytes: BATCH_HEADER_BYTES };
    this.#open({ ...emptyBatchHeader(), ...place, ...stamps });
    this.#reserve(BATCH_HEADER_BYTES);
  }

  /** Offsets that a repair gave up: as short as can be, for nothing needs its length any more. */
  #addGap(from: BatchHeader): void {
    const { logId, segmentId, epoch, baseOffset, appendTimeMs, syncedUpTo } = from;
    const header = { ...emptyBatchHeader(), logId, segmentId, epoch, baseOffset, appendTimeMs };
    const { kind, lastOffsetDelta } = from;
    this.#open({ ...header, kind, lastOffsetDelta, syncedUpTo, sizeBytes: GAP_BATCH_BYTES_MIN });
    this.#reserve(GAP_BATCH_BYTES_MIN);
    this.#bytes.fill(0, this.#start + BATCH_HEADER_BYTES, this.#start + GAP_BATCH_BYTES_MIN);
  }

  /** Begins the next batch. */
  #open(header: BatchHeader): void {
    this.finish();
    header.position = this.#position;
    this.#header = header;
  }

  /** Makes room for so many bytes of the open batch. */
  #reserve(sizeBytes: number): void {
    const bytesMin = this.#start + sizeBytes;
    if (bytesMin <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(bytesMin, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.#start));
    this.#bytes = larger;
    this.#view = viewOf(larger);
  }
}
