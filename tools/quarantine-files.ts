/** What lies in a log's `quarantine/`, and how it is thrown away when an operator says so. */
import { readdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { QUARANTINE_DIRECTORY } from '../src/format/file-names.ts';
import { nodeFileSystem } from '../src/io/node-file-system.ts';
import { isKeptName } from '../src/log/quarantine.ts';
import { lockDirectoryOf } from './log-files.ts';

export interface KeptFile {
  readonly path: string;
  readonly sizeBytes: number;
}

/** The files that recovery and repair put there, by name. What else is there is not ours. */
export async function listQuarantine(directory: string): Promise<KeptFile[]> {
  const quarantine = join(directory, QUARANTINE_DIRECTORY);
  let names: string[];
  try {
    names = await readdir(quarantine);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
  const paths = names.filter(isKeptName).toSorted();
  const files = paths.map(async (name) => {
    const path = join(quarantine, name);
    return { path, sizeBytes: (await stat(path)).size };
  });
  return Promise.all(files);
}

/**
 * Deletes the files that recovery and repair put there. Takes the writer's lock: a recovery that
 * is at work still needs its copies.
 *
 * @throws LockedError (`ERR_VARVE_LOCKED`) while a writer has the log
 */
export async function pruneQuarantine(directory: string): Promise<KeptFile[]> {
  const lock = await nodeFileSystem.lockDirectory(await lockDirectoryOf(directory));
  try {
    const files = await listQuarantine(directory);
    for (const { path } of files) await unlink(path);
    return files;
  } finally {
    await lock.release();
  }
}
