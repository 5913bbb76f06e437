/** One number for all calls of a run: two runs of one seed must have the same. */
import { crc32 } from 'node:zlib';

import type { Call } from './fault-plan.ts';

export class TraceHash {
  #hash = 0;
  #count = 0;

  /** Pass this as `trace` to a `FaultyFileSystem`. */
  readonly record = (number: number, call: Call): void => {
    const { operation, path, position = -1, length = -1, bytes, isSync = false } = call;
    this.#count += 1;
    this.#hash = crc32(
      `${number} ${operation} ${path} ${position} ${length} ${String(isSync)}`,
      this.#hash,
    );
    if (bytes !== undefined) this.#hash = crc32(bytes, this.#hash);
  };

  /** Count and hash of what was recorded. */
  get digest(): string {
    return `${this.#count}-${this.#hash.toString(16).padStart(8, '0')}`;
  }
}
