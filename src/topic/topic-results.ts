/** What appends to topics take and answer. */
import { checkAppendKeys, NO_OPTIONS, type AppendOptions } from '../log/append-result.ts';
import type { DurabilityLevel } from '../log/log-options.ts';
import type { RecordInput } from '../log/record-input.ts';

/** A record to append to a topic. */
export interface TopicRecordInput<T> extends RecordInput<T> {
  /**
   * 1 to 255 bytes of UTF-8: while a record with this id counts (`dedupWindowMs`), another is not stored.
   * Consumers find it in the header `varve-dedup-id`. Default none.
   */
  readonly dedupId?: string | undefined;
}

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
  /** Whether an equal record was stored before: nothing was appended, and this is where that one is. */
  readonly duplicate: boolean;
}

/** A record of a call that was stored before, or stands twice in the call. */
export interface DuplicateRecord {
  /** Its number in the call, from 0. */
  readonly index: number;
  /** Where the one is that is stored. */
  readonly partition: number;
  readonly offset: number;
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
  /** Those that were appended: duplicates are not among them. */
  readonly recordCount: number;
  /** Ascending by index. */
  readonly duplicates: readonly DuplicateRecord[];
  /** The level that was reached by all of them. */
  readonly durability: DurabilityLevel;
}
