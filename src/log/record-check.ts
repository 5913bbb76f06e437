/**
 * Looks into verified batches for `verify`: do the records decompress, are they whole, and is what the
 * batch says of them about as many?
 */
import { present } from '../core/assert.ts';
import { CodecUnavailableError, CorruptLogError, type CorruptLogDetails } from '../core/errors.ts';
import { BatchCursor } from '../format/batch-cursor.ts';
import { compressionOf } from '../format/batch-header.ts';
import { recordsOf, type VerifiedBatch } from '../format/batch-records.ts';
import { compressionProblem } from '../format/compression.ts';
import { extensionOf } from '../format/extension.ts';
import { fingerprintsIn } from '../format/fingerprints-extension.ts';
import { producedIn } from '../format/produced-extension.ts';

export class RecordCheck {
  /** Batches so far that say which producer sent their records. */
  producedCount = 0;
  /** Batches so far that say what the ids of their records come to. */
  fingerprintedCount = 0;
  /** Records so far that were looked into, and those without a value among them. */
  recordCount = 0;
  tombstoneCount = 0;
  readonly #cursor = new BatchCursor();
  /** Batches that cannot be decompressed here, by compression. */
  readonly #unread = new Map<number, number>();

  /** What is wrong: under a right checksum a hostile file or a bug. Null when nothing was found. */
  problem(batch: VerifiedBatch): CorruptLogDetails | null {
    try {
      this.#checkTags(batch);
      this.#cursor.reset(recordsOf(batch));
      while (this.#cursor.next()) {
        this.recordCount++;
        if (this.#cursor.isTombstone) this.tombstoneCount++;
      }
    } catch (error) {
      if (error instanceof CorruptLogError) return error.details;
      if (!(error instanceof CodecUnavailableError)) throw error;
      const compression = compressionOf(batch.header);
      this.#unread.set(compression, (this.#unread.get(compression) ?? 0) + 1);
    }
    return null;
  }

  #checkTags({ bytes, at, header, file }: VerifiedBatch): void {
    const batch = { header, extension: extensionOf(bytes, at, header), file };
    if (producedIn(batch) !== null) this.producedCount++;
    if (fingerprintsIn(batch) !== null) this.fingerprintedCount++;
  }

  /** A sentence for each compression that could not be looked into: no damage. */
  *notes(): Generator<string, void, void> {
    for (const [compression, count] of this.#unread) {
      const batches = count === 1 ? '1 batch' : `${count} batches`;
      const reason = present(compressionProblem(compression), 'it was unavailable');
      yield `the records in ${batches} were not looked into, checksums are right: ${reason}`;
    }
  }
}
