/** Where a store may be made: in a directory of its own. */
import { join } from 'node:path';
import { ConflictError } from '../core/errors.ts';
import {
  CHECKPOINT_FILE,
  JOURNAL_DIRECTORY,
  parseSegmentFileName,
  STORE_FILE,
  TEMPORARY_SUFFIX,
} from '../format/file-names.ts';
import { CONTROL_FILE_NAME } from '../io/control-place.ts';
import { isOwnFileName, type LogDirectory } from '../log/log-directory.ts';
import { readStoreFile } from './store-file.ts';

/** What may be there without `store.json`, beside what a log has, too. */
const OF_A_STORE: ReadonlySet<string> = new Set([STORE_FILE + TEMPORARY_SUFFIX, CONTROL_FILE_NAME]);

/** What is in directories that people call empty: of a new file system, a checkout, a file manager. */
const NOTHING: ReadonlySet<string> = new Set(['lost+found', '.gitkeep', '.gitignore', '.DS_Store']);

/**
 * Before anything is left there, not even LOCK. What a process left that died while it made a store
 * is no obstacle.
 *
 * @throws ConflictError where a bare log lives, or files of others: a store would mix with them, and
 *   a wrong path, such as that of a home directory, would not be noticed. CorruptLogError, IoError
 */
export async function checkPlaceForStore(directory: LogDirectory): Promise<void> {
  const { fileSystem, path } = directory;
  const names = await fileSystem.list(path);
  // Listed first: a store that another process makes meanwhile has this file before all others.
  if ((await readStoreFile(fileSystem, join(path, STORE_FILE))) !== null) return;
  if (names.includes(JOURNAL_DIRECTORY)) return; // Of a store that lost the file: more is to be said.
  const name = strangerIn(names);
  if (name === null) return;
  const isLog = names.some(isOfLog);
  const stored = isLog ? 'a bare log' : `files of others, such as ${JSON.stringify(name)}`;
  const requested = isLog ? 'to be opened as a store' : 'to be made a store: give it its own';
  throw new ConflictError({ kind: 'directory', name: path, stored, requested });
}

/** The first name that a store which is being made has no file of; null when there is none. */
export function strangerIn(names: readonly string[]): string | null {
  return names.toSorted().find((name) => isOfLog(name) || !isExpected(name)) ?? null;
}

/** Whether a bare log has a file of this name, and a store has none. */
export function isOfLog(name: string): boolean {
  return name === CHECKPOINT_FILE || parseSegmentFileName(name) !== null;
}

function isExpected(name: string): boolean {
  return isOwnFileName(name) || OF_A_STORE.has(name) || NOTHING.has(name);
}
