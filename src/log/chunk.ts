/** Chunks: encoded batches on their way to the disk, in order, and what may be done with each. */
import type { Segment } from '../segment/segment.ts';
import type { IndexMark } from '../segment/segment-index.ts';
import type { BufferPool } from '../io/buffer-pool.ts';

/**
 * A `held` chunk, and what lies behind it, is not handed out until a commit is durable. A `committed`
 * one is, and it is not forgotten when a write fails.
 */
export type ChunkState = 'plain' | 'held' | 'committed';

/** Bytes for one write: whole batches of one segment. */
export interface Chunk {
  state: ChunkState;
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

/** Full chunks that wait to be written, oldest first. */
export class ChunkQueue {
  readonly #chunks: Chunk[] = [];
  readonly #pool: BufferPool;

  /** @param pool  of the buffers of the chunks */
  constructor(pool: BufferPool) {
    this.#pool = pool;
  }

  get all(): readonly Chunk[] {
    return this.#chunks;
  }

  get isEmpty(): boolean {
    return this.#chunks.length === 0;
  }

  /** Whether the first one, and so all of them, must wait for a commit. */
  get isHeld(): boolean {
    return this.#chunks[0]?.state === 'held';
  }

  push(chunk: Chunk): void {
    this.#chunks.push(chunk);
  }

  take(): Chunk | null {
    return this.#chunks.shift() ?? null;
  }

  /** Puts one that could not be written in front again. */
  putBack(chunk: Chunk): void {
    this.#chunks.unshift(chunk);
  }

  in(state: ChunkState): readonly Chunk[] {
    return this.#chunks.filter((chunk) => chunk.state === state);
  }

  /** Forgets all but what is committed. @returns where that ends; null when there is none */
  keepCommitted(): LogEnd | null {
    const committed = this.in('committed');
    for (const chunk of this.#chunks) {
      if (chunk.state !== 'committed') this.#pool.release(chunk.buffer);
    }
    this.#chunks.splice(0, this.#chunks.length, ...committed);
    const last = committed.at(-1);
    return last === undefined ? null : endOf(last);
  }
}

function endOf(chunk: Chunk): LogEnd {
  const { segment, position, sizeBytes, nextOffset, endCrc, appendTimeMs, indexMark } = chunk;
  const end = { offset: nextOffset, position: position + sizeBytes };
  return { segment, isSealed: false, ...end, endCrc, appendTimeMs, indexMark };
}
