/** What the files of a log directory say by themselves, without opening the log. Never writes. */
import { open, readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { parseCheckpointFile } from '../src/format/checkpoint.ts';
import type { Checkpoint } from '../src/format/checkpoint.ts';
import {
  CHECKPOINT_FILE,
  JOURNAL_DIRECTORY,
  QUARANTINE_DIRECTORY,
} from '../src/format/file-names.ts';
import { SEGMENT_HEADER_BYTES } from '../src/format/layout.ts';
import { parseSegmentHeader, type SegmentHeader } from '../src/format/segment-header.ts';
import type { LockState } from '../src/io/file-system.ts';
import { nodeFileSystem } from '../src/io/node-file-system.ts';
import { lockPlaceOf, storeAround } from '../src/log/lock-place.ts';
import { listSegmentFiles } from './log-path.ts';
import type { SegmentFile } from './log-path.ts';
import { formatCount, formatTime } from './units.ts';

/** How much a log holds, as of its last checkpoint. */
export interface LogExtent {
  /** By base offset. */
  readonly segments: readonly SegmentFile[];
  /** Of all segments. */
  readonly sizeBytes: number;
  readonly checkpoint: Checkpoint | null;
  readonly checkpointProblems: readonly string[];
}

export interface LogFiles extends LogExtent {
  /** Of the segments, in their order; null = it cannot be read. */
  readonly headers: readonly (SegmentHeader | null)[];
  readonly lock: LockState;
  readonly quarantine: { readonly fileCount: number; readonly sizeBytes: number };
}

/** Reads sizes, the checkpoint, the headers of the segments and the lock's record. */
export async function readLogFiles(directory: string): Promise<LogFiles> {
  const extent = await readLogExtent(directory);
  const headers: (SegmentHeader | null)[] = [];
  for (const { path } of extent.segments) headers.push(await readSegmentHeader(path));
  return {
    ...extent,
    headers,
    lock: await nodeFileSystem.lockState(await lockDirectoryOf(directory)),
    quarantine: await measureQuarantine(join(directory, QUARANTINE_DIRECTORY)),
  };
}

/** Sizes and the checkpoint alone. */
export async function readLogExtent(directory: string): Promise<LogExtent> {
  const segments = await listSegmentFiles(directory);
  const parsed = parseCheckpointFile(await readIfThere(join(directory, CHECKPOINT_FILE)));
  return {
    segments,
    sizeBytes: segments.reduce((sum, segment) => sum + segment.sizeBytes, 0),
    checkpoint: parsed.checkpoint,
    checkpointProblems: parsed.problems,
  };
}

/** Where the lock of the log is: a store has one for all of its logs. */
export async function lockDirectoryOf(directory: string): Promise<string> {
  const fileSystem = nodeFileSystem;
  return lockPlaceOf({ fileSystem, path: await fileSystem.realPath(directory) });
}

/** Whether the log is the journal of a store. */
export async function isJournal(directory: string): Promise<boolean> {
  const fileSystem = nodeFileSystem;
  const path = await fileSystem.realPath(directory);
  return basename(path) === JOURNAL_DIRECTORY && (await storeAround({ fileSystem, path })) !== null;
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
  if (holder === null) return state === 'held' ? 'held by an unknown process' : 'free, never held';
  const { pid, host, mechanism, acquiredAtMs } = holder;
  const who = `process ${pid} on ${host} (${mechanism}) since ${formatTime(acquiredAtMs)}`;
  if (state === 'held') return `held by ${who}`;
  return state === 'free'
    ? `free, last held by process ${pid} on ${host}`
    : `perhaps held by ${who}`;
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

/** Null also when a writer took the segment away meanwhile. */
async function readSegmentHeader(path: string): Promise<SegmentHeader | null> {
  const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
  try {
    const file = await open(path);
    try {
      const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
      return parseSegmentHeader(bytes.subarray(0, bytesRead)).header;
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
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
