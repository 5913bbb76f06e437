/** What a topic needs of the store that it lives in. */
import { dirname } from 'node:path';
import type { Clock } from '../core/clock.ts';
import { ClosedError } from '../core/errors.ts';
import type { Random } from '../core/random.ts';
import type { Fold } from '../journal/fold.ts';
import type { Journal } from '../journal/journal.ts';
import type { LogHome } from '../log/log-home.ts';
import type { LogOptions } from '../log/log-options.ts';
import type { DedupMemory } from './dedup-memory.ts';
import type { StoreSignals } from './log-reporter.ts';
import type { OpenPartitions } from './open-partitions.ts';
import type { Partition } from './partition.ts';
import type { TopicConfig } from './topic-options.ts';
import type { GuardOf } from './trim-guards.ts';
import type { UnfinishedCount } from './unfinished-passed.ts';

export interface TopicHome {
  /** Directory of all topics. */
  readonly path: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly journal: Journal;
  readonly fold: Fold;
  readonly logHome: LogHome;
  readonly signals: StoreSignals;
  /** Bounds how many of them are open. */
  readonly openPartitions: OpenPartitions;
  /** What all logs of the store have in common. */
  readonly logOptions: LogOptions<never>;
  /** Bounds the memory for ids of all topics. */
  readonly dedupMemory: DedupMemory;
  /** Of new topics. */
  readonly topicDefaults: TopicConfig;
  /** Offsets of a partition below this were named in the journal, and are not given away again. */
  readonly namedOffset: (topicId: number, partition: number) => number;
  /** What stamps the batches of the source of an exchange; null = it is none. */
  readonly topologyVersionOf: (topicId: number) => (() => number) | null;
  /** A segment of a partition was sealed. */
  readonly onSealed: (partition: Partition) => void;
  /** Who has a say in how far the start of a partition moves. */
  readonly trimGuardOf: GuardOf;
  /** What groups of a topic have lost, or had archived. */
  readonly unfinishedOf: (topicId: number) => readonly UnfinishedCount[];
  /** Which records of a partition its queue has settled; null = there is no queue that settles any. */
  readonly settlingOf: (topicId: number, partition: number) => Settling | null;
}

/** What a queue says of the records of a partition. */
export interface Settling {
  /** First offset that is not settled, or may come back. O(those that are not). */
  firstOffset(): number;
  isSettled(offset: number): boolean;
  /** Whether a settled record may be there again: one that is dead and kept, or what was purged last. */
  mayComeBack(offset: number): boolean;
}

/** The same of a topic, by partition. */
export type SettlingOf = (partition: number) => Settling | null;

/** What callers are told when the store is closed. */
export function storeClosed({ path }: Pick<TopicHome, 'path'>): ClosedError {
  return new ClosedError({ resource: 'store', name: dirname(path) });
}
