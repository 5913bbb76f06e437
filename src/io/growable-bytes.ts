/** The content of an in-memory file: bytes at explicit positions, zeros in the holes. */
import { assert } from '../core/assert.ts';

const INITIAL_BYTES = 512;
const EMPTY = new Uint8Array(0);

/**
 * A byte array that grows, and whose copies cost nothing until one of them is written.
 *
 * Invariant: the buffer holds zeros beyond `sizeBytes`, so growing over a hole needs no filling.
 */
export class GrowableBytes {
  #buffer: Uint8Array = EMPTY;
  #sizeBytes = 0;
  /** Another instance may hold the same buffer: copy it before the next change. */
  #isShared = false;

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Copies bytes out and returns how many there were; 0 at and beyond the end. */
  read(into: Uint8Array, position: number): number {
    const end = Math.min(position + into.length, this.#sizeBytes);
    if (end <= position) return 0;
    into.set(this.#buffer.subarray(position, end));
    return end - position;
  }

  /** A copy of a range, with zeros for what lies beyond the end. */
  slice(start: number, end: number): Uint8Array {
    const bytes = new Uint8Array(end - start);
    this.read(bytes, start);
    return bytes;
  }

  /** The whole content, not copied, which never changes: whoever writes next copies it first. */
  frozen(): Uint8Array {
    this.#isShared = true;
    return this.#buffer.subarray(0, this.#sizeBytes);
  }

  /** Copies bytes in; a gap between the old end and `position` reads as zeros. */
  write(from: Uint8Array, position: number): void {
    if (from.length === 0) return;
    const end = position + from.length;
    this.#own(end);
    this.#buffer.set(from, position);
    if (end > this.#sizeBytes) this.#sizeBytes = end;
  }

  /** Cuts the content, or extends it by zeros. */
  resize(sizeBytes: number): void {
    assert(Number.isSafeInteger(sizeBytes) && sizeBytes >= 0, 'a size is an integer from 0');
    if (sizeBytes === this.#sizeBytes) return; // No change, so no copy of what is shared.
    this.#own(sizeBytes);
    if (sizeBytes < this.#sizeBytes) this.#buffer.fill(0, sizeBytes, this.#sizeBytes);
    this.#sizeBytes = sizeBytes;
  }

  /** An independent copy; both sides pay for it at their next change, if there is one. */
  clone(): GrowableBytes {
    const copy = new GrowableBytes();
    copy.#buffer = this.#buffer;
    copy.#sizeBytes = this.#sizeBytes;
    copy.#isShared = true;
    this.#isShared = true;
    return copy;
  }

  /** Makes the buffer this instance's own, with room for `capacityBytes`. */
  #own(capacityBytes: number): void {
    const hasRoom = capacityBytes <= this.#buffer.length;
    if (hasRoom && !this.#isShared) return;
    const doubled = Math.max(INITIAL_BYTES, this.#buffer.length * 2);
    const length = hasRoom ? this.#buffer.length : Math.max(capacityBytes, doubled);
    const buffer = new Uint8Array(length);
    buffer.set(this.#buffer.subarray(0, this.#sizeBytes));
    this.#buffer = buffer;
    this.#isShared = false;
  }
}
