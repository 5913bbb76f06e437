/** The unfinished file of the next generation of a segment: written from front to back, synced now and then. */
import { MIB } from '../core/limits.ts';
import type { Pace } from '../core/pace.ts';
import { SEGMENT_HEADER_BYTES } from '../format/layout.ts';
import type { File } from '../io/file-system.ts';
import { writeFully } from '../io/transfer.ts';
import type { TakeTurn } from './log-home.ts';

/** So that a sync of somebody who waits never stands behind the write-back of a whole segment. */
const UNSYNCED_BYTES_MAX = 8 * MIB;

export interface GenerationFileOptions {
  readonly file: File;
  /** Null = its syncs may begin at once. */
  readonly takeTurn: TakeTurn | null;
  readonly pace: Pace;
}

export class GenerationFile {
  readonly file: File;
  /** Where the next bytes go; the header is written last. */
  position = SEGMENT_HEADER_BYTES;
  readonly #takeTurn: TakeTurn | null;
  readonly #pace: Pace;
  #unsyncedBytes = 0;

  constructor({ file, takeTurn, pace }: GenerationFileOptions) {
    this.file = file;
    this.#takeTurn = takeTurn;
    this.#pace = pace;
  }

  /** Writes bytes behind what was written. @throws IoError; what `Pace.turn` throws */
  async write(bytes: Uint8Array): Promise<void> {
    await writeFully(this.file, bytes, this.position);
    this.position += bytes.length;
    this.#unsyncedBytes += bytes.length;
    this.#pace.spend(bytes.length);
    if (this.#unsyncedBytes >= UNSYNCED_BYTES_MAX) await this.sync();
    await this.#pace.turn();
  }

  /** Makes all that was written durable, when it is its turn. A sync that failed is not to be tried again. */
  async sync(): Promise<void> {
    const turn = this.#takeTurn?.(true) ?? null;
    try {
      await turn?.begun;
      await this.file.datasync();
    } finally {
      turn?.end();
    }
    this.#unsyncedBytes = 0;
  }
}
