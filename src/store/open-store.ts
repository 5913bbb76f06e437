/** `openStore`: from a path to a `Store`. */
import { join } from 'node:path';
import {
  ConflictError,
  CorruptLogError,
  isIoError,
  NotFoundError,
  OffsetOutOfRangeError,
} from '../core/errors.ts';
import { LOOKS_MAX } from '../core/limits.ts';
import { randomId } from '../core/random.ts';
import {
  JOURNAL_DIRECTORY,
  parseSegmentFileName,
  STORE_FILE,
  TOPICS_DIRECTORY,
} from '../format/file-names.ts';
import { bytes } from '../codec/codec.ts';
import { groupDeleted, groupReset, groups, offsetsCommitted } from '../group/group-state.ts';
import type { DirectoryLock } from '../io/file-system.ts';
import { EntryRegistry } from '../journal/entry-type.ts';
import { Fold, type Reducer } from '../journal/fold.ts';
import { ENTRY_BYTES_MAX, Journal } from '../journal/journal.ts';
import { runBegin, runEnd, runPart } from '../journal/snapshot-entries.ts';
import { JOURNAL_RETENTION, SnapshotRuns } from '../journal/snapshot-run.ts';
import { LogDirectory } from '../log/log-directory.ts';
import { ownHome, type LogHome, type LogObserver } from '../log/log-home.ts';
import type { Log } from '../log/log.ts';
import { resolveLogOptions } from '../log/log-options.ts';
import { openLogIn } from '../log/open-log.ts';
import { ensureReserve } from '../log/reserve.ts';
import {
  partitionsAdded,
  topicAltered,
  topicCreated,
  topicDeleted,
  topicDeleting,
  topics,
} from '../topic/topic-state.ts';
import { readStoreFile, writeStoreFile } from './store-file.ts';
import { StoreHome } from './store-home.ts';
import { resolveStoreOptions, type StoreOptions, type StoreSettings } from './store-options.ts';
import { Store } from './store.ts';

/** Everything that may stand in a journal. */
export const ENTRY_TYPES = [
  runBegin,
  runPart,
  runEnd,
  topicCreated,
  topicAltered,
  partitionsAdded,
  topicDeleting,
  topicDeleted,
  offsetsCommitted,
  groupReset,
  groupDeleted,
];

/** Everything that entries change. */
export const REDUCERS: readonly Reducer<unknown>[] = [topics, groups];

/**
 * Opens the store in a directory, creating it when missing: its topics, and the journal that holds
 * every change of their state.
 *
 * With `readOnly` nothing is locked or written, so that it works beside a store in another process:
 * topics and groups are as they were when it was opened, the records in the topics go on.
 *
 * @param path  the store's directory; or options with `memory: true`, for a store without files
 * @returns an open store; close it
 * @throws TypeError, RangeError for wrong options; LockedError when another process or handle has
 *   it; NotFoundError with `create: false` or `readOnly`; ConflictError when the directory is a bare log;
 *   CorruptLogError when the journal is damaged; UnsupportedVersionError; IoError
 *
 * Cost: reads the journal. Topics are opened when they are first used.
 */
export function openStore(path: string, options?: StoreOptions): Promise<Store>;
export function openStore(options: StoreOptions & { readonly memory: true }): Promise<Store>;
export async function openStore(
  pathOrOptions: string | StoreOptions,
  options: StoreOptions = {},
): Promise<Store> {
  const settings =
    typeof pathOrOptions === 'object' && pathOrOptions !== null
      ? resolveStoreOptions(null, pathOrOptions)
      : resolveStoreOptions(pathOrOptions, options);
  const { fileSystem, clock, create, readOnly } = settings;
  if (readOnly) return openForReading(settings);
  if (create) await fileSystem.makeDirectory(settings.path);
  const directory = await existingDirectory(settings);
  if (!create) await checkStoreThere(directory);
  const lock = await fileSystem.lockDirectory(directory.path, { lock: settings.lock, clock });
  try {
    const storeId = await identify(directory, settings);
    const { hasReserve } = await directory.list();
    await ensureReserve(directory, hasReserve);
    const home = new StoreHome({ directory, storeId, lock });
    return await assemble({ directory, settings, lock, homeOf: (log) => home.forLog(log) });
  } catch (error) {
    await lock.release().catch(() => undefined); // The first failure is the one to hear of.
    throw error;
  }
}

async function openForReading(settings: StoreSettings): Promise<Store> {
  const directory = await existingDirectory(settings);
  for (let look = 1; ; look++) {
    if ((await storedId(directory)) === null) throw noStore(directory);
    try {
      const homeOf = () => ownHome(settings); // Not asked for anything by what only reads.
      return await assemble({ directory, settings, lock: null, homeOf });
    } catch (error) {
      // Before its first entry the store of another process has no journal.
      if (error instanceof NotFoundError) throw noStore(directory, error);
      // Its owner let go of entries between our looking for the newest run and our reading it.
      const isTrimmed = error instanceof OffsetOutOfRangeError;
      if (!isTrimmed || look === LOOKS_MAX) throw error;
    }
  }
}

