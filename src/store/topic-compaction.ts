/** Compaction of a topic because somebody asks for it: partition by partition. */
import { checkFunction } from '../core/assert.ts';
import { ConflictError } from '../core/errors.ts';
import { plainOptions } from '../core/options.ts';
import {
  checkCompactOptions,
  type CheckedCompactOptions,
  type CompactionPlan,
  type CompactionProgress,
  type CompactionResult,
  type CompactOptions,
} from '../log/compact-options.ts';
import type { Partition } from '../topic/partition.ts';
import type { PartitionSet } from '../topic/partition-set.ts';
import { checkChosen } from '../topic/topic-options.ts';
import type { StoreCompaction } from './store-compaction.ts';

/** How far a compaction is with one of the partitions of a topic. */
export interface PartitionCompactionProgress extends CompactionProgress {
  readonly partition: number;
}

export interface TopicCompactOptions extends Omit<CompactOptions, 'onProgress'> {
  /** From 0; default all of them, one after the other. */
  readonly partition?: number | undefined;
  /** Hears how far it is, now and then, and at the end of each segment. What it throws ends it. */
  readonly onProgress?: ((progress: PartitionCompactionProgress) => void) | undefined;
}

/** What a compaction would do to a partition. */
export interface PartitionCompactionPlan extends CompactionPlan {
  readonly partition: number;
}

/** What a compaction has done to a partition. */
export interface PartitionCompaction extends CompactionResult {
  readonly partition: number;
}

/** @throws as `Topic.compact` */
export async function compactTopic(
  topic: PartitionSet,
  compaction: StoreCompaction,
  given: TopicCompactOptions,
): Promise<PartitionCompaction[]> {
  const chosen = chosenOf(topic, given, 'to compact it');
  return each(topic, chosen, (partition, options) => compaction.compact(partition, options));
}

/** @throws as `Topic.planCompaction` */
export async function planTopicCompaction(
  topic: PartitionSet,
  compaction: StoreCompaction,
  given: TopicCompactOptions,
): Promise<PartitionCompactionPlan[]> {
  const chosen = chosenOf(topic, given, 'to plan its compaction');
  return each(topic, chosen, (partition, options) => compaction.plan(partition, options));
}

interface Chosen {
  readonly numbers: readonly number[];
  readonly options: CheckedCompactOptions;
  readonly onProgress: TopicCompactOptions['onProgress'];
}

const KNOWN: ReadonlySet<string> = new Set<keyof TopicCompactOptions>([
  'partition',
  'bytesPerSecondMax',
  'signal',
  'onProgress',
]);

function chosenOf(topic: PartitionSet, given: TopicCompactOptions, requested: string): Chosen {
  const { partition, onProgress, ...others } = plainOptions(given, KNOWN);
  if (onProgress !== undefined) checkFunction('onProgress', onProgress);
  const options = checkCompactOptions(others);
  if (topic.isGone) throw topic.closedError();
  const { name, count, settings } = topic;
  if (partition !== undefined) checkChosen(partition, count);
  if (settings.compaction === 'off') {
    throw new ConflictError({ kind: 'topic', name, stored: 'compaction off', requested });
  }
  const all = Array.from({ length: count }, (_, at) => at);
  return { numbers: partition === undefined ? all : [partition], options, onProgress };
}

async function each<R>(
  topic: PartitionSet,
  { numbers, options, onProgress }: Chosen,
  action: (partition: Partition, options: CheckedCompactOptions) => Promise<R>,
): Promise<(R & { readonly partition: number })[]> {
  const results: (R & { readonly partition: number })[] = [];
  for (const partition of numbers) {
    const told = (progress: CompactionProgress) => onProgress?.({ partition, ...progress });
    try {
      const result = await action(topic.at(partition), { ...options, onProgress: told });
      results.push({ partition, ...result });
    } catch (error) {
      throw topic.toldOf(error);
    }
  }
  return results;
}
