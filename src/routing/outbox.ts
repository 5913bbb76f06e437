/** Copies of records on their way into one destination log: the next batch there. */
import type { BatchCursor } from '../format/batch-cursor.ts';
import type { BatchRecords } from '../format/batch-records.ts';
import { CopiedRecords } from '../format/copied-records.ts';
import type { EncodedRecords } from '../format/batch-encoder.ts';
import { ProjectedExtension, type ProjectedFrom } from '../format/projected-extension.ts';
import { hiddenKeys } from './hidden-keys.ts';

export class Outbox {
  readonly #records = new CopiedRecords();
  readonly #extension = new ProjectedExtension();

  get recordCount(): number {
    return this.#records.recordCount;
  }

  get sizeBytes(): number {
    return this.#records.sizeBytes;
  }

  /** Whether another record fits. */
  get hasRoom(): boolean {
    return this.#extension.hasRoom;
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
  }

  /** Copies what was added. */
  copy(): void {
    this.#records.copy();
  }

  /** @returns the batch, good until `clear` or `add` */
  encoded(from: ProjectedFrom): EncodedRecords {
    return this.#records.encoded(this.#extension.encode(from));
  }

  clear(): void {
    this.#records.clear();
    this.#extension.clear();
  }
}

/** Empty ones that are kept for the next batch. */
const KEPT_MAX = 64;

/** Shared by all that copy: between two batches nobody needs one. */
export class OutboxPool {
  readonly #kept: Outbox[] = [];

  take(): Outbox {
    return this.#kept.pop() ?? new Outbox();
  }

  giveBack(box: Outbox): void {
    box.clear();
    if (this.#kept.length < KEPT_MAX) this.#kept.push(box);
  }
}
