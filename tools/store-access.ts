/** Where stores are, and how verbs look at them beside their owner. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openStore } from '../src/index.ts';
import type { Store, Topic, TopicDescription } from '../src/index.ts';
import { JOURNAL_DIRECTORY } from '../src/format/file-names.ts';
import { isOfLog, strangerIn } from '../src/store/store-place.ts';
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
  '<store>/control.sock': 'where the process that has the store open can be asked',
};

export const STORE_ARGUMENT = { description: 'the directory of the store' };

/** For verbs that append to a topic. */
export const CREATE_TOPIC_HINT =
  'varve topics create <store> <topic> --yes creates it; varve topics ls <store> lists those there are';

export const BESIDE_STORE = 'Safe: it never writes and takes no lock. It shows what was synced.';

/** Of verbs that ask the owner for what it alone knows. */
export const ASKS_OWNER =
  'Safe: it changes nothing and takes no lock. While a process has the store open, that process tells,\n' +
  'through control.sock; else it shows what was synced.';

/** Of verbs with `--yes`. */
export const CHANGES_STORE =
  'While a process has the store open, that process does it, through control.sock; a dry run works\n' +
  'beside it. Else the verb takes the lock of the store. Exit 5 when that process does not listen.';

/** Of verbs that act at once. */
export const TAKES_LOCK =
  'While a process has the store open, that process does it, through control.sock. Else the verb takes\n' +
  'the lock of the store. Exit 5 when that process does not listen.';

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

/** @returns whether there is no store yet @throws UsageError where a new one would mix with other files */
export async function checkNewStorePath(path: string): Promise<boolean> {
  const kind = await classifyPath(path);
  if (kind === 'store') return false;
  if (kind === 'missing' || kind === 'empty') return true;
  if (kind === 'file') throw new UsageError(`${path} is a file, not a directory`);
  const names = await readdir(path);
  if (strangerIn(names) === null) return true; // What a process left that died while it made a store.
  if (names.some(isOfLog)) throw logForStore(path);
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
  // What is known up to damage looks like all there is: a listing must not.
  const store = await openStore(path, { readOnly: true, onCorruption: 'fail' });
  try {
    return await look(store);
  } finally {
    await store.close();
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
  throw noSuchTopic(store.path, name);
}

export function noSuchTopic(
  path: string,
  name: string,
  hint = 'varve topics ls <store> lists them',
): CommandError {
  return new CommandError(ExitCode.notFound, `there is no topic ${name} in ${path}`, hint);
}

function logForStore(path: string): UsageError {
  return new UsageError(`${path} is a log, not a store`, 'varve info shows what a log holds');
}
