/** Where the lock of a log is: in its own directory, or in that of the store that it belongs to. */
import { basename, dirname, join } from 'node:path';
import { ConflictError, isIoError } from '../core/errors.ts';
import { JOURNAL_DIRECTORY, STORE_FILE, TOPICS_DIRECTORY } from '../format/file-names.ts';
import type { DirectoryListing, LogDirectory } from './log-directory.ts';

type Place = Pick<LogDirectory, 'fileSystem' | 'path'>;

/**
 * The directory whose LOCK speaks for the log: a store has one for all of its logs.
 *
 * @param place.path  without symbolic links
 * @throws IoError
 *
 * Cost: nothing for a log whose path is none of a store's; otherwise one stat.
 */
export async function lockPlaceOf(place: Place): Promise<string> {
  return (await storeAround(place)) ?? place.path;
}

/** The directory of the store that the log is one of; null when it is a bare log. @throws IoError */
export async function storeAround({ fileSystem, path }: Place): Promise<string | null> {
  const store = storeByName(path);
  if (store === null) return null;
  try {
    await fileSystem.stat(join(store, STORE_FILE));
    return store;
  } catch (error) {
    if (isIoError(error, 'ENOENT', 'ENOTDIR')) return null;
    throw error;
  }
}

/** Before anything is created in there. @throws ConflictError when a store owns the log; IoError */
export async function checkOwnPlace(place: Place): Promise<void> {
  const store = await storeAround(place);
  if (store === null) return;
  throw new ConflictError({
    kind: 'log',
    name: place.path,
    stored: `owned by the store at ${store}`,
    requested: 'to be opened as a bare log',
  });
}

/** @throws ConflictError where a store lives: a bare log would lie among its files */
export function checkNoStore({ path }: Place, { foreign }: DirectoryListing): void {
  if (!foreign.includes(STORE_FILE)) return;
  const requested = 'to be opened as a bare log';
  throw new ConflictError({ kind: 'directory', name: path, stored: 'a store', requested });
}

/** What would be the store, were the path that of one of its logs. */
function storeByName(path: string): string | null {
  const above = dirname(path);
  if (basename(path) === JOURNAL_DIRECTORY) return above;
  const topics = dirname(above);
  const isPartition = /^\d+$/.test(basename(path)) && basename(topics) === TOPICS_DIRECTORY;
  return isPartition ? dirname(topics) : null;
}
