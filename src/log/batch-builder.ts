/**
 * The encoded end of a log: turns records into batches inside write buffers, decides where batches
 * and segments end, and hands out chunks to be written in order.
 *
 * Pure memory: it knows positions and ids of segments that do not exist yet, and goes back to the
 * written end when a write fails.
 */
import { assert, present } from '../core/assert.ts';
import { BatchEncoder, countKeyBytes } from '../format/batch-encoder.ts';
import type { EncodableRecord, EncodedRecords } from '../format/batch-encoder.ts';
import {
  emptyBatchHeader,
  nextOffsetOf,
  readBatchHeader,
  type BatchHeader,
} from '../format/batch-header.ts';
import { TAGGED_RECORDS_MAX } from '../core/limits.ts';
import { EXTENSION_BYTES_MAX, extensionOf } from '../format/extension.ts';
import { BATCH_HEADER_BYTES, BatchKind } from '../format/layout.ts';
import { viewOf } from '../format/u64.ts';
import { JOINED_EXTENSION_BYTES, JoinedFingerprints, type BatchTag } from './batch-tag.ts';
import type { Chunk, LogEnd } from './chunk.ts';
import { ChunkRoom, type ChunkRoomOptions } from './chunk-room.ts';
import type { LogMarks } from './marks.ts';
import type { RecordRun } from './record-run.ts';
import type { BatchPolicy } from './roll-policy.ts';

export interface BatchBuilderOptions extends ChunkRoomOptions {
  readonly marks: LogMarks;
  readonly policy: BatchPolicy;
  /** Stamps each batch that is begun; null = 0. */
  readonly topologyVersion: (() => number) | null;
}

const TWO_POW_16 = 2 ** 16;
const TWO_POW_32 = 2 ** 32;
/** After a batch with a key that is not ASCII, more of them are likely. */
const COUNTED_BATCHES = 64;

export class BatchBuilder {
  /** Offset that the next record gets. */
  nextOffset: number;
  /** Bytes encoded, before compression, since the builder was made: progress, never going back. */
  encodedBytes = 0;

  readonly #options: BatchBuilderOptions;
  readonly #encoder = new BatchEncoder();
  readonly #room: ChunkRoom;
  readonly #header: BatchHeader = emptyBatchHeader();
  #batchLimit = 0;
  /** `encodedBytes` of the last chunk that was taken. */
  #takenBytes = 0;
  /** With whoever writes it. */
  #handedOut: Chunk | null = null;
  #batchBaseOffset = 0;
  /** For so many batches keys are counted, not guessed. */
  #countedBatches = 0;
  /** The open batch is encoded again: its records were stamped. */
  #isStamped = false;
  /** Of the records of the open batch, if those after them may join it; null = they may not. */
  #joined: JoinedFingerprints | null = null;

  constructor(options: BatchBuilderOptions) {
    this.#options = options;
    this.#room = new ChunkRoom(options, this.#encoder);
    this.nextOffset = options.end.offset;
    this.#header.logId = options.logId;
    this.#header.epoch = options.epoch;
  }

