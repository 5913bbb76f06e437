/**
 * The logs of a store for `info`, `dump`, `verify` and `repair`: all of them, or those of a topic.
 * Unlike what shows records, these verbs work where the journal is damaged, as far as it tells.
 */
import { basename, dirname } from 'node:path';
import { openStore } from '../src/index.ts';
import type { CorruptLogError, Store } from '../src/index.ts';
import { topicIdOf } from '../src/topic/topic-names.ts';
import type { CommandContext } from './command.ts';
import { CommandError, UsageError } from './command-error.ts';
import { ExitCode } from './exit-codes.ts';
import { listStoreLogs } from './log-path.ts';
import { chosenPartitions, type PartitionChoice } from './record-logs.ts';
import { checkStorePath, describeTopic } from './store-access.ts';
import { partitionPath } from './topic-extent.ts';

/** The log of one partition. */
export interface ChosenLog {
  readonly topic: string;
  readonly partition: number;
  readonly path: string;
}

/** As `lookAtStore`, also at a store with a damaged journal: `Store.damage` says so. */
export async function lookPastDamage<T>(
  path: string,
  look: (store: Store) => Promise<T>,
): Promise<T> {
  await checkStorePath(path);
  const store = await openStore(path, { readOnly: true });
  try {
    return await look(store);
  } finally {
    await store.close();
  }
}

/**
 * The logs that `--topic` and `--partition` choose, by number; null without them.
 *
 * @throws UsageError, CommandError when there is no such topic or partition, or a damaged journal
 *   does not tell
 */
export async function chooseLogs(
  context: CommandContext,
  path: string,
  { topic, partition }: PartitionChoice,
): Promise<readonly ChosenLog[] | null> {
  if (topic === undefined) {
    if (partition !== undefined) throw new UsageError('--partition needs --topic');
    return null;
  }
  return lookPastDamage(path, async (store) => {
    if (store.damage !== null) {
      context.warn(`the journal of ${path} is damaged: its topics are as they were before that`);
    }
    try {
      const description = describeTopic(store, topic);
      return chosenPartitions(description, partition).map((number) => ({
        topic,
        partition: number,
        path: partitionPath(path, description, number),
      }));
    } catch (error) {
      throw store.damage === null ? error : notTold(error, store.damage);
    }
  });
}

/** @throws UsageError when it is not clear of which log `what` is */
export function onlyLog(logs: readonly ChosenLog[], what: string): ChosenLog {
  const [log, ...others] = logs;
  if (log !== undefined && others.length === 0) return log;
  throw new UsageError(`${what} is of one log: choose one with --partition`);
}

/** Its logs, but for those of topics on their way out: what is left of them is no damage. */
export async function allLogs(context: CommandContext, path: string): Promise<readonly string[]> {
  const logs = await listStoreLogs(path);
  const ids = await lookPastDamage(path, async (store) => store.deletingTopicIds).catch(
    (): readonly number[] => [], // Why it cannot be opened is found by who asks for its logs.
  );
  const kept = logs.filter((log) => !ids.includes(topicIdOf(basename(dirname(log))) ?? 0));
  if (kept.length < logs.length) {
    context.note('files of deleted topics were left out: they go when the store is opened');
  }
  return kept;
}

/** What was asked for may be behind the damage. */
function notTold(error: unknown, damage: CorruptLogError): CommandError {
  const what = error instanceof Error ? error.message : String(error);
  return new CommandError(
    ExitCode.corrupt,
    `${what}, as far as the journal can be read: ${damage.message}`,
    'varve ls <store> lists the directories of all logs; varve repair <store> --journal repairs it',
  );
}
