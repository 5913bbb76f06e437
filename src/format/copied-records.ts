/**
 * Records of verified batches, copied as they stand but for their place, some without one of their
 * headers: the body of another batch.
 *
 * @hot One instance for many batches; no allocation per record.
 */
import type { EncodedRecords } from './batch-encoder.ts';
import type { Stretch } from './further-keys.ts';
import { RECORD_OFFSET_DELTA_AT, RECORD_SIZE_AND_FLAGS_AT } from './layout.ts';
import { createTimeOf } from './record-fields.ts';
import { viewOf } from './u64.ts';

const BYTES_MIN = 64 * 1024;

/** A record with headers, as `BatchCursor` tells of it. */
export interface HeadedRecord {
  readonly start: number;
  readonly sizeBytes: number;
  readonly headersStart: number;
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

  /** Begins the next batch. */
  clear(): void {
    this.recordCount = 0;
    this.sizeBytes = 0;
    this.#minCreateTimeMs = Number.MAX_SAFE_INTEGER;
    this.#maxCreateTimeMs = 0;
  }

  /** Copies the record of `recordBytes` at `from.bytes[start]`, behind those before. */
  add(
    from: { readonly bytes: Uint8Array; readonly view: DataView },
    start: number,
    recordBytes: number,
  ): void {
    const at = this.sizeBytes;
    if (at + recordBytes > this.#bytes.length) this.#grow(at + recordBytes);
    this.#bytes.set(from.bytes.subarray(start, start + recordBytes), at);
    this.#view.setUint32(at + RECORD_OFFSET_DELTA_AT, this.recordCount, true);
    const createTimeMs = createTimeOf(from.view, start);
    if (createTimeMs < this.#minCreateTimeMs) this.#minCreateTimeMs = createTimeMs;
    if (createTimeMs > this.#maxCreateTimeMs) this.#maxCreateTimeMs = createTimeMs;
    this.sizeBytes = at + recordBytes;
    this.recordCount++;
  }

  /** As `add`, but for a stretch of its header block: some of the headers, not all. */
  addWithout(
    from: { readonly bytes: Uint8Array; readonly view: DataView },
    { start, sizeBytes, headersStart }: HeadedRecord,
    cut: Stretch,
  ): void {
    const at = this.sizeBytes;
    this.add(from, start, sizeBytes);
    const moved = at - start;
    this.#bytes.copyWithin(cut.start + moved, cut.end + moved, this.sizeBytes);
    const cutBytes = cut.end - cut.start;
    this.sizeBytes -= cutBytes;
    // The size is in the lower bits, and larger: no flag changes.
    this.#shorten(at + RECORD_SIZE_AND_FLAGS_AT, cutBytes);
    this.#shorten(headersStart + moved, cutBytes);
  }

  /** @param extension  of their batch @returns the records so far, good until `clear` or `add` */
  encoded(extension: Uint8Array): EncodedRecords {
    return {
      extension,
      bytes: this.#bytes.subarray(0, this.sizeBytes),
      recordCount: this.recordCount,
      minCreateTimeMs: this.#minCreateTimeMs,
      maxCreateTimeMs: this.#maxCreateTimeMs,
    };
  }

  /** Of a length that is the u32 at `at`. */
  #shorten(at: number, bytes: number): void {
    this.#view.setUint32(at, this.#view.getUint32(at, true) - bytes, true);
  }

  #grow(bytesMin: number): void {
    const larger = new Uint8Array(Math.max(bytesMin, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.sizeBytes));
    this.#bytes = larger;
    this.#view = viewOf(larger);
  }
}
