/** What appends to topics take and answer. */
import type { AppendOptions } from '../log/append-result.ts';
import type { DurabilityLevel } from '../log/log-options.ts';

export interface TopicAppendOptions extends Pick<AppendOptions, 'durability' | 'signal'> {
  /** From 0; default: as the topic's partitioner chooses. */
  readonly partition?: number | undefined;
}

export interface TopicAppendResult {
  /** From 0. */
  readonly partition: number;
  readonly offset: number;
  /** The level that was reached. */
  readonly durability: DurabilityLevel;
}

/** Records of one call that went to one partition, in their order. */
export interface PlacedRecords {
  readonly partition: number;
  readonly baseOffset: number;
  readonly recordCount: number;
}

export interface TopicAppendBatchResult {
  /** Ascending by partition; only those that got records. */
  readonly placements: readonly PlacedRecords[];
  readonly recordCount: number;
  /** The level that was reached by all of them. */
  readonly durability: DurabilityLevel;
}
