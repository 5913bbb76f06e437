/** What the files of a log directory say by themselves, without opening the log. Never writes. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseCheckpointFile } from '../src/format/checkpoint.ts';
import type { Checkpoint } from '../src/format/checkpoint.ts';
import { CHECKPOINT_FILE, LOCK_FILE, QUARANTINE_DIRECTORY } from '../src/format/file-names.ts';
import { currentOwner, decodeOwner, isUnseenLiveOwner } from '../src/io/lock-owner.ts';
import type { LockOwner } from '../src/io/lock-owner.ts';
import { listSegmentFiles } from './log-path.ts';
import type { SegmentFile } from './log-path.ts';
import { formatCount, formatTime } from './units.ts';

export interface LogFiles {
  /** By base offset. */
  readonly segments: readonly SegmentFile[];
  /** Of all segments. */
  readonly sizeBytes: number;
  readonly checkpoint: Checkpoint | null;
  readonly checkpointProblems: readonly string[];
  readonly lock: LockState;
  readonly quarantine: { readonly fileCount: number; readonly sizeBytes: number };
}

/** Who holds the writer's lock, as far as LOCK and the process table tell. */
export interface LockState {
  /** `unknown`: the record is of another machine or container, whose processes are not seen. */
  readonly state: 'free' | 'held' | 'unknown';
  /** Who holds it, or who held it last; null when nobody ever did. */
  readonly holder: Pick<LockOwner, 'pid' | 'host' | 'mechanism' | 'acquiredAtMs'> | null;
}

/** Reads sizes, the checkpoint and the lock's record. */
export async function readLogFiles(directory: string): Promise<LogFiles> {
  const segments = await listSegmentFiles(directory);
  const parsed = parseCheckpointFile(await readIfThere(join(directory, CHECKPOINT_FILE)));
  return {
    segments,
    sizeBytes: segments.reduce((sum, segment) => sum + segment.sizeBytes, 0),
    checkpoint: parsed.checkpoint,
    checkpointProblems: parsed.problems,
    lock: readLock(await readIfThere(join(directory, LOCK_FILE))),
    quarantine: await measureQuarantine(join(directory, QUARANTINE_DIRECTORY)),
  };
}

/** One line: how far the log was synced when its writer last said so. */
export function describeCheckpoint({ checkpoint, checkpointProblems }: LogFiles): string {
  const problems = checkpointProblems.length === 0 ? '' : ` (${checkpointProblems.join('; ')})`;
  if (checkpoint === null) return `none that is valid${problems}`;
  const { syncedOffset, visibleOffset, sequence } = checkpoint;
  return (
    `synced below offset ${formatCount(syncedOffset)}, visible below ` +
    `${formatCount(visibleOffset)}, written ${formatCount(sequence)} times${problems}`
  );
}

/** One line: who writes. */
export function describeLock({ state, holder }: LockState): string {
  if (holder === null) return 'free, never held';
  const { pid, host, mechanism, acquiredAtMs } = holder;
  const who = `process ${pid} on ${host} (${mechanism}) since ${formatTime(acquiredAtMs)}`;
  if (state === 'held') return `held by ${who}`;
  return state === 'free'
    ? `free, last held by process ${pid} on ${host}`
    : `perhaps held by ${who}`;
}

function readLock(bytes: Uint8Array): LockState {
  const owner = decodeOwner(bytes);
  if (owner === null) return { state: 'free', holder: null };
  const { pid, host, mechanism, acquiredAtMs } = owner;
  return { state: lockStateOf(owner), holder: { pid, host, mechanism, acquiredAtMs } };
}

function lockStateOf(owner: LockOwner): LockState['state'] {
  if (owner.released) return 'free';
  // We hold no mechanism, so the process table decides: is it there, and the same one?
  const self = currentOwner('none');
  if (isUnseenLiveOwner(owner, self)) return 'held';
  const isHere = owner.bootId === self.bootId && owner.pidNamespace === self.pidNamespace;
  return isHere && owner.host === self.host ? 'free' : 'unknown';
}

async function measureQuarantine(path: string): Promise<LogFiles['quarantine']> {
  let names: string[];
  try {
    names = await readdir(path);
  } catch (error) {
    if (isMissing(error)) return { fileCount: 0, sizeBytes: 0 };
    throw error;
  }
  let sizeBytes = 0;
  for (const name of names) sizeBytes += (await stat(join(path, name))).size;
  return { fileCount: names.length, sizeBytes };
}

async function readIfThere(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isMissing(error)) return new Uint8Array(0);
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
