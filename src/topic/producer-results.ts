/** What appends of producers answer. */
import type { DurabilityLevel } from '../log/log-options.ts';
import type { DuplicateRecord, PlacedRecords } from './topic-results.ts';

export interface ProducerAppendResult {
  /** Whether it was stored before, and nothing was appended. */
  readonly duplicate: boolean;
  readonly sequence: number;
  /** Null for a duplicate that is in none of the last five batches of a partition. */
  readonly partition: number | null;
  /** The same. */
  readonly offset: number | null;
  /** The level that was reached. */
  readonly durability: DurabilityLevel;
}

export interface ProducerBatchResult {
  /** Of what was appended, ascending by partition. */
  readonly placements: readonly PlacedRecords[];
  /** How many were appended. */
  readonly recordCount: number;
  /** How many were stored before. */
  readonly duplicateCount: number;
  /** Where those are, ascending by index, that are in one of the last five batches of a partition. */
  readonly duplicates: readonly DuplicateRecord[];
  /** Of the last record of the call; null = it had none. */
  readonly lastSequence: number | null;
  readonly durability: DurabilityLevel;
}
