/** `openLog`: from a path to a `Log`. */
import { argumentError } from '../core/assert.ts';
import { CorruptLogError, isIoError, NotFoundError } from '../core/errors.ts';
import { OPEN_SEGMENTS_MAX } from '../core/limits.ts';
import type { DirectoryLock } from '../io/file-system.ts';
import type { ParsedCheckpointFile } from '../format/checkpoint.ts';
import { readCheckpoint } from './checkpoint-file.ts';
import { HandleCache } from './handle-cache.ts';
import { IndexCache } from './index-cache.ts';
import { LogDirectory } from './log-directory.ts';
import { loadLog, type LoadedLog } from './log-loader.ts';
import { resolveLogOptions, type LogOptions, type LogSettings } from './log-options.ts';
import type { ReadableLog } from './log-reader.ts';
import { LogWriter } from './log-writer.ts';
import { Log } from './log.ts';
import { LogMarks } from './marks.ts';
import { SegmentList } from './segment-list.ts';

/** Listings that retention may overtake before a read-only open gives up. */
const LIST_ATTEMPTS_MAX = 5;

/**
 * Opens the log in a directory, creating it when missing.
 *
 * Takes the directory's lock, judges what an earlier process left (a torn tail is cut off and kept
 * in `quarantine/`; damage to acknowledged data is reported, see `onCorruption`), makes the rest
 * durable, and begins a new epoch. With `readOnly` nothing is locked or written.
 *
 * @param path  the log's directory
 * @returns an open log; close it
 * @throws TypeError, RangeError for wrong options; LockedError when another process or handle has
 *   it; CorruptLogError; NotFoundError (`readOnly`, or `create: false`); ConflictError when a store
 *   owns the directory; UnsupportedVersionError; IoError
 *
 * Cost: reads the active segment and the tail before it once (12 ms per 64 MiB); two fdatasyncs.
 */
export async function openLog<T = Uint8Array, Input = T>(
  path: string,
  options: LogOptions<T, Input> = {},
): Promise<Log<T, Input>> {
  if (typeof path !== 'string' || path === '') {
    throw argumentError(TypeError, 'path', 'the path of a directory', path);
  }
  const settings = resolveLogOptions(options);
  return settings.readOnly ? openForReading(path, settings) : openForWriting(path, settings);
}

async function openForReading<T, Input>(
  path: string,
  settings: LogSettings<T, Input>,
): Promise<Log<T, Input>> {
  const startMs = settings.clock.monotonic();
  const directory = await existingDirectory(path, settings);
  const loaded = await loadBesideWriter(directory, settings);
  return assemble({ settings, directory, loaded, lock: null, startMs });
}

/** A writer in another process may delete segments between our listing and our opening them. */
async function loadBesideWriter<T, Input>(
  directory: LogDirectory,
  settings: LogSettings<T, Input>,
): Promise<LoadedLog> {
  for (let attempt = 1; ; attempt++) {
    const before = await readCheckpoint(directory);
    const isLast = attempt === LIST_ATTEMPTS_MAX;
    try {
      const loaded = await loadLog({ ...loadOptions(directory, settings), canWrite: false });
      if (loaded.report.damage === null || isLast) return loaded;
      if (!(await hasMoved(directory, before))) return loaded;
    } catch (error) {
      const isDamage = error instanceof CorruptLogError;
      if (isLast || !(isDamage || isIoError(error, 'ENOENT'))) throw error;
      if (isDamage && !(await hasMoved(directory, before))) throw error;
    }
  }
}

/** Whether a writer wrote the checkpoint since: what looked like damage may be its work. */
async function hasMoved(directory: LogDirectory, before: ParsedCheckpointFile): Promise<boolean> {
  const now = await readCheckpoint(directory);
  return now.checkpoint?.sequence !== before.checkpoint?.sequence;
}

async function openForWriting<T, Input>(
  path: string,
  settings: LogSettings<T, Input>,
): Promise<Log<T, Input>> {
  const startMs = settings.clock.monotonic();
  if (settings.create) await settings.fileSystem.makeDirectory(path);
  const directory = await existingDirectory(path, settings);
  if (!settings.create) await checkLogThere(directory);
  const lock = await settings.fileSystem.lockDirectory(directory.path, {
    clock: settings.clock,
  });
  let loaded: LoadedLog | null = null;
  try {
    loaded = await loadLog({ ...loadOptions(directory, settings), canWrite: true });
    if (loaded.checkpointFile === null) {
      await lock.release(); // Damage or a full disk made it read-only: others may read, too.
      return assemble({ settings, directory, loaded, lock: null, startMs });
    }
    return await assemble({ settings, directory, loaded, lock, startMs });
  } catch (error) {
    // Whatever else fails now: the lock goes, and the caller hears of the first failure.
    await Promise.allSettled([loaded?.checkpointFile?.close(), loaded?.active?.file?.close()]);
    await lock.release().catch(() => undefined);
    throw error;
  }
}

/** Without `create` nothing is left behind where there is no log, not even LOCK. */
async function checkLogThere(directory: LogDirectory): Promise<void> {
  const { segments, hasCheckpoint } = await directory.list();
  if (segments.length > 0 || hasCheckpoint) return;
  throw new NotFoundError({ kind: 'log', name: directory.path });
}

async function existingDirectory<T, Input>(
  path: string,
  settings: LogSettings<T, Input>,
): Promise<LogDirectory> {
  try {
    return new LogDirectory(settings.fileSystem, await settings.fileSystem.realPath(path));
  } catch (cause) {
    if (!isIoError(cause, 'ENOENT')) throw cause;
    throw new NotFoundError({ kind: 'log', name: path }, { cause });
  }
}

function loadOptions<T, Input>(directory: LogDirectory, settings: LogSettings<T, Input>) {
  const { random, onCorruption, create } = settings;
  return { directory, random, onCorruption, create };
}

interface Assembly<T, Input> {
  readonly settings: LogSettings<T, Input>;
  readonly directory: LogDirectory;
  readonly loaded: LoadedLog;
  readonly lock: DirectoryLock | null;
  readonly startMs: number;
}

async function assemble<T, Input>(parts: Assembly<T, Input>): Promise<Log<T, Input>> {
  const { settings, directory, loaded, lock } = parts;
  const { checkpointFile } = loaded;
  const log: ReadableLog = {
    path: directory.path,
    logId: loaded.logId,
    // Only a writer made sure of what the checkpoint does not state.
    marks: new LogMarks(
      loaded.startOffset,
      loaded.endOffset,
      checkpointFile === null
        ? Math.min(loaded.checkpoint.syncedOffset, loaded.endOffset)
        : loaded.endOffset,
    ),
    segments: new SegmentList(loaded.segments),
    handles: new HandleCache(settings.fileSystem, OPEN_SEGMENTS_MAX),
    indexes: new IndexCache(),
  };
  const writer =
    checkpointFile === null || lock === null
      ? null
      : await LogWriter.open({ directory, settings, loaded, checkpointFile, lock, log });
  const durationMs = settings.clock.monotonic() - parts.startMs;
  return new Log({
    settings,
    log,
    writer,
    epochs: checkpointFile?.epochs ?? loaded.checkpoint.epochs,
    recovery: { ...loaded.report, durationMs },
  });
}
