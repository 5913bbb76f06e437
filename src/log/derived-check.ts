/** Compares what stands behind the data of a segment with what its batches make, for `verify`. */
import type { CorruptLogDetails } from '../core/errors.ts';
import type { VerifiedBatch } from '../format/batch-records.ts';
import { isDedupTable } from '../format/dedup-table-batch.ts';
import { SegmentIndex } from '../segment/segment-index.ts';
import type { SegmentScanner } from '../segment/segment-scanner.ts';
import type { Segment } from '../segment/segment.ts';
import { indexProblem } from './index-check.ts';
import { TableCheck } from './table-check.ts';

/** Of one segment, of which no batch is missing. */
export class DerivedCheck {
  readonly #segment: Segment;
  readonly #index = new SegmentIndex();
  readonly #tables: TableCheck;

  constructor(segment: Segment) {
    this.#segment = segment;
    this.#tables = new TableCheck(segment);
  }

  /** Tables that were found. */
  get tableCount(): number {
    return this.#tables.found.length;
  }

  /** The next batch. @param isSound  whether what it says of its records is right */
  add(batch: VerifiedBatch, isSound: boolean): void {
    this.#index.add(batch.header);
    if (isSound) this.#tables.add(batch);
    else this.#tables.giveUp();
  }

  /**
   * Walks from the first batch of kind index, on which `scanner` stands, to the end.
   *
   * @returns what is not as the batches make it; `torn` when there are tables and no valid index batch
   *   behind them; null when all is right
   */
  async problem(scanner: SegmentScanner): Promise<CorruptLogDetails | 'torn' | null> {
    while (isDedupTable(scanner.bytes, scanner.start, scanner.header)) {
      const problem = this.#tables.problem(scanner);
      if (problem !== null) return problem;
      if ((await scanner.next()) !== 'index') return 'torn';
    }
    const { found, isComplete } = this.#tables;
    return indexProblem(this.#segment, scanner, this.#index, isComplete ? found : []);
  }
}
