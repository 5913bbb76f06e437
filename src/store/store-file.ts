/** `store.json`: what makes a directory a store. */
import { dirname } from 'node:path';
import { CorruptLogError, isIoError, UnsupportedVersionError } from '../core/errors.ts';
import { TEMPORARY_SUFFIX } from '../format/file-names.ts';
import type { FileSystem } from '../io/file-system.ts';
import { readWhole, writeFully } from '../io/transfer.ts';

/** Of the directory of a store: the only one that there is. */
export const STORE_VERSION = 1;
/** A larger one is none of ours. */
const FILE_BYTES_MAX = 64 * 1024;

/** What stands in it. */
export interface StoreIdentity {
  /** Random, from 1 on: stands in the header of every segment of the store. */
  readonly storeId: number;
}

/** @returns null when there is none. @throws CorruptLogError, UnsupportedVersionError, IoError */
export async function readStoreFile(
  fileSystem: FileSystem,
  path: string,
): Promise<StoreIdentity | null> {
  let text: string;
  try {
    text = new TextDecoder().decode(await readWhole(fileSystem, path, FILE_BYTES_MAX));
  } catch (error) {
    if (isIoError(error, 'ENOENT')) return null;
    throw error;
  }
  const { formatVersion, storeId } = parse(text, path);
  if (typeof formatVersion === 'number' && formatVersion > STORE_VERSION) {
    throw new UnsupportedVersionError({
      file: path,
      found: formatVersion,
      supported: STORE_VERSION,
    });
  }
  const isId = typeof storeId === 'number' && Number.isSafeInteger(storeId) && storeId > 0;
  if (formatVersion !== STORE_VERSION || !isId) throw damaged(path, 'a field is missing or wrong');
  return { storeId };
}

/** Writes it durably: after a crash there is the whole file or none. */
export async function writeStoreFile(
  fileSystem: FileSystem,
  path: string,
  { storeId }: StoreIdentity,
): Promise<void> {
  const temporary = path + TEMPORARY_SUFFIX;
  await unlinkIfThere(fileSystem, temporary); // Of an earlier process that died here.
  const text = `${JSON.stringify({ formatVersion: STORE_VERSION, storeId })}\n`;
  const file = await fileSystem.open(temporary, 'create');
  try {
    await writeFully(file, new TextEncoder().encode(text), 0);
    await file.datasync();
  } finally {
    await file.close();
  }
  await fileSystem.rename(temporary, path);
  await fileSystem.syncDirectory(dirname(path));
}

function parse(text: string, path: string): Record<string, unknown> {
  try {
    const found: unknown = JSON.parse(text);
    if (typeof found === 'object' && found !== null) return { ...found };
  } catch (cause) {
    throw damaged(path, 'no JSON', cause);
  }
  throw damaged(path, 'no object');
}

function damaged(file: string, reason: string, cause?: unknown): CorruptLogError {
  const range = { firstOffset: null, nextOffset: null };
  const details = { file, position: 0, kind: 'header', ...range, reason } as const;
  return new CorruptLogError(details, { cause });
}

async function unlinkIfThere(fileSystem: FileSystem, path: string): Promise<void> {
  try {
    await fileSystem.unlink(path);
  } catch (error) {
    if (!isIoError(error, 'ENOENT')) throw error;
  }
}

/** What a store cannot be without is not there. */
export function missing(file: string, why: string): CorruptLogError {
  const reason = `it is missing, and ${why}`;
  const range = { firstOffset: null, nextOffset: null };
  return new CorruptLogError({ file, position: 0, kind: 'header', ...range, reason });
}
