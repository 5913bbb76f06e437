/** Copies the files of a log that nobody writes to, whole and synced or not at all. */
import { constants, type Stats } from 'node:fs';
import { copyFile, mkdir, open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { CHECKPOINT_FILE, parseSegmentFileName } from '../src/format/file-names.ts';
import { UsageError } from './command-error.ts';
import { classifyPath } from './log-path.ts';

/** @throws UsageError unless a log can appear at `target` */
export async function checkCopyTarget(target: string): Promise<void> {
  const kind = await classifyPath(target);
  if (kind === 'missing' || kind === 'empty') return;
  throw new UsageError(`${target} is there already`, 'give a directory that does not exist yet');
}

/**
 * Copies segments and checkpoint beside `target`, lets `change` work on the copy, and gives it its
 * name when that succeeded. LOCK, reserve and quarantine stay behind; the source is only read.
 */
export async function copyLog<T>(
  source: string,
  target: string,
  change: (copy: string) => Promise<T>,
): Promise<T> {
  const final = resolve(target);
  const temporary = `${final}.tmp-${process.pid}`;
  await mkdir(dirname(final), { recursive: true });
  await mkdir(temporary, { mode: 0o700 });
  try {
    for (const name of await readdir(source)) {
      if (name !== CHECKPOINT_FILE && parseSegmentFileName(name) === null) continue;
      await copySynced(join(source, name), join(temporary, basename(name)));
    }
    const result = await change(temporary);
    await syncDirectory(temporary);
    if ((await statIfThere(final)) !== null) await rmdir(final);
    await rename(temporary, final);
    await syncDirectory(dirname(final));
    return result;
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

async function copySynced(from: string, to: string): Promise<void> {
  await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  const file = await open(to, 'r+');
  try {
    await file.chmod(0o600);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

async function statIfThere(path: string): Promise<Stats | null> {
  return stat(path).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  });
}
