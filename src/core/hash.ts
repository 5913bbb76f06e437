/** SHA-256, where a checksum is not enough: two states must be equal when their hashes are. */
// oxlint-disable-next-line no-restricted-imports -- a hash: no chance comes in by it
import { createHash } from 'node:crypto';

export class Sha256 {
  readonly #hash = createHash('sha256');

  add(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  /** Hexadecimal. Nothing may be added behind it. */
  digest(): string {
    return this.#hash.digest('hex');
  }
}
