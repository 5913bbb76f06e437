/**
 * `repairLog`: makes a damaged log whole again, and says what that costs.
 *
 * Opening with `onCorruption: 'skip'` looks at the tail only; this looks at every segment, replaces
 * each damaged place by a gap batch, and ends only when `verifyLog` finds nothing any more.
 */
import { join } from 'node:path';
import {
  CorruptLogError,
  isIoError,
  NotFoundError,
  type CorruptLogDetails,
} from '../core/errors.ts';
import { systemClock } from '../core/clock.ts';
import { systemRandom, type Random } from '../core/random.ts';
import type { FileSystem } from '../io/file-system.ts';
import { nodeFileSystem } from '../io/node-file-system.ts';
import { OverlayFileSystem } from '../io/overlay-file-system.ts';
import { LogDirectory } from './log-directory.ts';
import { lockPlaceOf, storeAround } from './lock-place.ts';
import { bareHome, type LoadingHome } from './log-home.ts';
import { loadLog, type LoadedLog } from './log-loader.ts';
import type { LogGap } from './recovery-report.ts';
import { freeReserve } from './reserve.ts';
import { cutIndex, forgetCounts, replaceBatch } from './segment-mending.ts';
import { verifyLog } from './verify.ts';

export interface RepairOptions {
  /** Finds out what a repair would do, and changes nothing; default false. */
  readonly dryRun?: boolean | undefined;
  /** It is a copy, so the owner that its headers name does not write to it; default false. */
  readonly isCopy?: boolean | undefined;
  /** Default the operating system's. */
  readonly fileSystem?: FileSystem | undefined;
  /** Ends the work with the signal's reason; what was repaired before stays repaired. */
  readonly signal?: AbortSignal | undefined;
  /** For ids of segments that are made again; default the operating system's. */
  readonly random?: Random | undefined;
}

/** A file in `quarantine/`. */
export interface QuarantinedFile {
  readonly path: string;
  readonly sizeBytes: number;
}

export interface RepairReport {
  /** What was damaged, in offset order, as `verifyLog` names it. */
  readonly damage: readonly CorruptLogDetails[];
  /** Offsets whose records this repair gave up, ascending. */
  readonly gaps: readonly LogGap[];
  /** Gaps that were in the log before, ascending: of an earlier repair, or of one that was killed. */
  readonly earlierGaps: readonly LogGap[];
  /** Bytes of a torn tail, which nobody was told is durable, that were cut off. */
  readonly cutBytes: number;
  /** Files that the repair put into `quarantine/`. */
  readonly quarantined: readonly QuarantinedFile[];
  readonly startOffset: number;
  readonly endOffset: number;
  /** Things worth knowing that harmed nothing, as sentences. */
  readonly notes: readonly string[];
}

type Signal = AbortSignal | undefined;

/** One pass mends records and indexes, one the indexes of what it mended; the next finds nothing. */
const MEND_PASSES_MAX = 3;

/**
 * Repairs the log in a directory: every record that is not damaged keeps its offset and its bytes,
 * each damaged place becomes a gap, and the damaged bytes are kept in `quarantine/`.
 *
 * Takes the writer's lock, that of the store when the log is in one (a dry run does not, and wants
 * a log that nobody writes to). It may be killed at any step and run again: a copy is durable before
 * its place is changed.
 *
 * @param path  the log's directory
 * @returns what was damaged and what is lost; the log is sound then
 * @throws NotFoundError when there is no log; LockedError; ConflictError where a store lives, or when
 *   the log is one of a store and does not lie in it, so that its lock is nowhere;
 *   UnsupportedVersionError; DiskFullError, IoError; CorruptLogError when a place cannot be
 *   repaired (a hole that no log can have): what was repaired before stays repaired
 *
 * Cost: reads the log three times, and once more from each damaged place. A dry run holds in memory
 * what a repair would write.
 */
export async function repairLog(path: string, options: RepairOptions = {}): Promise<RepairReport> {
  const { dryRun = false, fileSystem: disk = nodeFileSystem } = options;
  const fileSystem = dryRun ? new OverlayFileSystem(disk) : disk;
  const directory = await existingLog(fileSystem, path);
  const lock = await fileSystem.lockDirectory(await lockPlaceOf(directory));
  try {
    return await repair(directory, options);
  } finally {
    await lock.release();
  }
}

/** Leaves nothing behind where there is no log, not even LOCK. */
async function existingLog(fileSystem: FileSystem, path: string): Promise<LogDirectory> {
  try {
    const directory = new LogDirectory(fileSystem, await fileSystem.realPath(path));
    const { segments, hasCheckpoint } = await directory.list();
    if (segments.length > 0 || hasCheckpoint) return directory;
  } catch (cause) {
    if (!isIoError(cause, 'ENOENT')) throw cause;
  }
  throw new NotFoundError({ kind: 'log', name: path });
}

