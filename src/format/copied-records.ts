/**
 * Records of verified batches, copied as they stand but for their place, some without one of their
 * headers: the body of another batch.
 *
 * @hot One instance for many batches; no allocation per record. Records that stand one behind the other
 * are copied together.
 */
import { assert } from '../core/assert.ts';
import type { EncodedRecords } from './batch-encoder.ts';
import { ChecksumTail } from './checksum-tail.ts';
import type { Stretch } from './further-keys.ts';
import { RECORD_OFFSET_DELTA_AT, RECORD_SIZE_AND_FLAGS_AT } from './layout.ts';
import { createTimeOf, recordSizeOf } from './record-fields.ts';
import { viewOf } from './u64.ts';

const BYTES_MIN = 64 * 1024;

/** A record with headers, as `BatchCursor` tells of it. */
export interface HeadedRecord {
  readonly start: number;
  readonly sizeBytes: number;
  readonly headersStart: number;
}

interface CopySource {
  readonly bytes: Uint8Array;
}

export class CopiedRecords {
  /** Records since `clear`. */
  recordCount = 0;
  /** Their bytes. */
  sizeBytes = 0;
  #minCreateTimeMs = Number.MAX_SAFE_INTEGER;
  #maxCreateTimeMs = 0;
  #bytes = new Uint8Array(BYTES_MIN);
  #view = viewOf(this.#bytes);
  /** Of those, what was copied. */
  #copiedBytes = 0;
  #copiedCount = 0;
  /** Where the others stand, one behind the other; null = there are no others. */
  #from: CopySource | null = null;
  #fromStart = 0;
  #fromEnd = 0;

  /** Begins the next batch. */
  clear(): void {
    this.recordCount = 0;
    this.sizeBytes = 0;
    this.#minCreateTimeMs = Number.MAX_SAFE_INTEGER;
    this.#maxCreateTimeMs = 0;
    this.#copiedBytes = 0;
    this.#copiedCount = 0;
    this.#from = null;
  }

  /** Adds the record of `recordBytes` at `from.bytes[start]`, which was verified. `copy` copies it. */
  add(from: CopySource, start: number, recordBytes: number): void {
    if (from !== this.#from || start !== this.#fromEnd) {
      this.copy();
      this.#from = from;
      this.#fromStart = start;
    }
    this.#fromEnd = start + recordBytes;
    this.sizeBytes += recordBytes;
    this.recordCount++;
  }

  /** Copies what is not yet. */
  copy(): void {
    if (this.#from === null) return;
    const end = this.sizeBytes;
    if (end > this.#bytes.length) this.#grow(end);
    this.#bytes.set(this.#from.bytes.subarray(this.#fromStart, this.#fromEnd), this.#copiedBytes);
    this.#from = null;
    const view = this.#view;
    let at = this.#copiedBytes;
    let count = this.#copiedCount;
    for (; count < this.recordCount; count++) {
      view.setUint32(at + RECORD_OFFSET_DELTA_AT, count, true);
      const createTimeMs = createTimeOf(view, at);
      if (createTimeMs < this.#minCreateTimeMs) this.#minCreateTimeMs = createTimeMs;
      if (createTimeMs > this.#maxCreateTimeMs) this.#maxCreateTimeMs = createTimeMs;
      at += recordSizeOf(view, at);
    }
    assert(at === end, 'records stand one behind the other');
    this.#copiedBytes = at;
    this.#copiedCount = count;
  }

  /** As `add`, but for a stretch of its header block: some of the headers, not all. */
  addWithout(
    from: CopySource,
    { start, sizeBytes, headersStart }: HeadedRecord,
    cut: Stretch,
  ): void {
    const at = this.sizeBytes;
    this.add(from, start, sizeBytes);
    this.copy();
    const moved = at - start;
    this.#bytes.copyWithin(cut.start + moved, cut.end + moved, this.sizeBytes);
    const cutBytes = cut.end - cut.start;
    this.sizeBytes -= cutBytes;
    this.#copiedBytes = this.sizeBytes;
    const view = this.#view;
    const sizeAt = at + RECORD_SIZE_AND_FLAGS_AT;
    const blockAt = headersStart + moved;
    // The size is in the lower bits, and larger: no flag changes.
    view.setUint32(sizeAt, view.getUint32(sizeAt, true) - cutBytes, true);
    view.setUint16(blockAt, view.getUint16(blockAt, true) - cutBytes, true);
  }

  /** Begins with what others have so far. */
  copyFrom(others: CopiedRecords): void {
    others.copy();
    this.clear();
    if (others.sizeBytes > this.#bytes.length) this.#grow(others.sizeBytes);
    this.#bytes.set(others.#bytes.subarray(0, others.sizeBytes));
    this.recordCount = others.recordCount;
    this.sizeBytes = others.sizeBytes;
    this.#copiedCount = others.recordCount;
    this.#copiedBytes = others.sizeBytes;
    this.#minCreateTimeMs = others.#minCreateTimeMs;
    this.#maxCreateTimeMs = others.#maxCreateTimeMs;
  }

  /**
   * The records so far, good until `clear` or `add`.
   *
   * @param extension  of their batch
   * @param isForMany  they go to several logs: the checksum of what these have in common is computed
   */
  encoded(extension: Uint8Array, isForMany = false): EncodedRecords {
    this.copy();
    const bytes = this.#bytes.subarray(0, this.sizeBytes);
    return {
      extension,
      bytes,
      tail: isForMany ? new ChecksumTail([extension, bytes]) : null,
      recordCount: this.recordCount,
      minCreateTimeMs: this.#minCreateTimeMs,
      maxCreateTimeMs: this.#maxCreateTimeMs,
    };
  }

  #grow(bytesMin: number): void {
    const larger = new Uint8Array(Math.max(bytesMin, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.#copiedBytes));
    this.#bytes = larger;
    this.#view = viewOf(larger);
  }
}
