/** The logs that `cat`, `tail` and `export` read: one of its own, or the partitions of a topic. */
import { Option } from 'commander';
import { bytes } from '../src/index.ts';
import type { Log, TopicDescription } from '../src/index.ts';
import { settleAll } from '../src/core/settle-all.ts';
import { UsageError } from './command-error.ts';
import { checkReadablePath } from './log-path.ts';
import { checkPartition } from './partition-offsets.ts';
import { parseCount, type RangeOptions } from './ranges.ts';
import { openToRead, type DamageOptions } from './read-log.ts';
import { describeTopic, lookAtStore } from './store-access.ts';

/** Options as commander delivers them. */
export interface PartitionChoice {
  readonly topic?: string;
  readonly partition?: number;
}

export const RECORDS_ARGUMENT = { description: 'the log; with --topic the store' };

export const PARTITION_OPTIONS: readonly Option[] = [
  new Option('--topic <name>', 'a topic of a store, partition by partition'),
  new Option('--partition <number>', 'of the topic, only this one (default: all)').argParser(
    parseCount,
  ),
];

/** @throws UsageError for a partition of no topic */
export function checkChoice({ topic, partition }: PartitionChoice): void {
  if (topic === undefined && partition !== undefined)
    throw new UsageError('--partition needs --topic');
}

/** The topic's logs by partition, or the one log. Close all of them. @throws as `openToRead` */
export async function openLogsToRead(
  path: string,
  options: PartitionChoice & DamageOptions,
): Promise<readonly Log<Uint8Array>[]> {
  const { topic, partition } = options;
  if (topic === undefined) {
    checkChoice(options);
    await checkReadablePath(path);
    return [await openToRead(path, options)];
  }
  const opened: Log<Uint8Array>[] = [];
  try {
    for (const [number, directory] of await partitionsOf(path, topic, partition)) {
      opened.push((await openToRead(directory, options)).as(bytes, number));
    }
  } catch (error) {
    await closeLogs(opened);
    throw error;
  }
  return opened;
}

export async function closeLogs(logs: readonly Log<Uint8Array>[]): Promise<void> {
  await settleAll(logs.map((log) => log.close()));
}

/** @throws UsageError for an offset where it is not clear of which partition */
export function checkRange({ from, to }: RangeOptions, logs: readonly unknown[]): void {
  if (logs.length === 1 || (typeof from !== 'number' && to === undefined)) return;
  throw new UsageError(`the topic has ${logs.length} partitions: an offset needs --partition`);
}

/** The numbers of the one partition, or of all. @throws UsageError unless the topic has it */
export function chosenPartitions(
  { name: topic, partitionCount }: Pick<TopicDescription, 'name' | 'partitionCount'>,
  partition: number | undefined,
): readonly number[] {
  if (partition === undefined) return Array.from({ length: partitionCount }, (_, number) => number);
  checkPartition(partition, { topic, partitionCount });
  return [partition];
}

function partitionsOf(
  path: string,
  topic: string,
  partition: number | undefined,
): Promise<readonly (readonly [number: number, directory: string])[]> {
  return lookAtStore(path, async (store) => {
    const chosen = chosenPartitions(describeTopic(store, topic), partition);
    const { partitions } = await store.topic(topic);
    return chosen.map((number) => [number, partitions.at(number).path] as const);
  });
}
