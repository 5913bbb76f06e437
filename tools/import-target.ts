/** Where an import goes: a log of its own, or one partition of a topic. */
import { openLog } from '../src/index.ts';
import type { DurabilityLevel } from '../src/index.ts';
import { RECORD_BYTES_LIMIT } from '../src/core/limits.ts';
import type { PlaceableLog } from '../src/log/placement.ts';
import type { CommandContext } from './command.ts';
import { UsageError } from './command-error.ts';
import { checkWritablePath } from './log-path.ts';
import { checkPartition } from './partition-offsets.ts';
import { checkChoice, type PartitionChoice } from './record-logs.ts';
import { CREATE_TOPIC_HINT } from './store-access.ts';
import { askForTopic, consultStore } from './store-desk.ts';
import { relayToStore } from './store-relay.ts';
import { TopicLog } from './topic-log.ts';
import { partitionPath } from './topic-extent.ts';

export interface ImportTarget {
  /** The topic's partition; null for a log of its own. */
  readonly place: { readonly topic: string; readonly partition: number } | null;
  /** Opens it, and closes it when `work` is done. */
  open<T>(work: (log: PlaceableLog) => Promise<T>): Promise<T>;
}

interface TargetOptions extends PartitionChoice {
  readonly durability: DurabilityLevel;
}

/**
 * Looks at what is there before the input is read. Changes nothing.
 *
 * @throws UsageError for another path, or when it is not clear which partition; CommandError (exit
 *   code 3) for a store or a topic that is not there
 */
export async function importTarget(
  context: CommandContext,
  path: string,
  options: TargetOptions,
): Promise<ImportTarget> {
  checkChoice(options);
  const { topic } = options;
  if (topic !== undefined) return topicTarget(context, path, { ...options, topic });
  await checkWritablePath(path);
  return {
    place: null,
    async open(work) {
      const { durability } = options;
      const log = await openLog(path, { durability, recordBytesMax: RECORD_BYTES_LIMIT });
      try {
        return await work(log);
      } finally {
        await log.close();
      }
    },
  };
}

async function topicTarget(
  context: CommandContext,
  path: string,
  { topic, partition: chosen, durability }: TargetOptions & { readonly topic: string },
): Promise<ImportTarget> {
  const described = await consultStore(context, path, (desk) =>
    askForTopic(desk, path, topic, CREATE_TOPIC_HINT),
  );
  const { partitionCount } = described;
  if (chosen === undefined && partitionCount > 1) {
    throw new UsageError(
      `an import is into one log, and topic ${topic} has ${partitionCount} partitions: choose one ` +
        'with --partition',
      'to spread records by key: varve cat <dir> --json | varve append <store> --topic <name> --ndjson',
    );
  }
  const partition = chosen ?? 0;
  checkPartition(partition, { topic, partitionCount });
  const own = { path: partitionPath(path, described, partition), topic, partition, durability };
  return {
    place: { topic, partition },
    open: (work) =>
      relayToStore(context, path, async (desk) => {
        const log = await TopicLog.open(desk, own);
        try {
          return await work(log);
        } finally {
          await log.close();
        }
      }),
  };
}
