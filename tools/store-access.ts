/** Opens stores for verbs: to look at them beside their owner, or to change them under the lock. */
import { join } from 'node:path';
import { Option } from 'commander';
import { isStoreError, openStore } from '../src/index.ts';
import type { Store, Topic, TopicDescription } from '../src/index.ts';
import { JOURNAL_DIRECTORY } from '../src/format/file-names.ts';
import { CommandError, UsageError } from './command-error.ts';
import { ExitCode } from './exit-codes.ts';
import { classifyPath } from './log-path.ts';

/** Files of a store, for help texts. */
export const STORE_FILES: Readonly<Record<string, string>> = {
  '<store>/store.json': 'what makes the directory a store',
  '<store>/journal/': 'every change of its state: a log',
  '<store>/topics/': '<topic>/<partition>, each a log',
};

/** What a verb that changes a store has besides. */
export const STORE_WRITER_FILES: Readonly<Record<string, string>> = {
  ...STORE_FILES,
  '<store>/LOCK': 'who has the store open, or had it last',
};

export const STORE_ARGUMENT = { name: '<store>', description: 'the directory of the store' };

export const BESIDE_STORE = 'Safe: it never writes and takes no lock. It shows what was synced.';

/** Of verbs with `--yes`. */
export const CHANGES_STORE =
  'A dry run works beside the process that has the store open. With --yes the verb takes the lock\n' +
  'of the store: exit 5 while somebody else has it.';

/** @throws CommandError (exit code 3) unless a store is there; UsageError for a log or a file */
export async function checkStorePath(path: string): Promise<void> {
  const kind = await classifyPath(path);
  if (kind === 'store') return;
  if (kind === 'file') throw new UsageError(`${path} is a file, not the directory of a store`);
  if (kind === 'log') throw logForStore(path);
  const what = kind === 'missing' ? 'there is no store at' : 'there is no store.json in';
  throw new CommandError(
    ExitCode.notFound,
    `${what} ${path}`,
    'openStore creates a store, and so does varve topics create <store> <topic> --yes',
  );
}

/** @throws UsageError where a new store would mix with other files */
export async function checkNewStorePath(path: string): Promise<void> {
  const kind = await classifyPath(path);
  if (kind === 'store' || kind === 'missing' || kind === 'empty') return;
  if (kind === 'log') throw logForStore(path);
  if (kind === 'file') throw new UsageError(`${path} is a file, not a directory`);
  throw new UsageError(
    `${path} is not a store, and it is not empty`,
    'give a store, an empty directory, or a path that does not exist yet',
  );
}

/**
 * The directory of a store's journal. Also where `store.json` is lost: to look at what is left.
 *
 * @throws as `checkStorePath`
 */
export async function journalPath(path: string): Promise<string> {
  const journal = join(path, JOURNAL_DIRECTORY);
  if ((await classifyPath(journal)) !== 'log') await checkStorePath(path);
  return journal;
}

/** Opens a store, lets `look` see it, and closes it. Takes no lock. @throws as `checkStorePath` */
export async function lookAtStore<T>(path: string, look: (store: Store) => Promise<T>): Promise<T> {
  await checkStorePath(path);
  const store = await openStore(path, { readOnly: true });
  try {
    return await look(store);
  } finally {
    await store.close();
  }
}

/** Opens a store under its lock, and creates it when missing. @throws CommandError (exit code 5) */
export async function changeStore<T>(
  path: string,
  change: (store: Store) => Promise<T>,
): Promise<T> {
  const store = await openToChange(path);
  try {
    return await change(store);
  } finally {
    await store.close();
  }
}

async function openToChange(path: string): Promise<Store> {
  try {
    return await openStore(path);
  } catch (error) {
    if (!isStoreError(error, 'ERR_VARVE_LOCKED')) throw error;
    throw new CommandError(
      ExitCode.locked,
      error.message,
      'stop that process first; without --yes it is a dry run, which works beside it',
    );
  }
}

/** @throws CommandError (exit code 3) */
export async function topicOf(store: Store, name: string): Promise<Topic<Uint8Array>> {
  return store.topic(describeTopic(store, name).name);
}

/** @throws CommandError (exit code 3) */
export function describeTopic(store: Store, name: string): TopicDescription {
  const found = store.topics().find((topic) => topic.name === name);
  if (found !== undefined) return found;
  throw new CommandError(
    ExitCode.notFound,
    `there is no topic ${name} in ${store.path}`,
    'varve topics ls <store> lists them',
  );
}

export interface TopicChoice {
  readonly topic?: string | undefined;
}

export const TOPIC_OPTION = new Option(
  '--topic <name>',
  'the topic of the group (default: the only one that has a group of this name)',
);

/** The topic of a group. @throws CommandError (exit code 3); UsageError when there are several */
export async function topicOfGroup(
  store: Store,
  group: string,
  { topic }: TopicChoice,
): Promise<Topic<Uint8Array>> {
  const chosen = topic === undefined ? null : await topicOf(store, topic);
  const found = store.groups().filter(({ name }) => name === group);
  const topics = found.map((listing) => listing.topic);
  if (chosen !== null && topics.includes(chosen.name)) return chosen;
  const [only, ...others] = topics;
  if (chosen !== null || only === undefined) {
    const where = chosen === null ? store.path : `topic ${chosen.name}`;
    throw new CommandError(
      ExitCode.notFound,
      `there is no consumer group ${group} in ${where}`,
      'varve groups ls <store> lists them; a group begins with its first commit',
    );
  }
  if (others.length === 0) return topicOf(store, only);
  throw new UsageError(
    `topics ${topics.join(', ')} have a consumer group ${group} each`,
    'choose one of them with --topic',
  );
}

function logForStore(path: string): UsageError {
  return new UsageError(`${path} is a log, not a store`, 'varve info shows what a log holds');
}
