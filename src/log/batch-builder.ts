/**
 * The encoded end of a log: turns records into batches inside write buffers, decides where batches
 * and segments end, and hands out chunks to be written in order.
 *
 * Pure memory: it knows positions and ids of segments that do not exist yet, and goes back to the
 * written end when a write fails.
 */
import { assert, present } from '../core/assert.ts';
import type { Clock } from '../core/clock.ts';
import type { Random } from '../core/random.ts';
import { BatchEncoder, countKeyBytes } from '../format/batch-encoder.ts';
import type { EncodableRecord, EncodedRecords } from '../format/batch-encoder.ts';
import {
  emptyBatchHeader,
  nextOffsetOf,
  readBatchHeader,
  type BatchHeader,
} from '../format/batch-header.ts';
import { BATCH_HEADER_BYTES, BatchKind, SEGMENT_HEADER_BYTES } from '../format/layout.ts';
import { viewOf } from '../format/u64.ts';
import { writeBufferPool, type BufferPool } from '../io/buffer-pool.ts';
import type { Segment } from '../segment/segment.ts';
import { ChunkQueue, type Chunk, type ChunkState, type LogEnd } from './chunk.ts';
import type { LogDirectory } from './log-directory.ts';
import type { LogMarks } from './marks.ts';
import { planSegment } from './planned-segment.ts';
import { shouldRoll, type BatchPolicy } from './roll-policy.ts';

export interface BatchBuilderOptions {
  readonly directory: LogDirectory;
  readonly clock: Clock;
  readonly random: Random;
  readonly marks: LogMarks;
  readonly logId: number;
  /** Of the store that the log belongs to; 0 = of its own. */
  readonly ownerId: number;
  readonly epoch: number;
  readonly policy: BatchPolicy;
  /** Stamps each batch that is begun; null = 0. */
  readonly topologyVersion: (() => number) | null;
  readonly end: LogEnd;
}

/** After a batch with a key that is not ASCII, more of them are likely. */
const COUNTED_BATCHES = 64;

export class BatchBuilder {
  /** Offset that the next record gets. */
  nextOffset: number;
  /** Bytes encoded, before compression, since the builder was made: progress, never going back. */
  encodedBytes = 0;

  readonly #options: BatchBuilderOptions;
  readonly #encoder = new BatchEncoder();
  readonly #pool: BufferPool;
  readonly #header: BatchHeader = emptyBatchHeader();
  readonly #queue: ChunkQueue;
  #chunk: Chunk | null = null;
  /** Of the chunks that are opened now. */
  #state: ChunkState = 'plain';
  #segment: Segment | null;
  #isSealed: boolean;
  #position: number;
  #endCrc: number;
  #appendTimeMs: number;
  #batchLimit = 0;
  /** `encodedBytes` of the last chunk that was taken. */
  #takenBytes = 0;
  #batchBaseOffset = 0;
  /** For so many batches keys are counted, not guessed. */
  #countedBatches = 0;
  /** The open batch is encoded again: its records were stamped. */
  #isStamped = false;

  constructor(options: BatchBuilderOptions) {
    this.#options = options;
    const { end, policy } = options;
    this.#pool = writeBufferPool(policy.segmentBytesMax); // A chunk never spans segments.
    this.#queue = new ChunkQueue(this.#pool);
    this.#segment = end.segment;
    this.#isSealed = end.isSealed;
    this.#position = end.position;
    this.#endCrc = end.endCrc;
    this.#appendTimeMs = end.appendTimeMs;
    this.nextOffset = end.offset;
    this.#header.logId = options.logId;
    this.#header.epoch = options.epoch;
  }

