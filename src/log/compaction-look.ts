/**
 * What compaction would do to a log that is only read: planned, and carried out by nobody. Another process may
 * append to it, and rewrite and delete segments, while they are looked at.
 */
import { ConflictError, isIoError, type IoError } from '../core/errors.ts';
import { LOOKS_MAX } from '../core/limits.ts';
import { Pace } from '../core/pace.ts';
import {
  checkCompactOptions,
  type CheckedCompactOptions,
  type CompactionPlan,
  type CompactOptions,
} from './compact-options.ts';
import type { Segment } from '../segment/segment.ts';
import type { CompactionSettings } from './compaction-options.ts';
import { CompactionRun } from './compaction-run.ts';
import { PlannedTarget } from './compaction-target.ts';
import type { LogSettings } from './log-options.ts';
import type { ReadableLog } from './readable-log.ts';
import { SegmentRewriter } from './segment-rewriter.ts';

type LookSettings = Omit<LogSettings<never>, 'codec'>;

/**
 * As `Compactor.plan`; nobody can be asked here whether what may go is still needed.
 *
 * @throws as `Log.planCompaction`
 */
export async function planToRead(
  log: ReadableLog,
  settings: LookSettings,
  given: CompactOptions,
): Promise<CompactionPlan> {
  const options = checkCompactOptions(given);
  checkIsCompacted(log, settings, 'to plan its compaction');
  await log.follower?.relist(); // A writer that was killed has not stated its last swap.
  for (let look = 1; ; look++) {
    const { all: before } = log.segments;
    const run = newRun(log, settings, options);
    const missing = await missingIn(run);
    if (missing === null && run.damage === null) return run.plan;
    await log.follower?.relist(); // What is missing, or looked damaged, may be another file by now.
    if (look < LOOKS_MAX && !isSame(before, log.segments.all)) continue;
    if (missing !== null) throw missing;
    return run.plan;
  }
}

/** @throws ConflictError where the log is not to be compacted */
export function checkIsCompacted(
  { path: name }: Pick<ReadableLog, 'path'>,
  { compaction }: Pick<CompactionSettings, 'compaction'>,
  requested: string,
): void {
  if (compaction !== 'off') return;
  throw new ConflictError({ kind: 'log', name, stored: 'compaction off', requested });
}

function newRun(
  log: ReadableLog,
  settings: LookSettings,
  { bytesPerSecondMax, signal, onProgress }: CheckedCompactOptions,
): CompactionRun {
  const { clock, random, fileSystem } = settings;
  const pace = new Pace({
    clock,
    bytesPerSecondMax,
    keepsAlive: true,
    signal: signal ?? undefined,
  });
  // It surveys, and makes no file.
  const rewriter = new SegmentRewriter({
    log,
    directory: { fileSystem },
    takeTurn: null,
    space: { refusal: () => Promise.resolve(null) },
    compressor: () => null,
  });
  const { visibleOffset } = log.marks;
  const nowMs = () => clock.now();
  return new CompactionRun({
    log,
    target: new PlannedTarget({ rewriter, pace }),
    guard: null,
    random,
    pace,
    settings,
    mapBytesMax: settings.compactionMapBytesMax,
    state: {
      syncedOffset: visibleOffset,
      durableVisibleOffset: visibleOffset,
      nowMs: nowMs(),
      isAsked: true,
    },
    nowMs,
    onProgress,
    onCompacted: null,
  });
}

/** Null unless a segment was deleted meanwhile. @throws as `CompactionRun.run` */
async function missingIn(run: CompactionRun): Promise<IoError | null> {
  try {
    await run.run();
    return null;
  } catch (error) {
    if (isIoError(error, 'ENOENT')) return error;
    throw error;
  }
}

function isSame(one: readonly Segment[], other: readonly Segment[]): boolean {
  return one.length === other.length && one.every((segment, at) => segment === other[at]);
}
