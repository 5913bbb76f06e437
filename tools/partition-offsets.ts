/** Offsets by partition on the command line: `100`, or `0:100,1:250`, as Kafka's tools have them. */
import { InvalidArgumentError, Option } from 'commander';
import { UsageError } from './command-error.ts';
import { parseCount } from './ranges.ts';

/** `end` is behind the last record. */
export type OffsetOrEnd = number | 'end';

/** As commander delivers it: of one partition that is not named, or of several that are. */
export type PartitionOffsets =
  { readonly only: OffsetOrEnd } | { readonly each: ReadonlyMap<number, OffsetOrEnd> };

export const PARTITION_OPTION = new Option(
  '--partition <number>',
  'the partition (default: the only one)',
).argParser(parseCount);

/** For `argParser`. */
export function parsePartitionOffsets(text: string): PartitionOffsets {
  const single = offsetOf(text);
  if (single !== null) return { only: single };
  const each = new Map<number, OffsetOrEnd>();
  for (const part of text.split(',')) {
    const [, partition, offset = ''] = /^(\d{1,9}):(.*)$/.exec(part.trim()) ?? [];
    const parsed = offsetOf(offset);
    if (partition === undefined || parsed === null || each.has(Number(partition))) {
      throw new InvalidArgumentError('Expected an offset, or one per partition: 0:100,1:250.');
    }
    each.set(Number(partition), parsed);
  }
  return { each };
}

function offsetOf(text: string): OffsetOrEnd | null {
  if (text === 'end') return text;
  const offset = Number(text);
  return /^\d+$/.test(text) && Number.isSafeInteger(offset) ? offset : null;
}

/** Where offsets of the command line are meant to be. */
export interface OffsetsOf {
  /** Of the option, for messages. */
  readonly option: string;
  readonly topic: string;
  readonly partitionCount: number;
  /** What `--partition` says. */
  readonly partition: number | undefined;
}

/** By partition, ascending. @throws UsageError when it is not clear of which, or there is none */
export function offsetsByPartition(
  given: PartitionOffsets,
  { option, topic, partitionCount, partition }: OffsetsOf,
): readonly (readonly [partition: number, offset: OffsetOrEnd])[] {
  if ('each' in given && partition !== undefined) {
    throw new UsageError(`${option} names its partitions: leave --partition out`);
  }
  if ('only' in given && partition === undefined && partitionCount > 1) {
    const hint = `give --partition, or one offset for each: ${option} 0:100,1:250`;
    throw new UsageError(`topic ${topic} has ${partitionCount} partitions: of which?`, hint);
  }
  const pairs = 'only' in given ? [[partition ?? 0, given.only] as const] : [...given.each];
  for (const [number] of pairs) checkPartition(number, { topic, partitionCount });
  return pairs.toSorted(([one], [other]) => one - other);
}

/** @throws UsageError unless the topic has it */
export function checkPartition(
  partition: number,
  { topic, partitionCount }: Pick<OffsetsOf, 'topic' | 'partitionCount'>,
): void {
  if (partition < partitionCount) return;
  const range = `0 to ${partitionCount - 1}`;
  throw new UsageError(`topic ${topic} has partitions ${range}, not ${partition}`);
}
