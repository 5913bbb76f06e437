/** What appends to topics take and answer. */
import { checkAppendKeys, NO_OPTIONS, type AppendOptions } from '../log/append-result.ts';
import type { DurabilityLevel } from '../log/log-options.ts';

export interface TopicAppendOptions extends Pick<AppendOptions, 'durability' | 'signal'> {
  /** From 0; default: as the topic's partitioner chooses. */
  readonly partition?: number | undefined;
}

const KNOWN: ReadonlySet<string> = new Set<keyof TopicAppendOptions>([
  'durability',
  'signal',
  'partition',
]);

/** What its log takes of them; the same object for none. @throws TypeError for an unknown key */
export function logOptionsOf(options: TopicAppendOptions): AppendOptions {
  if (options === NO_OPTIONS) return NO_OPTIONS;
  checkAppendKeys(options, KNOWN);
  const { durability, signal } = options;
  return { durability, signal };
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
