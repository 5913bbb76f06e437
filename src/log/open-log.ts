/** `openLog`: from a path to a `Log`. */
import { argumentError } from '../core/assert.ts';
import { CorruptLogError, isIoError, NotFoundError } from '../core/errors.ts';
import { LOOKS_MAX, OPEN_SEGMENTS_MAX } from '../core/limits.ts';
import type { DirectoryLock } from '../io/file-system.ts';
import type { ParsedCheckpointFile } from '../format/checkpoint.ts';
import { readCheckpoint } from './checkpoint-file.ts';
import { DirectReads } from './direct-reads.ts';
import { HandleCache } from './handle-cache.ts';
import { IndexCache } from './index-cache.ts';
import { LogDirectory } from './log-directory.ts';
import { checkOwnPlace } from './lock-place.ts';
import { hasWriter, LogFollower } from './log-follower.ts';
import { ownHome, type LogHome } from './log-home.ts';
import { placeTail } from './journaled-tail.ts';
import { loadLog, type LoadedLog } from './log-loader.ts';
import { resolveLogOptions, type LogOptions, type LogSettings } from './log-options.ts';
import type { ReadableLog } from './readable-log.ts';
import { LogWriter } from './log-writer.ts';
import { Log } from './log.ts';
import { LogMarks } from './marks.ts';
import { SegmentList } from './segment-list.ts';

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
 *   owns the directory; UnsupportedVersionError; CodecUnavailableError for a `compression` that this
 *   Node cannot write; IoError
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
  return openLogIn(path, settings, ownHome(settings));
}

/** @internal `openLog` for a log that may be one of a store. */
export function openLogIn<T, Input>(
  path: string,
  settings: LogSettings<T, Input>,
  home: LogHome,
): Promise<Log<T, Input>> {
  return settings.readOnly
    ? openForReading(path, settings, home)
    : openForWriting(path, settings, home);
}

/**
 * @internal The log in a directory as it stands, for reading: nobody writes to it now. Damage is left as
 * it is, and reads may skip it.
 *
 * @throws as `openLog`, also when too little is left to be read
 */
export async function openStill<T, Input>(
  path: string,
  given: LogSettings<T, Input>,
  home: LogHome,
): Promise<Log<T, Input>> {
  const settings = { ...given, onCorruption: 'readonly', readOnly: true, create: false } as const;
  const startMs = settings.clock.monotonic();
  const directory = await existingDirectory(path, settings);
  const options = loadOptions(directory, settings);
  const loaded = await loadLog({ ...options, canWrite: false, endsAtCheckpoint: false });
  const isBesideWriter = false;
  return assemble({ settings, home, directory, loaded, isBesideWriter, lock: null, startMs });
}

async function openForReading<T, Input>(
  path: string,
  settings: LogSettings<T, Input>,
  home: LogHome,
): Promise<Log<T, Input>> {
  const startMs = settings.clock.monotonic();
  const directory = await existingDirectory(path, settings);
  const view = await loadView(directory, settings);
  return assemble({ settings, home, directory, ...view, lock: null, startMs });
}

interface View {
  readonly loaded: LoadedLog;
  /** Whether a writer was alive meanwhile. */
  readonly isBesideWriter: boolean;
}

/**
 * Loads a log to which another process may be writing: it appends behind what we walk, deletes
 * segments between our listing and our opening them, or comes just now and recovers.
 */
