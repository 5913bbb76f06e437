/**
 * The encoded end of a log: turns records into batches inside write buffers, decides where batches
 * and segments end, and hands out chunks to be written in order.
 *
 * Pure memory: it knows positions and ids of segments that do not exist yet, and goes back to the
 * written end when a write fails.
 */
import { assert, present } from '../core/assert.ts';
import type { Clock } from '../core/clock.ts';
import { randomId, type Random } from '../core/random.ts';
import { BatchEncoder, countKeyBytes, type EncodableRecord } from '../format/batch-encoder.ts';
import { emptyBatchHeader, type BatchHeader } from '../format/batch-header.ts';
import type { Compressor } from '../format/compression.ts';
import { BATCH_HEADER_BYTES, BatchKind, SEGMENT_HEADER_BYTES } from '../format/layout.ts';
import { encodeSegmentHeader, segmentHeaderCrc } from '../format/segment-header.ts';
import { writeBufferPool, type BufferPool } from '../io/buffer-pool.ts';
import type { IndexMark } from '../segment/segment-index.ts';
import { Segment } from '../segment/segment.ts';
import type { LogDirectory } from './log-directory.ts';
import type { LogMarks } from './marks.ts';
import { shouldRoll, type RollPolicy } from './roll-policy.ts';

/** Bytes for one write: whole batches of one segment. */
export interface Chunk {
  readonly segment: Segment;
  /** The file must be created first, and its predecessor sealed. */
  readonly startsSegment: boolean;
  readonly position: number;
  readonly buffer: Buffer;
  sizeBytes: number;
  /** First offset after the chunk. */
  nextOffset: number;
  batchCount: number;
  /** Checksum and append time of its last batch. */
  endCrc: number;
  appendTimeMs: number;
  /** The builder's `encodedBytes` after its last batch. */
  encodedBytes: number;
  /** The segment's index after its last batch. */
  indexMark: IndexMark | null;
}

/** Where written data ends: what a failed write goes back to. */
export interface LogEnd {
  /** The last segment; null when there is none. */
  readonly segment: Segment | null;
  /** Nothing may be appended to `segment`: the next batch begins a new one. */
  readonly isSealed: boolean;
  readonly position: number;
  readonly offset: number;
  readonly endCrc: number;
  readonly appendTimeMs: number;
  readonly indexMark: IndexMark | null;
}

/** May change from one batch to the next. */
export interface BatchPolicy extends RollPolicy {
  /** Where a batch is closed: bytes before compression. */
  readonly batchBytesMax: number;
  /** Null: batches are stored as they are. */
  readonly compressor: Compressor | null;
}

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
  readonly #queue: Chunk[] = [];
  #chunk: Chunk | null = null;
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

  constructor(options: BatchBuilderOptions) {
    this.#options = options;
    const { end, policy } = options;
    this.#pool = writeBufferPool(policy.segmentBytesMax); // A chunk never spans segments.
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
    this.addAll(records, records.length);
    this.closeBatch();
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

  /** Full chunks that wait, oldest first. */
  get fullChunks(): readonly Chunk[] {
    return this.#queue;
  }

  /** Takes the next chunk to write; null when everything was taken. */
  takeChunk(): Chunk | null {
    if (this.#queue.length === 0) this.closeBatch(); // May need a chunk more.
    const chunk = this.#queue.shift() ?? this.#endChunk();
    if (chunk !== null) this.#takenBytes = chunk.encodedBytes;
    return chunk;
  }

  /** Bytes encoded, before compression, that no chunk took along yet. */
  get unwrittenBytes(): number {
    return this.encodedBytes - this.#takenBytes;
  }

  /** Whether `takeChunk` would return one. */
  get hasChunk(): boolean {
    return this.#queue.length > 0 || this.#encoder.recordCount > 0 || this.#hasBatches();
  }

  /** Takes back the buffer of a chunk that was written or given up. */
  release(chunk: Chunk): void {
    this.#pool.release(chunk.buffer);
  }

  /** Forgets everything behind the written end: its callers were told that it failed. */
  rewind(end: LogEnd): void {
    for (const chunk of this.#queue) this.release(chunk);
    this.#queue.length = 0;
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
    const startsSegment = this.#mustRoll(bytes);
    if (startsSegment) this.#planSegment();
    const segment = this.#segment;
    assert(segment !== null, 'a batch has a segment');
    const room = this.#chunk === null ? 0 : this.#chunk.buffer.length - this.#encoder.end;
    if (startsSegment || room < bytes) this.#openChunk(segment, bytes, startsSegment);
    const roomInSegment = policy.segmentBytesMax - this.#position;
    const chunk = present<Chunk>(this.#chunk, 'opened above when there was none');
    const roomInChunk = chunk.buffer.length - this.#encoder.end;
    this.#batchLimit = Math.max(bytes, Math.min(policy.batchBytesMax, roomInSegment));
    this.#batchLimit = Math.min(this.#batchLimit, roomInChunk);
    this.#batchBaseOffset = this.nextOffset;
    this.#encoder.begin();
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
    const { directory, random, clock, logId, ownerId, epoch } = this.#options;
    this.#appendTimeMs = Math.max(this.#appendTimeMs, clock.now());
    const previousId = this.#segment?.header?.segmentId ?? 0;
    const header = {
      logId,
      segmentId: randomId(random),
      generation: 0,
      baseOffset: this.nextOffset,
      previousId,
      previousEndOffset: this.nextOffset,
      previousEndCrc: this.#endCrc,
      epoch,
      createdTimeMs: this.#appendTimeMs,
      ownerId,
      endOffset: 0,
      endCrc: 0,
    };
    const crc = segmentHeaderCrc(encodeSegmentHeader(header));
    this.#segment = Segment.planned(directory.segmentPath(this.nextOffset), header, crc);
    this.#isSealed = false;
    this.#position = SEGMENT_HEADER_BYTES;
    this.#endCrc = crc;
  }

  #openChunk(segment: Segment, batchBytes: number, startsSegment: boolean): void {
    if (this.#chunk !== null) {
      if (this.#chunk.batchCount > 0) this.#queue.push(this.#chunk);
      else this.release(this.#chunk);
    }
    const buffer = this.#pool.acquire(batchBytes);
    this.#encoder.reset(buffer, 0);
    this.#chunk = {
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