  /** Encodes one record and returns its offset. Cost: a copy of its bytes. */
  add(record: EncodableRecord): number {
    const encoder = this.#encoder;
    const isOpen = encoder.recordCount > 0 && this.#countedBatches === 0;
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

  /** Adds a batch of records that are encoded already; the first gets the next offset. */
  addEncoded(records: EncodedRecords): void {
    const { extension, bytes, recordCount } = records;
    this.closeBatch();
    this.#roomFor(BATCH_HEADER_BYTES + extension.length + bytes.length);
    this.#beginBatch(extension);
    this.#encoder.addEncoded(records);
    this.encodedBytes += extension.length + bytes.length;
    this.nextOffset += recordCount;
    this.closeBatch();
  }

  /** Seals the open batch, if there is one. Positions and sizes are those of the stored batch. */
  closeBatch(): void {
    if (this.#encoder.recordCount === 0) return;
    if (this.#encoder.writeKeys()) this.#sealBatch();
    else this.#encodeAgain();
    if (this.#countedBatches > 0) this.#countedBatches--;
  }

  /** The lengths of keys were guessed wrong: more batches may be needed than one. */
  #encodeAgain(): void {
    const encoder = this.#encoder;
    this.#countedBatches = COUNTED_BATCHES;
    this.encodedBytes -= encoder.end - encoder.start - BATCH_HEADER_BYTES;
    this.nextOffset = this.#batchBaseOffset;
    const records = encoder.takeRecords();
    this.#isStamped = true;
    this.addAll(records, records.length);
    this.closeBatch();
    this.#isStamped = false;
  }

  #sealBatch(): void {
    const chunk = this.#chunk;
    const segment = this.#segment;
    assert(chunk !== null && segment?.header != null, 'an open batch stands in a chunk');
    this.#appendTimeMs = Math.max(this.#appendTimeMs, this.#options.clock.now());
    const header = this.#header;
    header.kind = BatchKind.data;
    header.position = this.#position;
    header.segmentId = segment.header.segmentId;
    header.baseOffset = this.#batchBaseOffset;
    header.appendTimeMs = this.#appendTimeMs;
    // Never above the base offset: what is synced lies before what is being encoded.
    header.syncedUpTo = this.#options.marks.syncedOffset;
    this.#endCrc = this.#encoder.seal(header, this.#options.policy.compressor);
    this.#countBatch(chunk, segment, header);
  }

  /** The batch of `header` stands at the end of the chunk, sealed. */
  #countBatch(chunk: Chunk, segment: Segment, header: BatchHeader): void {
    segment.index?.add(header);
    this.#position += header.sizeBytes;
    this.encodedBytes += BATCH_HEADER_BYTES;
    chunk.sizeBytes += header.sizeBytes;
    chunk.nextOffset = this.nextOffset;
    chunk.batchCount++;
    chunk.endCrc = this.#endCrc;
    chunk.appendTimeMs = this.#appendTimeMs;
    chunk.encodedBytes = this.encodedBytes;
    chunk.indexMark = segment.index?.mark() ?? null;
  }

  /** What is added from here to `endHeld` stands in batches and chunks of its own, held back. */
  beginHeld(): void {
    assert(this.#state === 'plain', 'one commit at a time');
    this.#cutChunk();
    this.#state = 'held';
  }

  /** @returns the encoded batches, in order: views on the chunks */
  endHeld(): readonly Uint8Array[] {
    this.#cutChunk();
    this.#state = 'plain';
    const held = this.#queue.in('held');
    return held.map(({ buffer, sizeBytes }) => buffer.subarray(0, sizeBytes));
  }

  /** What is held back is durable elsewhere: it is handed out now, and never forgotten. */
  commitHeld(): void {
    for (const chunk of this.#queue.in('held')) chunk.state = 'committed';
  }

  /** Takes back a committed chunk that could not be written, to be handed out again. */
  putBack(chunk: Chunk): void {
    this.#queue.putBack(chunk);
  }

  /** Bytes in committed chunks that were not handed out. */
  get committedBytes(): number {
    return this.#queue.in('committed').reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
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
    this.#state = 'committed';
    const chunk = this.#roomFor(batch.length);
    this.#state = 'plain';
    const segment = present(this.#segment, 'a batch has a segment');
    this.#appendTimeMs = Math.max(this.#appendTimeMs, header.appendTimeMs);
    header.appendTimeMs = this.#appendTimeMs;
    header.epoch = this.#header.epoch;
    header.position = this.#position;
    header.segmentId = present(segment.header, 'an active segment is known').segmentId;
    header.syncedUpTo = this.#options.marks.syncedOffset;
    this.#endCrc = this.#encoder.place(batch, header);
    this.nextOffset = nextOffsetOf(header);
    this.encodedBytes += batch.length - BATCH_HEADER_BYTES;
    this.#countBatch(chunk, segment, header);
  }

  /** Full chunks that wait, oldest first. */
  get fullChunks(): readonly Chunk[] {
    return this.#queue.all;
  }

  /** Takes the next chunk to write; null when everything was taken, or is held back. */
  takeChunk(): Chunk | null {
    if (this.#queue.isEmpty) this.closeBatch(); // May need a chunk more.
    if (this.#queue.isHeld) return null;
    const chunk = this.#queue.take() ?? this.#endChunk();
    if (chunk !== null) this.#takenBytes = chunk.encodedBytes;
    return chunk;
  }

  /** Bytes encoded, before compression, that no chunk took along yet. */
  get unwrittenBytes(): number {
    return this.encodedBytes - this.#takenBytes;
  }

  /** Whether `takeChunk` would return one. */
  get hasChunk(): boolean {
    if (!this.#queue.isEmpty) return !this.#queue.isHeld;
    return this.#encoder.recordCount > 0 || this.#hasBatches();
  }

  /** Takes back the buffer of a chunk that was written or given up. */
  release(chunk: Chunk): void {
    this.#pool.release(chunk.buffer);
  }

  /**
   * Forgets everything behind the written end, and behind what is committed: its callers were told
   * that it failed.
   *
   * @returns where it ends now
   */
  rewind(written: LogEnd): LogEnd {
    const end = this.#queue.keepCommitted() ?? written;
    if (this.#chunk !== null) this.release(this.#chunk);
    this.#chunk = null;
    this.#encoder.discard();
    this.#takenBytes = this.encodedBytes;
    this.#segment = end.segment;
    this.#isSealed = end.isSealed;
    this.#position = end.position;
    this.#endCrc = end.endCrc;
    this.#appendTimeMs = end.appendTimeMs;
    this.nextOffset = end.offset;
    if (end.indexMark !== null) end.segment?.index?.restore(end.indexMark);
    return end;
  }

  /** Ends the batch and the chunk that are open: what follows stands in another. */
  #cutChunk(): void {
    this.closeBatch();
    this.#queueChunk();
  }

  #queueChunk(): void {
    const chunk = this.#chunk;
    this.#chunk = null;
    if (chunk === null) return;
    if (chunk.batchCount > 0) this.#queue.push(chunk);
    else this.release(chunk);
  }

  #endChunk(): Chunk | null {
    const chunk = this.#chunk;
    if (chunk === null || chunk.batchCount === 0) return null;
    this.#chunk = null;
    return chunk;
  }

  #hasBatches(): boolean {
    return this.#chunk !== null && this.#chunk.batchCount > 0;
  }

  #openBatch(firstRecord: EncodableRecord): void {
    const { policy } = this.#options;
    countKeyBytes(firstRecord); // Where room is planned a guess will not do.
    const bytes = BATCH_HEADER_BYTES + firstRecord.sizeBytes;
    const chunk = this.#roomFor(bytes);
    const roomInSegment = policy.segmentBytesMax - this.#position;
    const roomInChunk = chunk.buffer.length - this.#encoder.end;
    this.#batchLimit = Math.max(bytes, Math.min(policy.batchBytesMax, roomInSegment));
    this.#batchLimit = Math.min(this.#batchLimit, roomInChunk);
    this.#beginBatch();
  }

  #beginBatch(extension?: Uint8Array): void {
    const { topologyVersion } = this.#options;
    if (!this.#isStamped) this.#header.topologyVersion = topologyVersion?.() ?? 0;
    this.#batchBaseOffset = this.nextOffset;
    this.#encoder.begin(extension);
  }

  /** The chunk in which a batch of `bytes` goes next, in a new segment if need be. */
  #roomFor(bytes: number): Chunk {
    const startsSegment = this.#mustRoll(bytes);
    if (startsSegment) this.#planSegment();
    const isOpen = this.#chunk?.state === this.#state;
    const room = isOpen ? present(this.#chunk, 'open').buffer.length - this.#encoder.end : 0;
    if (startsSegment || room < bytes) {
      this.#openChunk(present(this.#segment, 'a batch has a segment'), bytes, startsSegment);
    }
    return present<Chunk>(this.#chunk, 'opened above when there was none');
  }

  #mustRoll(batchBytes: number): boolean {
    const segment = this.#segment;
    if (segment?.header == null || this.#isSealed) return true;
    const active = {
      sizeBytes: this.#position,
      ageMs: this.#options.clock.now() - segment.header.createdTimeMs,
      isEmpty: this.#position === SEGMENT_HEADER_BYTES,
    };
    return shouldRoll(active, batchBytes, this.#options.policy);
  }

  #planSegment(): void {
    this.#appendTimeMs = Math.max(this.#appendTimeMs, this.#options.clock.now());
    this.#segment = planSegment(this.#options, {
      previous: this.#segment,
      offset: this.nextOffset,
      endCrc: this.#endCrc,
      timeMs: this.#appendTimeMs,
    });
    this.#isSealed = false;
    this.#position = SEGMENT_HEADER_BYTES;
    this.#endCrc = this.#segment.headerCrc;
  }

  #openChunk(segment: Segment, batchBytes: number, startsSegment: boolean): void {
    this.#queueChunk();
    const buffer = this.#pool.acquire(batchBytes);
    this.#encoder.reset(buffer, 0);
    this.#chunk = {
      state: this.#state,
      segment,
      startsSegment,
      position: this.#position,
      buffer,
      sizeBytes: 0,
      nextOffset: this.nextOffset,
      batchCount: 0,
      endCrc: 0,
      appendTimeMs: 0,
      encodedBytes: 0,
      indexMark: null,
    };
  }
}
