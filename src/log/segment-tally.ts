/** What `verify` counts in one segment, and whether the header of a rewritten one says the same. */
import type { CorruptLogDetails } from '../core/errors.ts';
import { nextOffsetOf } from '../format/batch-header.ts';
import type { VerifiedBatch } from '../format/batch-records.ts';
import { BatchKind } from '../format/layout.ts';
import type { Segment } from '../segment/segment.ts';
import { RecordCheck } from './record-check.ts';
import { gapOf, type LogGap } from './recovery-report.ts';

export interface SegmentCounts {
  readonly batchCount: number;
  readonly recordCount: number;
  /** Offsets that hold no record any more: it was compacted away. */
  readonly removedCount: number;
  /** Batches that say which producer sent their records. */
  readonly producedCount: number;
  /** Batches that say what the ids of their records come to. */
  readonly fingerprintedCount: number;
  /** Its gap batches: what earlier repairs lost, or found lost. */
  readonly gaps: readonly LogGap[];
}

export class SegmentTally {
  #batchCount = 0;
  #recordCount = 0;
  #removedCount = 0;
  readonly #gaps: LogGap[] = [];
  readonly #segment: Segment;
  readonly #records = new RecordCheck();

  constructor(segment: Segment) {
    this.#segment = segment;
  }

  get counts(): SegmentCounts {
    const { producedCount, fingerprintedCount } = this.#records;
    return {
      batchCount: this.#batchCount,
      recordCount: this.#recordCount,
      removedCount: this.#removedCount,
      producedCount,
      fingerprintedCount,
      gaps: this.#gaps,
    };
  }

  /** The next batch. @returns what is wrong with its records; null when nothing was found */
  add(batch: VerifiedBatch): CorruptLogDetails | null {
    const { header } = batch;
    this.#batchCount++;
    this.#recordCount += header.recordCount;
    if (header.kind === BatchKind.gap) {
      this.#gaps.push(gapOf(batch.file, header));
      return null;
    }
    this.#removedCount += nextOffsetOf(header) - header.baseOffset - header.recordCount;
    return this.#records.problem(batch);
  }

  /** A sentence for each compression that could not be looked into. */
  notes(): Generator<string, void, void> {
    return this.#records.notes();
  }

  /**
   * What the header counts otherwise, of a rewritten segment of which no batch is missing. Where a repair gave records
   * up, what it counts is more than is left.
   */
  headerProblem(): CorruptLogDetails | null {
    const { header, path, baseOffset } = this.#segment;
    if (header === null) return null;
    const { recordCount, tombstoneCount } = this.#records;
    const isRight =
      this.#isRight(header.recordCount, this.#recordCount) &&
      (recordCount < this.#recordCount || this.#isRight(header.tombstoneCount, tombstoneCount));
    if (isRight) return null;
    const stated = `${header.recordCount} records, ${header.tombstoneCount} without a value`;
    const reason = `the header counts ${stated}; found ${this.#recordCount}, ${tombstoneCount}`;
    const offsets = { firstOffset: baseOffset, nextOffset: null };
    return { file: path, position: 0, kind: 'header', ...offsets, reason };
  }

  #isRight(stated: number | null, found: number): boolean {
    if (stated === null || stated === found) return true;
    return this.#gaps.length > 0 && stated > found;
  }
}
