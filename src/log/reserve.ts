/** The `reserve` file: 1 MiB that is given up when the disk is full, so that recovery can proceed. */
import { isIoError, isOutOfRoom } from '../core/errors.ts';
import { RESERVE_BYTES } from '../core/limits.ts';
import { TEMPORARY_SUFFIX } from '../format/file-names.ts';
import { writeFully } from '../io/transfer.ts';
import type { LogDirectory } from './log-directory.ts';

/**
 * Creates the file when it is missing and there is room; a full disk is no error.
 *
 * @returns whether it is there
 */
export async function ensureReserve(directory: LogDirectory, exists: boolean): Promise<boolean> {
  if (exists) return true;
  const { fileSystem, reservePath } = directory;
  const temporary = temporaryOf(directory);
  try {
    await unlinkIfThere(directory, temporary); // Of an earlier process that died here.
    const file = await fileSystem.open(temporary, 'create');
    try {
      // Written, not merely extended: only allocated blocks can be given back.
      await writeFully(file, new Uint8Array(RESERVE_BYTES), 0);
      await file.datasync(); // A name without its blocks would reserve nothing.
    } finally {
      await file.close();
    }
    await fileSystem.rename(temporary, reservePath);
    return true;
  } catch (error) {
    if (!isOutOfRoom(error)) throw error;
    await unlinkIfThere(directory, temporary);
    return false;
  }
}

/** Gives the space back. @returns false when there was no reserve left */
export async function freeReserve(directory: LogDirectory): Promise<boolean> {
  const wasThere = await unlinkIfThere(directory, directory.reservePath);
  // A power cut may have brought the name back under which it was made, and that holds its room, too.
  const wasThereTwice = await unlinkIfThere(directory, temporaryOf(directory));
  if (wasThere || wasThereTwice) await directory.sync();
  return wasThere || wasThereTwice;
}

function temporaryOf({ reservePath }: LogDirectory): string {
  return reservePath + TEMPORARY_SUFFIX;
}

async function unlinkIfThere(directory: LogDirectory, path: string): Promise<boolean> {
  try {
    await directory.fileSystem.unlink(path);
    return true;
  } catch (error) {
    if (isIoError(error, 'ENOENT')) return false;
    throw error;
  }
}