async function loadView<T, Input>(
  directory: LogDirectory,
  settings: LogSettings<T, Input>,
): Promise<View> {
  for (let look = 1; ; look++) {
    const isLast = look === LOOKS_MAX;
    const before = await readCheckpoint(directory);
    const isBesideWriter = await hasWriter(directory);
    try {
      const loaded = await loadLog({
        ...loadOptions(directory, settings),
        canWrite: false,
        endsAtCheckpoint: isBesideWriter,
      });
      const isFinal = isBesideWriter || !(await hasWriter(directory));
      const isDamaged = loaded.report.damage !== null;
      if (isLast || (isFinal && !(isDamaged && (await hasMoved(directory, before))))) {
        return { loaded, isBesideWriter };
      }
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
  home: LogHome,
): Promise<Log<T, Input>> {
  const startMs = settings.clock.monotonic();
  if (settings.create) await settings.fileSystem.makeDirectory(path);
  const directory = await existingDirectory(path, settings);
  if (home.ownerId === 0) await checkOwnPlace(directory); // Not even LOCK shall be left there.
  if (!settings.create) await checkLogThere(directory);
  const lock = await home.lock(directory);
  const parts = { settings, home, directory, isBesideWriter: false, startMs };
  let loaded: LoadedLog | null = null;
  try {
    loaded = await loadLog({
      ...loadOptions(directory, settings),
      home,
      canWrite: true,
      endsAtCheckpoint: false,
    });
    if (loaded.checkpointFile === null) {
      await lock.release(); // Damage or a full disk made it read-only: others may read, too.
      return assemble({ ...parts, loaded, lock: null });
    }
    return await assemble({ ...parts, loaded, lock });
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
  const { random, clock, onCorruption, create } = settings;
  return { directory, home: ownHome(settings), random, clock, onCorruption, create };
}

interface Assembly<T, Input> {
  readonly settings: LogSettings<T, Input>;
  readonly home: LogHome;
  readonly directory: LogDirectory;
  readonly loaded: LoadedLog;
  readonly isBesideWriter: boolean;
  readonly lock: DirectoryLock | null;
  readonly startMs: number;
}

async function assemble<T, Input>(parts: Assembly<T, Input>): Promise<Log<T, Input>> {
  const { settings, home, directory, loaded, lock } = parts;
  const { checkpointFile } = loaded;
  const log = readableLog(parts);
  const writer =
    checkpointFile === null || lock === null
      ? null
      : await LogWriter.open({ directory, home, settings, loaded, checkpointFile, lock, log });
  const placed = writer === null ? [] : await placeJournaled(home, loaded, { writer, log });
  const durationMs = settings.clock.monotonic() - parts.startMs;
  return new Log({
    settings,
    codec: settings.codec,
    partition: 0,
    log,
    writer,
    recovery: {
      ...loaded.report,
      notes: [...loaded.report.notes, ...lockNotes(lock), ...placed],
      durationMs,
    },
  });
}

async function placeJournaled(
  { journaled }: LogHome,
  { active, endOffset }: LoadedLog,
  { writer, log }: { readonly writer: LogWriter; readonly log: ReadableLog },
): Promise<readonly string[]> {
  if (journaled === null) return [];
  try {
    return await placeTail(journaled, {
      log,
      appender: writer.appender,
      activeOffset: active?.baseOffset ?? endOffset,
    });
  } catch (error) {
    // The first failure is the one to hear of.
    await Promise.allSettled([writer.close(), log.handles.close()]);
    throw error;
  }
}

function readableLog<T, Input>(parts: Assembly<T, Input>): ReadableLog {
  const { home, directory, loaded, isBesideWriter } = parts;
  const { logId, startOffset, endOffset, checkpoint, checkpointFile, report } = loaded;
  // Only a writer made sure of what the checkpoint does not state.
  const syncedOffset =
    checkpointFile === null ? Math.min(checkpoint.syncedOffset, endOffset) : endOffset;
  const epochs = checkpointFile?.epochs ?? checkpoint.epochs;
  const marks = new LogMarks({ startOffset, endOffset, syncedOffset, epochs });
  const segments = new SegmentList(loaded.segments);
  const handles = new HandleCache(directory.fileSystem, OPEN_SEGMENTS_MAX);
  // What was opened in spite of damage is shown as it was found.
  const isStill = checkpointFile !== null || report.damage !== null;
  const { sequence } = checkpoint;
  const follower = isStill
    ? null
    : new LogFollower({ directory, logId, marks, segments, handles, sequence, isBesideWriter });
  const indexes = new IndexCache();
  const damage = report.damage === null ? null : new CorruptLogError(report.damage);
  const readOnlyCause = damage ?? home.readOnlyCause ?? null;
  const { path } = directory;
  const directReads = new DirectReads(parts.settings.clock);
  const shared = { path, logId, marks, segments, handles, indexes };
  return { ...shared, directReads, follower, readOnlyCause };
}

function lockNotes(lock: DirectoryLock | null): string[] {
  const from = lock?.takenOver ?? null;
  if (from === null) return [];
  const who = `process ${from.pid} on ${from.host} (${from.mechanism})`;
  return [`the writer's lock was taken over from ${who}, which gave no sign of life any more`];
}
