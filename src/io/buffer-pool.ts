/** Reused buffers of one size: fresh ones cost page faults on every write. */
import {
  SMALL_WRITE_BUFFERS_KEPT,
  WRITE_BUFFER_BYTES,
  WRITE_BUFFERS_KEPT,
} from '../core/limits.ts';

export class BufferPool {
  readonly #sizeBytes: number;
  readonly #keptMax: number;
  readonly #kept: Buffer[] = [];

  constructor(sizeBytes: number, keptMax: number) {
    this.#sizeBytes = sizeBytes;
    this.#keptMax = keptMax;
  }

  /** A buffer of at least `sizeBytes`; its content is undefined. */
  acquire(sizeBytes: number): Buffer {
    if (sizeBytes > this.#sizeBytes) return Buffer.allocUnsafeSlow(sizeBytes);
    return this.#kept.pop() ?? Buffer.allocUnsafeSlow(this.#sizeBytes);
  }

  /** Takes a buffer back. The caller must not touch it any more. */
  release(buffer: Buffer): void {
    if (buffer.length === this.#sizeBytes && this.#kept.length < this.#keptMax) {
      this.#kept.push(buffer);
    }
  }
}

const writeBuffers = new BufferPool(WRITE_BUFFER_BYTES, WRITE_BUFFERS_KEPT);

/** Where a log that writes at most `bytesMax` at once has its buffers from: mostly shared with all. */
export function writeBufferPool(bytesMax: number): BufferPool {
  if (bytesMax >= WRITE_BUFFER_BYTES) return writeBuffers;
  return new BufferPool(bytesMax, SMALL_WRITE_BUFFERS_KEPT);
}

/**
 * Bytes of undefined content, in memory of their own. Not a `Buffer`: the views of one that readers
 * hand out take twice the time to make.
 */
export function uninitializedBytes(sizeBytes: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(sizeBytes).buffer);
}
