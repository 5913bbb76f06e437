/** A log directory as a killed process left it, and fresh copies of it. */
import { fork } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { parseCheckpointFile } from '../../src/format/checkpoint.ts';
import { CHECKPOINT_FILE, parseSegmentFileName } from '../../src/format/file-names.ts';
import { sharedDirectory } from '../jobs/shared-directory.ts';
import { ACKED_FILE, LOG_DIRECTORY, type CrashPlan } from './crash-plan.ts';

const WRITER = new URL('./writer-child.js', import.meta.url);

/** The bytes of one file from `from` on. */
export interface FileRange {
  readonly name: string;
  readonly from: number;
}

export interface CrashImage {
  readonly path: string;
  /** Everything below was acknowledged. */
  readonly ackedOffset: number;
  /** Oldest first. */
  readonly segments: readonly string[];
  /** What the checkpoint does not call synced: the rest of one segment, and those behind it. */
  readonly tail: readonly FileRange[];
}

/** The image of `plan`, made once for all sides of a contest. */
export async function crashImage(directory: string, plan: CrashPlan): Promise<CrashImage> {
  const shared = await sharedDirectory(directory, `crashed-at-${plan.durability}`, (unfinished) =>
    crash(unfinished, plan),
  );
  const path = join(shared, LOG_DIRECTORY);
  const segments = fs
    .readdirSync(path)
    .filter((name) => parseSegmentFileName(name) !== null)
    .toSorted();
  const ackedOffset = fs.readFileSync(join(shared, ACKED_FILE)).readDoubleLE(0);
  return { path, ackedOffset, segments, tail: tailOf(path, segments) };
}

/** Copies byte by byte, no links, and syncs: recovery shall find no dirty page but its own. */
export function copyImage(image: CrashImage, to: string): void {
  fs.mkdirSync(to);
  for (const entry of fs.readdirSync(image.path, { withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const fd = fs.openSync(join(to, entry.name), 'wx');
    fs.writeFileSync(fd, fs.readFileSync(join(image.path, entry.name)));
    fs.fsyncSync(fd);
    fs.closeSync(fd);
  }
  const parent = fs.openSync(to, 'r');
  fs.fsyncSync(parent);
  fs.closeSync(parent);
}

async function crash(directory: string, plan: CrashPlan): Promise<void> {
  const child = fork(WRITER, [directory, JSON.stringify(plan)], {
    execArgv: [],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const ending = await new Promise<string | number | null>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? code));
  });
  if (ending !== 'SIGKILL') throw new Error(`the writer was not killed, it ended: ${ending}`);
}

/** By what the checkpoint itself states, not by what recovery makes of it. */
function tailOf(path: string, segments: readonly string[]): FileRange[] {
  const { checkpoint } = parseCheckpointFile(fs.readFileSync(join(path, CHECKPOINT_FILE)));
  if (checkpoint === null) throw new Error('the killed process left no checkpoint');
  const { hintSegment, hintPosition } = checkpoint;
  return segments.flatMap((name) => {
    const baseOffset = parseSegmentFileName(name) ?? 0;
    if (baseOffset < hintSegment) return [];
    return [{ name, from: baseOffset === hintSegment ? hintPosition : 0 }];
  });
}
