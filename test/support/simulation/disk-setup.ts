/** The disk as a log finds it, and what anyone can see on it. */
import { dirname, join } from 'node:path';

import { isIoError } from '../../../src/core/errors.ts';
import { RESERVE_FILE } from '../../../src/format/file-names.ts';
import type { FileSystem } from '../../../src/io/file-system.ts';
import { referenceLogEnd } from '../reference/log-end.ts';
import { filesUnder } from './disk-reader.ts';
import type { World } from './world.ts';

/** Makes what the plan wants to be there before the log is. */
export async function prepareDisk({ fileSystem, plan }: World): Promise<void> {
  if (plan.hasDirectory) await makeDurable(fileSystem, plan.path);
  if (!plan.hasReserve) await replaceReserve(fileSystem, plan.path);
}

/** Where the data ends, as anyone can see who reads the files. */
export function endOnDisk({ fileSystem, plan }: World): number {
  try {
    return referenceLogEnd(filesUnder(fileSystem, plan.path), plan.path);
  } catch (error) {
    if (isIoError(error, 'ENOENT')) return 0; // There is no directory yet.
    throw error;
  }
}

/** The directory is there, and stays, before the log comes. */
async function makeDurable(fileSystem: FileSystem, path: string): Promise<void> {
  await fileSystem.makeDirectory(path);
  for (let above = dirname(path); ; above = dirname(above)) {
    await fileSystem.syncDirectory(above);
    if (above === '/') return;
  }
}

/** An empty file instead of the reserve, which costs more time than all the rest of a short seed. */
async function replaceReserve(fileSystem: FileSystem, path: string): Promise<void> {
  const file = await fileSystem.open(join(path, RESERVE_FILE), 'create');
  await file.close();
  await fileSystem.syncDirectory(path);
}
