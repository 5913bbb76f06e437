/** What appends take beside the records, and what they answer. */
import type { DurabilityLevel } from './log-options.ts';

export interface AppendOptions {
  /** When to answer; default the log's level. */
  readonly durability?: DurabilityLevel | undefined;
  /** Append only if the first record gets this offset, else WrongOffsetError. */
  readonly expectedOffset?: number | undefined;
  /** Stops waiting with the signal's reason; a record that was already taken stays appended. */
  readonly signal?: AbortSignal | undefined;
}

export interface AppendResult {
  readonly offset: number;
  /** The level that was reached. */
  readonly durability: DurabilityLevel;
}

export interface AppendBatchResult {
  /** Offset of the first record; the others follow without a gap. */
  readonly baseOffset: number;
  readonly recordCount: number;
  /** The level that was reached by all of them. */
  readonly durability: DurabilityLevel;
}
