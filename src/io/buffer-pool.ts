/** Reused buffers of one size: fresh ones cost page faults on every write. */

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
