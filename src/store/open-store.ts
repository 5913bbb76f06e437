/** `openStore`: from a path to a `Store`. */
import { join } from 'node:path';
import { ConflictError, isIoError, NotFoundError, OffsetOutOfRangeError } from '../core/errors.ts';
import { LOOKS_MAX } from '../core/limits.ts';
import { randomId } from '../core/random.ts';
import { JOURNAL_DIRECTORY, STORE_FILE, TOPICS_DIRECTORY } from '../format/file-names.ts';
import type { WhenDamaged } from '../journal/journal.ts';
import { ByteCap } from '../log/byte-cap.ts';
import { LogDirectory } from '../log/log-directory.ts';
import { assembleStore, signalsOf } from './assemble-store.ts';
import { checkPlaceForStore, isOfLog } from './store-place.ts';
import { missing, readStoreFile, writeStoreFile } from './store-file.ts';
import { StoreHome } from './store-home.ts';
import { StoreReserve } from './store-reserve.ts';
import { resolveStoreOptions, type StoreOptions, type StoreSettings } from './store-options.ts';
import type { StoreParts } from './store-parts.ts';
import { Store } from './store.ts';

/**
 * Opens the store in a directory, creating it when missing: its topics, and the journal that holds
 * every change of their state.
 *
 * Where the journal is damaged, the store opens read-only, with what is known up to the damage: see
 * `Store.damage`, and the option `onCorruption`.
 *
 * With `readOnly` nothing is locked or written, so that it works beside a store in another process:
 * topics and groups are as they were when it was opened, the records in the topics go on.
 *
 * A store has a directory of its own: a new one is made where there is none, or an empty one.
 *
 * @param path  the store's directory; or options with `memory: true`, for a store without files
 * @returns an open store; close it
 * @throws TypeError, RangeError for wrong options; LockedError when another process or handle has
 *   it; NotFoundError with `create: false` or `readOnly`; ConflictError when the directory is a bare log,
 *   or has files of others and no store;
 *   CorruptLogError when the journal or `store.json` is gone, or for any damage with
 *   `onCorruption: 'fail'`; UnsupportedVersionError; IoError
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
  return settings.readOnly ? openForReading(settings) : openForWriting(settings);
}

async function openForWriting(settings: StoreSettings): Promise<Store> {
  const { fileSystem, clock } = settings;
  const startMs = clock.monotonic();
  const parts = await openLocked(settings, settings.onCorruption === 'fail' ? 'throw' : 'stop');
  const store = new Store(parts);
  if (store.damage === null) {
    await parts.control.listen(store, fileSystem, clock);
    const { topicCount } = store.stats();
    const durationMs = clock.monotonic() - startMs;
    parts.topicHome.signals.events.emit('opened', { topicCount, durationMs });
    return store;
  }
  await store.close(); // Others may read, too, and repair.
  const shown = await openForReading({ ...settings, readOnly: true });
  if (shown.damage !== null) return shown;
  await shown.close(); // Somebody has repaired it.
  return openForWriting(settings);
}

/** @internal A store under its lock, in its parts: a repair looks into them. @throws as `openStore` */
export async function openLocked(
  settings: StoreSettings,
  whenDamaged: WhenDamaged,
): Promise<StoreParts> {
  const { fileSystem, clock, create, freeBytesMin, storeBytesMax: bytesMax } = settings;
  if (create) await fileSystem.makeDirectory(settings.path);
  const directory = await existingDirectory(settings);
  await (create ? checkPlaceForStore(directory) : checkStoreThere(directory));
  const lock = await fileSystem.lockDirectory(directory.path, { lock: settings.lock, clock });
  const signals = signalsOf(directory, clock);
  const { health } = signals;
  const reserve = new StoreReserve({ directory, clock, freeBytesMin, health });
  try {
    const storeId = await identify(directory, settings);
    const cap = bytesMax === null ? null : new ByteCap({ bytesMax, clock });
    await reserve.open();
    const home = new StoreHome({ clock, reserve, storeId, lock, cap, signals });
    return await assembleStore({ directory, settings, whenDamaged, lock, home, signals });
  } catch (error) {
    await reserve.close(); // Without the lock nothing must be made here.
    await lock.release().catch(() => undefined); // The first failure is the one to hear of.
    throw error;
  }
}

async function openForReading(settings: StoreSettings): Promise<Store> {
  const directory = await existingDirectory(settings);
  for (let look = 1; ; look++) {
    if ((await storedId(directory)) === null) throw noStore(directory);
    try {
      const signals = signalsOf(directory, settings.clock);
      const whenDamaged = settings.onCorruption === 'fail' ? 'throw' : 'stop';
      const nobody = { lock: null, home: null };
      return new Store(
        await assembleStore({ directory, settings, whenDamaged, signals, ...nobody }),
      );
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
  if (names.some(isOfLog)) {
    const requested = 'to be opened as a store';
    throw new ConflictError({ kind: 'directory', name: path, stored: 'a bare log', requested });
  }
  if (names.includes(JOURNAL_DIRECTORY)) throw missing(file, 'there is a journal beside it');
  return null;
}
