/**
 * Copies of records on their way into destination logs: the next batch there. Logs that get the same
 * records share one, and its checksum.
 */
import { assert } from '../core/assert.ts';
import { BATCH_TARGET_BYTES } from '../core/limits.ts';
import type { BatchCursor } from '../format/batch-cursor.ts';
import type { BatchRecords } from '../format/batch-records.ts';
import { CopiedRecords } from '../format/copied-records.ts';
import type { EncodedRecords } from '../format/batch-encoder.ts';
import { ProjectedExtension, type ProjectedFrom } from '../format/projected-extension.ts';
import { hiddenKeys } from './hidden-keys.ts';

export class Outbox {
  /** Logs that share it. */
  ownerCount = 1;
  /** Of them, those that were met, while somebody counts; else 0. */
  metCount = 0;
  readonly #records = new CopiedRecords();
  readonly #extension = new ProjectedExtension();
  /** With what was added so far, and the position there; null = nobody has asked. */
  #encoded: EncodedRecords | null = null;
  #encodedPosition = 0;

  get recordCount(): number {
    return this.#records.recordCount;
  }

  get sizeBytes(): number {
    return this.#records.sizeBytes;
  }

  /** Whether so much waits that it should be handed over, or no other record fits. */
  get isFull(): boolean {
    return this.#records.sizeBytes >= BATCH_TARGET_BYTES || !this.#extension.hasRoom;
  }

  /**
   * Adds the record at which the cursor stands, without the keys that nobody is to see. `copy` comes
   * before its batch changes.
   */
  add(records: BatchRecords, cursor: BatchCursor): void {
    const hidden = hiddenKeys(cursor);
    if (hidden === null) this.#records.add(records, cursor.start, cursor.sizeBytes);
    else this.#records.addWithout(records, cursor, hidden);
    this.#extension.add(cursor.offset);
    this.#encoded = null;
  }

  /** Copies what was added. */
  copy(): void {
    this.#records.copy();
  }

  /** Begins with what another one holds. */
  copyFrom(other: Outbox): void {
    this.#records.copyFrom(other.#records);
    this.#extension.copyFrom(other.#extension);
    this.#encoded = null;
  }

  /**
   * @param from  the same for all logs that share it, but for the position
   * @returns the batch, good until `clear` or `add`
   */
  encoded(from: ProjectedFrom): EncodedRecords {
    if (this.#encoded !== null && this.#encodedPosition === from.position) return this.#encoded;
    const extension = this.#extension.encode(from);
    this.#encoded = this.#records.encoded(extension, this.ownerCount > 1);
    this.#encodedPosition = from.position;
    return this.#encoded;
  }

  clear(): void {
    this.#records.clear();
    this.#extension.clear();
    this.#encoded = null;
  }
}

/** Empty ones that are kept for the next batch. */
const KEPT_MAX = 64;

/** Shared by all that copy: between two batches nobody needs one. */
export class OutboxPool {
  readonly #kept: Outbox[] = [];

  /** An empty one, for one owner. */
  take(): Outbox {
    return this.#kept.pop() ?? new Outbox();
  }

  /** One owner has no use for it any more. */
  giveBack(box: Outbox): void {
    assert(box.ownerCount > 0, 'who gives a box back has had it');
    if (--box.ownerCount > 0) return;
    box.clear();
    box.ownerCount = 1;
    if (this.#kept.length < KEPT_MAX) this.#kept.push(box);
  }
}
