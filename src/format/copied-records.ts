/**
 * Records of verified batches, copied as they stand but for their place: the body of another batch.
 *
 * @hot One instance for many batches; no allocation per record.
 */
import type { EncodedRecords } from './batch-encoder.ts';
import { RECORD_OFFSET_DELTA_AT } from './layout.ts';
import { createTimeOf } from './record-fields.ts';
import { viewOf } from './u64.ts';

const BYTES_MIN = 64 * 1024;

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

  #grow(bytesMin: number): void {
    const larger = new Uint8Array(Math.max(bytesMin, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.sizeBytes));
    this.#bytes = larger;
    this.#view = viewOf(larger);
  }
}