  /** Encodes one record and returns its offset. Cost: a copy of its bytes. */
  add(record: EncodableRecord): number {
    const encoder = this.#encoder;
    const isOpen = encoder.recordCount > 0 && this.#countedBatches === 0 && this.#joined === null;
    if (isOpen && encoder.takes(record, this.#batchLimit)) {
      encoder.add(record);
      this.encodedBytes += record.sizeBytes;
      this.nextOffset++;
    } else {
      this.addAll([record], 1);
    }
    return this.nextOffset - 1;
  }

  /** Encodes the first `count` records: the first gets the next offset, the others follow. */
  addAll(records: readonly EncodableRecord[], count: number): void {
    const encoder = this.#encoder;
    if (this.#joined !== null) this.closeBatch();
    let isCounted = false;
    for (let next = 0; next < count;) {
      if (this.#countedBatches > 0 && !isCounted) {
        for (let at = next; at < count; at++) countKeyBytes(present(records[at], 'at < count'));
        isCounted = true;
      }
      if (encoder.recordCount === 0) this.#openBatch(present(records[next], 'next < count'));
      const { end } = encoder;
      const stop = encoder.addSome(records, next, count, this.#batchLimit);
      this.encodedBytes += encoder.end - end;
      this.nextOffset += stop - next;
      next = stop;
      if (next < count) this.closeBatch();
    }
  }

  /** Encodes the records of a run; with a tag, in batches of its own. */
  addRun({ records, tag }: RecordRun): void {
    if (tag === null) {
      this.addAll(records, records.length);
      return;
    }
    this.closeBatch();
    if (this.#countedBatches > 0) for (const record of records) countKeyBytes(record);
    for (let from = 0; from < records.length;) from = this.#addTagged(records, from, tag);
  }

  /**
   * Encodes a record that has a fingerprint, in a batch with others that have one: it joins the last,
   * unless something else came between. Cost: as `add`, and the batch is moved once.
   */
  addJoining(record: EncodableRecord, high: number, low: number): void {
    const encoder = this.#encoder;
    if (this.#countedBatches > 0) countKeyBytes(record);
    const hasRoom = this.#joined?.isFull === false && encoder.takes(record, this.#batchLimit);
    if (!hasRoom) {
      this.closeBatch();
      countKeyBytes(record); // As in `#openBatch`.
      this.#makeRoom(BATCH_HEADER_BYTES + JOINED_EXTENSION_BYTES + record.sizeBytes);
      this.#beginBatch(JOINED_EXTENSION_BYTES);
      this.#joined = new JoinedFingerprints();
    }
    this.#joined?.add(high, low);
    encoder.add(record);
    this.encodedBytes += record.sizeBytes;
    this.nextOffset++;
  }

  /**
   * Adds a batch of the records from `from` on, with what `tag` says.
   *
   * @returns where it stopped; at `from` when the lengths of keys were guessed wrong, and are counted now
   */
  #addTagged(records: readonly EncodableRecord[], from: number, tag: BatchTag): number {
    const first = present(records[from], 'from is below the length');
    countKeyBytes(first); // As in `#openBatch`.
    this.#makeRoom(BATCH_HEADER_BYTES + tag.extensionBytesMax(1) + first.sizeBytes);
    const to = tag.isFixed
      ? Math.min(records.length, from + TAGGED_RECORDS_MAX)
      : this.#taggedEnd(records, from, tag);
    const extension = tag.extension(from, to);
    assert(extension.length <= tag.extensionBytesMax(to - from), 'there is room for it');
    this.#beginBatch(extension);
    const header = this.#header;
    header.producerId = tag.producerId;
    header.baseSequence = tag.sequence(from) % TWO_POW_32;
    header.producerEpoch = tag.producerEpoch % TWO_POW_16;
    const encoder = this.#encoder;
    const stop = encoder.addSome(records, from, to, this.#batchLimit);
    assert(stop === to || tag.isFixed, 'what has room is taken');
    if (!encoder.writeKeys()) {
      encoder.discard();
      this.#countedBatches = COUNTED_BATCHES;
      for (const record of records) countKeyBytes(record);
      return from;
    }
    this.encodedBytes += encoder.end - encoder.start - BATCH_HEADER_BYTES;
    this.nextOffset += stop - from;
    this.#sealBatch();
    if (this.#countedBatches > 0) this.#countedBatches--;
    return stop;
  }

  /** How many of the records from `from` on a batch takes: where the first stands that it does not. */
  #taggedEnd(records: readonly EncodableRecord[], from: number, tag: BatchTag): number {
    let bytes = BATCH_HEADER_BYTES;
    let to = from;
    for (; to < records.length && to - from < TAGGED_RECORDS_MAX; to++) {
      bytes += present(records[to], 'below the length').sizeBytes;
      const extensionBytes = tag.extensionBytesMax(to - from + 1);
      if (extensionBytes > EXTENSION_BYTES_MAX) break;
      if (bytes + extensionBytes > this.#batchLimit) break;
    }
    return to;
  }

  /** Adds a batch of records that are encoded already; the first gets the next offset. */
  addEncoded(records: EncodedRecords): void {
    const { extension, bytes, recordCount } = records;
    this.closeBatch();
    this.#room.make(BATCH_HEADER_BYTES + extension.length + bytes.length, this.nextOffset);
    this.#beginBatch(extension);
    this.#encoder.addEncoded(records);
    this.encodedBytes += extension.length + bytes.length;
    this.nextOffset += recordCount;
    this.closeBatch();
  }

  /** Seals the open batch, if there is one. Positions and sizes are those of the stored batch. */
  closeBatch(): void {
    if (this.#encoder.recordCount === 0) return;
    const joined = this.#joined;
    this.#joined = null;
    if (!this.#encoder.writeKeys()) this.#encodeAgain(joined);
    else {
      if (joined !== null) this.#placeFingerprints(joined);
      this.#sealBatch();
    }
    if (this.#countedBatches > 0) this.#countedBatches--;
  }

  #placeFingerprints(joined: JoinedFingerprints): void {
    const extension = joined.extension();
    this.#encoder.placeExtension(extension);
    this.#room.noteExtension(extension);
    this.encodedBytes += extension.length;
  }

  /** The lengths of keys were guessed wrong: more batches may be needed than one. */
  #encodeAgain(joined: JoinedFingerprints | null): void {
    const encoder = this.#encoder;
    this.#countedBatches = COUNTED_BATCHES;
    const extensionBytes = joined === null ? 0 : JOINED_EXTENSION_BYTES;
    this.encodedBytes -= encoder.end - encoder.start - BATCH_HEADER_BYTES - extensionBytes;
    this.nextOffset = this.#batchBaseOffset;
    const records = encoder.takeRecords();
    this.#isStamped = true;
    this.addRun({ records, tag: joined?.tag() ?? null });
    this.closeBatch();
    this.#isStamped = false;
  }

  #sealBatch(): void {
    const room = this.#room;
    room.appendTimeMs = Math.max(room.appendTimeMs, this.#options.clock.now());
    const header = this.#header;
    header.kind = BatchKind.data;
    header.position = room.position;
    header.segmentId = present(room.segment?.header, 'an open batch has a segment').segmentId;
    header.baseOffset = this.#batchBaseOffset;
    header.appendTimeMs = room.appendTimeMs;
    // Never above the base offset: what is synced lies before what is being encoded.
    header.syncedUpTo = this.#options.marks.syncedOffset;
    room.endCrc = this.#encoder.seal(header, this.#options.policy.compressor);
    this.#countBatch(header);
  }

  #countBatch(header: BatchHeader): void {
    this.encodedBytes += BATCH_HEADER_BYTES;
    this.#room.count(header, this.nextOffset, this.encodedBytes);
  }

  /** What is added from here to `endHeld` stands in batches and chunks of its own, held back. */
  beginHeld(): void {
    assert(this.#room.state === 'plain', 'one commit at a time');
    this.#cutChunk();
    this.#room.state = 'held';
  }

  /** @returns the encoded batches, in order: views on the chunks */
  endHeld(): readonly Uint8Array[] {
    this.#cutChunk();
    this.#room.state = 'plain';
    const held = this.#room.queue.in('held');
    return held.map(({ buffer, sizeBytes }) => buffer.subarray(0, sizeBytes));
  }

  /** What is held back is durable elsewhere: it is handed out now, and never forgotten. */
  commitHeld(): void {
    for (const chunk of this.#room.queue.in('held')) chunk.state = 'committed';
  }

  /** Takes back a committed chunk that could not be written, to be handed out again. */
  putBack(chunk: Chunk): void {
    this.#handedOut = null;
    this.#room.queue.putBack(chunk);
  }

  /** Bytes in committed chunks that are not written, as far as anybody said so. */
  get committedBytes(): number {
    const handedOut = this.#handedOut;
    const outBytes = handedOut?.state === 'committed' ? handedOut.sizeBytes : 0;
    return this.#room.queue.in('committed').reduce((sum, one) => sum + one.sizeBytes, outBytes);
  }

  /**
   * Adds a whole batch as it was stored elsewhere, as a committed one: all but its place stays as it
   * is, and its first record gets the next offset.
   */
  place(batch: Uint8Array): void {
    const header = emptyBatchHeader();
    readBatchHeader(viewOf(batch), 0, header);
    assert(header.baseOffset === this.nextOffset, 'a placed batch begins at the end');
    assert(header.sizeBytes === batch.length, 'a placed batch is whole');
    this.closeBatch();
    const room = this.#room;
    room.state = 'committed';
    room.make(batch.length, this.nextOffset);
    room.state = 'plain';
    room.appendTimeMs = Math.max(room.appendTimeMs, header.appendTimeMs);
    header.appendTimeMs = room.appendTimeMs;
    header.epoch = this.#header.epoch;
    header.position = room.position;
    header.segmentId = present(room.segment?.header, 'an active segment is known').segmentId;
    header.syncedUpTo = this.#options.marks.syncedOffset;
    room.endCrc = this.#encoder.place(batch, header);
    room.noteExtension(extensionOf(batch, 0, header));
    this.nextOffset = nextOffsetOf(header);
    this.encodedBytes += batch.length - BATCH_HEADER_BYTES;
    this.#countBatch(header);
  }

  /** Of the last batch, ms: no later one has less. */
  get appendTimeMs(): number {
    return this.#room.appendTimeMs;
  }

  /** Full chunks that wait, oldest first. */
  get fullChunks(): readonly Chunk[] {
    return this.#room.queue.all;
  }

  /** Takes the next chunk to write; null when everything was taken, or is held back. */
  takeChunk(): Chunk | null {
    if (this.#room.queue.isEmpty) this.closeBatch(); // May need a chunk more.
    if (this.#room.queue.isHeld) return null;
    const chunk = this.#room.take();
    if (chunk !== null) this.#takenBytes = chunk.encodedBytes;
    this.#handedOut = chunk;
    return chunk;
  }

  /** Bytes encoded, before compression, that no chunk took along yet. */
  get unwrittenBytes(): number {
    return this.encodedBytes - this.#takenBytes;
  }

  /** Whether `takeChunk` would return one. */
  get hasChunk(): boolean {
    if (!this.#room.queue.isEmpty) return !this.#room.queue.isHeld;
    return this.#encoder.recordCount > 0 || this.#room.hasBatches;
  }

  /** Takes back the buffer of a chunk that was written or given up. */
  release(chunk: Chunk): void {
    this.#handedOut = null;
    this.#room.release(chunk);
  }

  /**
   * Forgets everything behind the written end, and behind what is committed: its callers were told
   * that it failed.
   *
   * @returns where it ends now
   */
  rewind(written: LogEnd): LogEnd {
    const end = this.#room.rewind(written);
    this.#encoder.discard();
    this.#joined = null;
    this.#takenBytes = this.encodedBytes;
    this.nextOffset = end.offset;
    return end;
  }

  /** Ends the batch and the chunk that are open: what follows stands in another. */
  #cutChunk(): void {
    this.closeBatch();
    this.#room.cut();
  }

  #openBatch(firstRecord: EncodableRecord): void {
    countKeyBytes(firstRecord); // Where room is planned a guess will not do.
    this.#makeRoom(BATCH_HEADER_BYTES + firstRecord.sizeBytes);
    this.#beginBatch();
  }

  /** For a batch of `bytes` or more, and says how many more. */
  #makeRoom(bytes: number): void {
    const { policy } = this.#options;
    const chunk = this.#room.make(bytes, this.nextOffset);
    const roomInSegment = policy.segmentBytesMax - this.#room.position;
    const roomInChunk = chunk.buffer.length - this.#encoder.end;
    this.#batchLimit = Math.max(bytes, Math.min(policy.batchBytesMax, roomInSegment));
    this.#batchLimit = Math.min(this.#batchLimit, roomInChunk);
  }

  /** @param extension  its extension block, or the room for it */
  #beginBatch(extension: Uint8Array | number = 0): void {
    const { topologyVersion } = this.#options;
    const header = this.#header;
    if (!this.#isStamped) header.topologyVersion = topologyVersion?.() ?? 0;
    header.producerId = 0;
    header.baseSequence = 0;
    header.producerEpoch = 0;
    this.#batchBaseOffset = this.nextOffset;
    if (typeof extension === 'number') return this.#encoder.beginBehind(extension);
    this.#encoder.begin(extension);
    this.#room.noteExtension(extension);
  }
}
