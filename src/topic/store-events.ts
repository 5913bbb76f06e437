/** What happens in a store: names and payloads, of `Store.on` and of the channels `varve:<name>`. */
import type { CompactedSegments } from '../log/compaction-tally.ts';
import type { RecoveryReport } from '../log/recovery-report.ts';
import type { RetentionReason } from '../log/retention.ts';
import type { TopicDescription } from './topic-description.ts';
import type { UnfinishedCount } from './unfinished-passed.ts';

/** The log that it happened to. */
export interface LogPlace {
  /** Null = the journal. */
  readonly topic: string | null;
  readonly partition: number;
}

/** The group that it happened to. */
export interface GroupPlace {
  readonly topic: string;
  readonly group: string;
}

/** The record of a share group that it happened to. */
export interface RecordPlace extends GroupPlace {
  readonly partition: number;
  readonly offset: number;
}

export interface StoreEvents {
  /** The store was opened; before anybody could call `on`: a channel hears of it. */
  readonly opened: { readonly topicCount: number; readonly durationMs: number };
  readonly closed: { readonly durationMs: number };
  /** A log was opened whose end was not as it was left: after a crash, or damaged. */
  readonly recovered: LogPlace & { readonly recovery: RecoveryReport };
  /** A new segment began. */
  readonly 'segment-rolled': LogPlace & { readonly baseOffset: number };
  /** Retention let go of the oldest segments. */
  readonly 'segments-deleted': LogPlace & {
    /** The log begins here now. */
    readonly startOffset: number;
    readonly segmentCount: number;
    readonly sizeBytes: number;
    readonly reasons: readonly RetentionReason[];
  };
  /** A pass of compaction rewrote segments: they take less room now. */
  readonly compacted: LogPlace & CompactedSegments;
  /** Retention took, or copied and is to take, what a group was not done with: once for each piece of it. */
  readonly 'unfinished-passed': GroupPlace &
    UnfinishedCount & {
      readonly partition: number;
      /** Of the first of them. */
      readonly fromOffset: number;
      /** Behind the last, or the new start of the log. */
      readonly toOffset: number;
    };
  /** A sync took more than a second, without the wait for its turn. */
  readonly 'sync-slow': LogPlace & { readonly durationMs: number };
  /** A writer stopped for good: see `Store.health`. */
  readonly 'writer-failed': LogPlace & { readonly error: Error };
  readonly 'topic-created': TopicDescription;
  /** Its options, or the number of its partitions: as it is now. */
  readonly 'topic-altered': TopicDescription;
  readonly 'topic-deleted': { readonly name: string; readonly topicId: number };
  readonly 'member-joined': GroupPlace & { readonly member: string };
  readonly 'member-left': GroupPlace & {
    readonly member: string;
    /** `expired`: it did not ask for its next batch in time, and was not told yet. */
    readonly reason: 'closed' | 'expired';
    /** What it lost by that. */
    readonly partitions: readonly number[];
  };
  /** Who shall read what has changed: partitions change hands as their owners let go of them. */
  readonly 'group-rebalanced': GroupPlace & {
    /** By partition: the member that shall read it; null = nobody. */
    readonly assignment: readonly (string | null)[];
  };
  /** A lease ran out: the record is ready again, or dead. */
  readonly 'lease-expired': RecordPlace;
  /** A record was given up. */
  readonly 'record-died': RecordPlace & { readonly reason: string };
  /** What a share group journals by itself failed; it is tried again when that can help. */
  readonly 'lease-failed': GroupPlace & { readonly error: unknown };
  /** The event loop was blocked: all leases that run were extended by so much. */
  readonly 'loop-stalled': { readonly stallMs: number };
  /** The last snapshot run of the journal failed: see `Store.health`. */
  readonly 'snapshot-failed': { readonly error: unknown };
  /** A transaction was not being committed in time, and is abandoned. */
  readonly 'transaction-timed-out': {
    /** As it was given; may be empty. */
    readonly name: string;
    /** Since it was begun, by the wall clock. */
    readonly durationMs: number;
  };
  /** Appends are refused by `storeBytesMax`; once, until there was room again. */
  readonly 'bytes-max-reached': { readonly bytesMax: number };
}

/** An object, so that the compiler misses a name that is not there. */
const NAMES: Readonly<Record<keyof StoreEvents, true>> = {
  opened: true,
  closed: true,
  recovered: true,
  'segment-rolled': true,
  'segments-deleted': true,
  compacted: true,
  'unfinished-passed': true,
  'sync-slow': true,
  'writer-failed': true,
  'topic-created': true,
  'topic-altered': true,
  'topic-deleted': true,
  'member-joined': true,
  'member-left': true,
  'group-rebalanced': true,
  'lease-expired': true,
  'record-died': true,
  'lease-failed': true,
  'loop-stalled': true,
  'snapshot-failed': true,
  'transaction-timed-out': true,
  'bytes-max-reached': true,
};

export const STORE_EVENT_NAMES: readonly string[] = Object.keys(NAMES);