async function existingDirectory({ fileSystem, path }: StoreSettings): Promise<LogDirectory> {
  try {
    return new LogDirectory(fileSystem, await fileSystem.realPath(path));
  } catch (cause) {
    if (!isIoError(cause, 'ENOENT')) throw cause;
    throw new NotFoundError({ kind: 'store', name: path }, { cause });
  }
}

/** Without `create` nothing is left behind where there is no store, not even LOCK. */
async function checkStoreThere(directory: LogDirectory): Promise<void> {
  const { fileSystem, path } = directory;
  if ((await readStoreFile(fileSystem, join(path, STORE_FILE))) === null) throw noStore(directory);
}

function noStore({ path }: LogDirectory, cause?: unknown): NotFoundError {
  return new NotFoundError({ kind: 'store', name: path }, { cause });
}

interface Assembly {
  readonly directory: LogDirectory;
  readonly settings: StoreSettings;
  /** Null when it is only read. */
  readonly lock: DirectoryLock | null;
  /** The home of a log whose progress is heard of. */
  readonly homeOf: (observer: LogObserver | null) => LogHome;
}

async function assemble({ directory, settings, lock, homeOf }: Assembly): Promise<Store> {
  const { fileSystem, clock, random, freeBytesMin, durability, readOnly } = settings;
  const fold = new Fold(REDUCERS);
  const journal = new Journal({ registry: new EntryRegistry(ENTRY_TYPES), fold });
  const shared = { fileSystem, clock, random, freeBytesMin, readOnly };
  const journalLog = await openJournalLog(directory, settings, homeOf(journal));
  try {
    await journal.load(journalLog);
  } catch (error) {
    await journalLog.close().catch(() => undefined); // The first failure is the one to hear of.
    throw error;
  }
  const retention = JOURNAL_RETENTION;
  const runs = new SnapshotRuns({ journal, fold, clock, random, retention });
  journal.watch(() => runs.poke());
  return new Store({
    path: directory.path,
    lock,
    journal,
    runs,
    topicHome: {
      path: join(directory.path, TOPICS_DIRECTORY),
      clock,
      random,
      journal,
      fold,
      logHome: homeOf(null),
      logOptions: shared,
      topicDefaults: { durability },
    },
  });
}

/** A new one only where there are no topics: an empty journal would hide them. */
async function openJournalLog(
  { fileSystem, path }: LogDirectory,
  { clock, random, freeBytesMin, readOnly }: StoreSettings,
  home: LogHome,
): Promise<Log<Uint8Array>> {
  const create = !(await fileSystem.list(path)).includes(TOPICS_DIRECTORY);
  const journalPath = join(path, JOURNAL_DIRECTORY);
  const shared = { fileSystem, clock, random, freeBytesMin, create, readOnly };
  const options = { ...shared, codec: bytes, recordBytesMax: ENTRY_BYTES_MAX };
  try {
    return await openLogIn(journalPath, resolveLogOptions(options), home);
  } catch (cause) {
    if (create || !(cause instanceof NotFoundError)) throw cause;
    throw missing(journalPath, 'the store has topics and no journal');
  }
}

/** The store's id: from `store.json`, or a new one, when there is nothing yet. */
async function identify(directory: LogDirectory, settings: StoreSettings): Promise<number> {
  const known = await storedId(directory);
  if (known !== null) return known;
  const storeId = randomId(settings.random);
  await directory.syncAncestors();
  await writeStoreFile(directory.fileSystem, join(directory.path, STORE_FILE), { storeId });
  return storeId;
}

/** Null when there is nothing yet. @throws ConflictError for a bare log; CorruptLogError */
async function storedId({ fileSystem, path }: LogDirectory): Promise<number | null> {
  const file = join(path, STORE_FILE);
  const names = await fileSystem.list(path);
  const known = await readStoreFile(fileSystem, file);
  if (known !== null) {
    // Topics are created after the journal: without it they are no empty store.
    if (names.includes(JOURNAL_DIRECTORY) || !names.includes(TOPICS_DIRECTORY)) {
      return known.storeId;
    }
    throw missing(join(path, JOURNAL_DIRECTORY), 'the store has topics and no journal');
  }
  if (names.some((name) => parseSegmentFileName(name) !== null)) {
    const requested = 'to be opened as a store';
    throw new ConflictError({ kind: 'directory', name: path, stored: 'a bare log', requested });
  }
  if (names.includes(JOURNAL_DIRECTORY)) throw missing(file, 'there is a journal beside it');
  return null;
}

function missing(file: string, why: string): CorruptLogError {
  const reason = `it is missing, and ${why}`;
  const range = { firstOffset: null, nextOffset: null };
  return new CorruptLogError({ file, position: 0, kind: 'header', ...range, reason });
}
