/** Room for batches at the encoded end of a log: which chunk of which segment the next one goes into. */
import { assert, present } from '../core/assert.ts';
import type { Clock } from '../core/clock.ts';
import type { BatchEncoder } from '../format/batch-encoder.ts';
import type { BatchHeader } from '../format/batch-header.ts';
import { findField } from '../format/extension.ts';
import { ExtensionType, SEGMENT_HEADER_BYTES } from '../format/layout.ts';
import { writeBufferPool, type BufferPool } from '../io/buffer-pool.ts';
import type { Segment } from '../segment/segment.ts';
import { ChunkQueue, type Chunk, type ChunkState, type LogEnd } from './chunk.ts';
import { planSegment, type PlannedSegmentParts } from './planned-segment.ts';
import { shouldRoll, type RollPolicy } from './roll-policy.ts';

export interface ChunkRoomOptions extends PlannedSegmentParts {
  readonly clock: Clock;
  readonly policy: RollPolicy;
  /** Where the log ends as it is written. */
  readonly end: LogEnd;
}

export class ChunkRoom {
  /** Of the chunks that are opened now. */
  state: ChunkState = 'plain';
  /** The one that is filled; null when the next batch opens one. */
  chunk: Chunk | null = null;
  /** Of the next batch, unless it begins another. */
  segment: Segment | null;
  /** In the segment, of the next batch. */
  position: number;
  /** Of the last batch, as is `appendTimeMs`. */
  endCrc: number;
  appendTimeMs: number;
  /** Chunks that are full, or were ended. */
  readonly queue: ChunkQueue;
  readonly #options: ChunkRoomOptions;
  /** Writes into the open chunk. */
  readonly #encoder: BatchEncoder;
  readonly #pool: BufferPool;
  #isSealed: boolean;

  constructor(options: ChunkRoomOptions, encoder: BatchEncoder) {
    this.#options = options;
    this.#encoder = encoder;
    const { end, policy } = options;
    this.#pool = writeBufferPool(policy.segmentBytesMax); // A chunk never spans segments.
    this.queue = new ChunkQueue(this.#pool);
    this.segment = end.segment;
    this.#isSealed = end.isSealed;
    this.position = end.position;
    this.endCrc = end.endCrc;
    this.appendTimeMs = end.appendTimeMs;
  }

  /** Whether there are batches in the open chunk. */
  get hasBatches(): boolean {
    return this.chunk !== null && this.chunk.batchCount > 0;
  }

  /** The chunk in which a batch of `bytes` that begins at `offset` goes, in a new segment if need be. */
  make(bytes: number, offset: number): Chunk {
    const startsSegment = this.#mustRoll(bytes);
    if (startsSegment) this.#planSegment(offset);
    const isOpen = this.chunk?.state === this.state;
    const room = isOpen ? present(this.chunk, 'open').buffer.length - this.#encoder.end : 0;
    if (startsSegment || room < bytes) this.#openChunk(bytes, offset, startsSegment);
    return present<Chunk>(this.chunk, 'opened above when there was none');
  }

  /**
   * The batch of `header` stands in the room that was made for it, sealed.
   *
   * @param nextOffset    first offset after it
   * @param encodedBytes  of the builder, with it
   */
  count(header: BatchHeader, nextOffset: number, encodedBytes: number): void {
    const { chunk, segment } = this;
    assert(chunk !== null && segment !== null, 'a batch stands in a chunk');
    segment.index?.add(header);
    this.position += header.sizeBytes;
    chunk.sizeBytes += header.sizeBytes;
    chunk.nextOffset = nextOffset;
    chunk.batchCount++;
    chunk.endCrc = this.endCrc;
    chunk.appendTimeMs = this.appendTimeMs;
    chunk.encodedBytes = encodedBytes;
    chunk.indexMark = segment.index?.mark() ?? null;
  }

  /** The batch that is begun in its segment has this extension block; null = it has none. */
  noteExtension(block: Uint8Array | null): void {
    const { segment } = this;
    if (block === null || segment === null || segment.hasFingerprints) return;
    segment.hasFingerprints = findField(block, ExtensionType.fingerprints) !== null;
  }

  /** Ends the open chunk: what follows stands in another. */
  cut(): void {
    const { chunk } = this;
    this.chunk = null;
    if (chunk === null) return;
    if (chunk.batchCount > 0) this.queue.push(chunk);
    else this.release(chunk);
  }

  /** Takes the oldest chunk, or the open one; null when there is none with batches. */
  take(): Chunk | null {
    const queued = this.queue.take();
    if (queued !== null) return queued;
    const { chunk } = this;
    if (chunk === null || chunk.batchCount === 0) return null;
    this.chunk = null;
    return chunk;
  }

  /** Takes back the buffer of a chunk. */
  release(chunk: Chunk): void {
    this.#pool.release(chunk.buffer);
  }

  /** Forgets all chunks behind `written` but those that are committed. @returns where they end now */
  rewind(written: LogEnd): LogEnd {
    const end = this.queue.keepCommitted() ?? written;
    if (this.chunk !== null) this.release(this.chunk);
    this.chunk = null;
    this.segment = end.segment;
    this.#isSealed = end.isSealed;
    this.position = end.position;
    this.endCrc = end.endCrc;
    this.appendTimeMs = end.appendTimeMs;
    if (end.indexMark !== null) end.segment?.index?.restore(end.indexMark);
    return end;
  }

  #mustRoll(batchBytes: number): boolean {
    const { segment } = this;
    if (segment?.header == null || this.#isSealed) return true;
    const active = {
      sizeBytes: this.position,
      ageMs: this.#options.clock.now() - segment.header.createdTimeMs,
      isEmpty: this.position === SEGMENT_HEADER_BYTES,
    };
    return shouldRoll(active, batchBytes, this.#options.policy);
  }

  #planSegment(offset: number): void {
    this.appendTimeMs = Math.max(this.appendTimeMs, this.#options.clock.now());
    this.segment = planSegment(this.#options, {
      previous: this.segment,
      offset,
      endCrc: this.endCrc,
      timeMs: this.appendTimeMs,
    });
    this.#isSealed = false;
    this.position = SEGMENT_HEADER_BYTES;
    this.endCrc = this.segment.headerCrc;
  }

  #openChunk(batchBytes: number, offset: number, startsSegment: boolean): void {
    this.cut();
    const buffer = this.#pool.acquire(batchBytes);
    this.#encoder.reset(buffer, 0);
    this.chunk = {
      state: this.state,
      segment: present(this.segment, 'a batch has a segment'),
      startsSegment,
      position: this.position,
      buffer,
      sizeBytes: 0,
      nextOffset: offset,
      batchCount: 0,
      endCrc: 0,
      appendTimeMs: 0,
      encodedBytes: 0,
      indexMark: null,
    };
  }
}