async function repair(directory: LogDirectory, options: RepairOptions): Promise<RepairReport> {
  const { signal } = options;
  const before = new Set((await quarantinedFiles(directory)).map((file) => file.path));
  const { damage } = await examine(directory, signal);
  const loaded = await replaceAllDamage(directory, options);
  const { startOffset, endOffset, report } = loaded;
  const mended = await mendRest(directory, signal);
  const isInLog = ({ nextOffset }: LogGap): boolean => nextOffset > startOffset;
  const gaps = [...report.gaps, ...mended.gaps]
    .filter(isInLog)
    .toSorted((one, other) => one.firstOffset - other.firstOffset);
  const earlierGaps = without(mended.allGaps.filter(isInLog), gaps);
  const quarantined = (await quarantinedFiles(directory)).filter(({ path }) => !before.has(path));
  const { cutBytes, notes } = report;
  return { damage, gaps, earlierGaps, cutBytes, quarantined, startOffset, endOffset, notes };
}

/** Header, chain, batches, tail, checkpoint: what decides which records there are. */
async function replaceAllDamage(
  directory: LogDirectory,
  options: RepairOptions,
): Promise<LoadedLog> {
  const { random = systemRandom } = options;
  const loaded = await loadLog({
    directory,
    home: await homeOf(directory, options),
    random,
    clock: systemClock,
    onCorruption: 'skip',
    canWrite: true,
    create: false,
    endsAtCheckpoint: false,
    examines: 'all',
  });
  await loaded.checkpointFile?.close();
  return loaded;
}

/** A store has one reserve for all of its logs. */
async function homeOf(
  directory: LogDirectory,
  { isCopy = false }: RepairOptions,
): Promise<LoadingHome> {
  const store = await storeAround(directory);
  if (store === null) return isCopy ? { ...bareHome, ownerId: null } : bareHome;
  const storeDirectory = new LogDirectory(directory.fileSystem, store);
  return {
    ownerId: null,
    logId: null,
    keepReserve: () => Promise.resolve(),
    giveUpReserve: () => freeReserve(storeDirectory),
    journaled: null,
  };
}

/** Those of `all` that none of `some` overlaps; both ascend. */
function without(all: readonly LogGap[], some: readonly LogGap[]): LogGap[] {
  let index = 0;
  return all.filter(({ firstOffset, nextOffset }) => {
    while ((some[index]?.nextOffset ?? Number.POSITIVE_INFINITY) <= firstOffset) index++;
    return (some[index]?.firstOffset ?? Number.POSITIVE_INFINITY) >= nextOffset;
  });
}

interface Mended {
  /** Gaps that it made. */
  readonly gaps: readonly LogGap[];
  /** Every gap batch of the sound log. */
  readonly allGaps: readonly LogGap[];
}

async function mendRest(directory: LogDirectory, signal: Signal): Promise<Mended> {
  const gaps: LogGap[] = [];
  for (let pass = 1; ; pass++) {
    const { damage: found, gaps: allGaps } = await examine(directory, signal);
    const [first] = found;
    if (first === undefined) return { gaps, allGaps };
    if (pass > MEND_PASSES_MAX) throw new CorruptLogError(first);
    for (const details of found) {
      if (details.kind === 'index') await cutIndex(directory, details);
      else if (details.kind === 'record') gaps.push(await replaceBatch(directory, details));
      else if (details.kind === 'header') await forgetCounts(directory, details);
      else throw new CorruptLogError(details);
    }
  }
}

/** What is damaged, and which gap batches there are. */
async function examine(
  { fileSystem, path }: LogDirectory,
  signal: Signal,
): Promise<Pick<RepairReport, 'damage' | 'gaps'>> {
  const damage: CorruptLogDetails[] = [];
  const gaps: LogGap[] = [];
  for await (const event of verifyLog(path, { fileSystem, holdsLock: true })) {
    signal?.throwIfAborted();
    if (event.type === 'damage') damage.push(event.details);
    if (event.type === 'segment') gaps.push(...event.gaps);
  }
  return { damage, gaps };
}

async function quarantinedFiles(directory: LogDirectory): Promise<QuarantinedFile[]> {
  const { fileSystem, quarantinePath } = directory;
  if (!(await directory.list()).hasQuarantine) return [];
  const names = (await fileSystem.list(quarantinePath)).toSorted();
  const paths = names.map((name) => join(quarantinePath, name));
  return Promise.all(
    paths.map(async (path) => ({ path, sizeBytes: (await fileSystem.stat(path)).sizeBytes })),
  );
}
