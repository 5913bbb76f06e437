/** How many bytes the logs of a store have: known once each was opened or looked at. */
import type { Journal } from '../journal/journal.ts';
import { Semaphore } from '../core/semaphore.ts';
import type { CappedBytes } from '../log/byte-cap.ts';
import type { TopicCatalog } from '../topic/catalog.ts';
import type { SettledRetention } from './settled-retention.ts';
import type { StoreRetention } from './store-retention.ts';

/** Directories that are looked at together. */
const LOOKS_AT_A_TIME = 8;

export interface StoreBytesParts {
  readonly journal: Journal;
  readonly catalog: TopicCatalog;
  readonly retention: StoreRetention;
  readonly settledRetention: SettledRetention;
}

export class StoreBytes implements CappedBytes {
  readonly #parts: StoreBytesParts;

  constructor(parts: StoreBytesParts) {
    this.#parts = parts;
  }

  /** What is known without I/O. */
  known(): { readonly sizeBytes: number; readonly isComplete: boolean } {
    const { journal, catalog } = this.#parts;
    let { sizeBytes } = journal;
    let isComplete = true;
    for (const { extent } of catalog.partitions()) {
      if (extent === null) isComplete = false;
      sizeBytes += extent?.sizeBytes ?? 0;
    }
    return { sizeBytes, isComplete };
  }

  /** Looks at the partitions that are not known yet: a listing each, once. */
  async count(): Promise<number> {
    const looks = new Semaphore(LOOKS_AT_A_TIME);
    const unknown = this.#parts.catalog.partitions().filter(({ extent }) => extent === null);
    await Promise.all(unknown.map((partition) => looks.run(() => partition.measure())));
    return this.known().sizeBytes;
  }

  async retain(): Promise<void> {
    const { retention, settledRetention } = this.#parts;
    await Promise.all([retention.run(), settledRetention.run()]);
  }
}
