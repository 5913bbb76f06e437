/**
 * Where the writer of a store listens, and where others find it.
 *
 * `control.sock` is bound in a directory that only its owner may enter, gets its mode there, and is
 * renamed into place: there is no moment in which somebody else could connect. Where the path is too
 * long for a socket (the kernel allows 107 bytes, and Node cuts a longer one without a word), it is
 * a symbolic link to a socket in a directory of its own below the one for temporary files. That one
 * is named after the inode of the store's directory: in a copy of it, the link leads nowhere.
 *
 * Only who holds the store's lock makes or removes any of it.
 */
import { createHash } from 'node:crypto';
import type { Stats } from 'node:fs';
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readlink,
  realpath,
  rename,
  rmdir,
  symlink,
  unlink,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';

import { ioError } from './io-error.ts';

export const CONTROL_FILE_NAME = 'control.sock';
/** The directory in which the socket is made. */
const STAGE_NAME = 'control.new';
const STAGED_SOCKET = 's';
/** macOS takes 103 bytes, Linux 107. */
const PATH_BYTES_MAX = 100;
/** Of the inode in a name, which has to be short. */
const BASE = 36;
const OWNER_ONLY = 0o600;
const ACCESS_OF_OTHERS = 0o077;

/** A place to listen at. */
export interface ControlPlace {
  /** What to bind. */
  readonly path: string;
  /** Lets clients in, once it is bound. */
  publish(): Promise<void>;
  /** Takes all of it away, if it is still what `publish` made. */
  remove(): Promise<void>;
}

/** Removes what a dead owner left, and prepares a new place. The caller holds the store's lock. */
export async function prepareControlPlace(directory: string): Promise<ControlPlace> {
  if (process.platform === 'win32') return pipePlace(directory);
  const published = join(directory, CONTROL_FILE_NAME);
  await removeStage(join(directory, STAGE_NAME));
  await removeStale(directory, published);
  return Buffer.byteLength(published) <= PATH_BYTES_MAX
    ? localPlace(directory, published)
    : remotePlace(directory, published);
}

/** What to connect to; null when nobody ever listened, or closed. The lock says whether one lives. */
export async function findControlPlace(directory: string): Promise<string | null> {
  const real = await realpath(directory);
  if (process.platform === 'win32') return pipePlace(real).path;
  const published = join(real, CONTROL_FILE_NAME);
  const found = await statOrNull(published);
  if (found === null) return null;
  if (found.isSocket()) return checkLength(published);
  if (!found.isSymbolicLink()) return null;
  const target = await readlink(published);
  if (!(await isRemoteOf(real, target))) return null;
  const home = await statOrNull(dirname(target));
  // The directory for temporary files is everybody's: who made this one after a reboot?
  const isSafe =
    home?.isDirectory() === true && home.uid === found.uid && (home.mode & ACCESS_OF_OTHERS) === 0;
  return isSafe ? checkLength(target) : null;
}

/** Windows: a pipe, gone with its process; only its owner and administrators may write to it. */
function pipePlace(directory: string): ControlPlace {
  const name = createHash('sha256').update(directory.toLowerCase()).digest('hex').slice(0, 32);
  return { path: `\\\\.\\pipe\\varve-${name}`, publish: nothingToDo, remove: nothingToDo };
}

function nothingToDo(): Promise<void> {
  return Promise.resolve();
}

async function localPlace(directory: string, published: string): Promise<ControlPlace> {
  const stage = join(directory, STAGE_NAME);
  const path = join(stage, STAGED_SOCKET);
  await removeStage(stage);
  await mkdir(stage, { mode: 0o700 });
  let identity = '';
  return {
    path,
    async publish() {
      await chmod(path, OWNER_ONLY);
      identity = identityOf(await lstat(path));
      await rename(path, published);
      await rmdir(stage);
    },
    async remove() {
      await removeOwn(published, identity);
      await removeStage(stage);
    },
  };
}

async function remotePlace(directory: string, published: string): Promise<ControlPlace> {
  const prefix = join(tmpdir(), await remotePrefix(directory));
  checkLength(join(`${prefix}......`, CONTROL_FILE_NAME));
  const home = await mkdtemp(prefix); // Mode 0700, and a name of its own.
  const path = join(home, CONTROL_FILE_NAME);
  let identity = '';
  return {
    path,
    async publish() {
      await chmod(path, OWNER_ONLY);
      await symlink(path, published);
      identity = identityOf(await lstat(published));
    },
    async remove() {
      await removeOwn(published, identity);
      await unless('ENOENT', unlink(path));
      await unless('ENOENT', rmdir(home));
    },
  };
}

/** @throws IoError (EEXIST) for what no owner made: it is not ours to remove */
async function removeStale(directory: string, published: string): Promise<void> {
  const found = await statOrNull(published);
  if (found === null) return;
  if (found.isSymbolicLink()) {
    const target = await readlink(published);
    if (await isRemoteOf(directory, target)) await removeRemote(target);
  } else if (!found.isSocket()) throw ioError('EEXIST', { operation: 'listen', path: published });
  await unlink(published);
}

/** What a dead owner left elsewhere; where it cannot be removed it does no harm. */
async function removeRemote(path: string): Promise<void> {
  const found = await statOrNull(path).catch(() => null);
  if (found?.isSocket() === true) await unlink(path).catch(() => undefined);
  await rmdir(dirname(path)).catch(() => undefined); // Only an empty one.
}

/** Whether a link leads to where an owner of this very directory listened, not of one like it. */
async function isRemoteOf(directory: string, target: string): Promise<boolean> {
  const home = basename(dirname(target));
  return basename(target) === CONTROL_FILE_NAME && home.startsWith(await remotePrefix(directory));
}

async function remotePrefix(directory: string): Promise<string> {
  const { dev, ino } = await lstat(directory, { bigint: true });
  return `varve-${dev.toString(BASE)}-${ino.toString(BASE)}-`;
}

/** A writer that died while it was about to listen left it. */
async function removeStage(stage: string): Promise<void> {
  const found = await statOrNull(stage);
  if (found === null) return;
  if (!found.isDirectory()) throw ioError('EEXIST', { operation: 'listen', path: stage });
  await unless('ENOENT', unlink(join(stage, STAGED_SOCKET)));
  await rmdir(stage);
}

/** After a lock was taken over, the name is the new owner's. */
async function removeOwn(published: string, identity: string): Promise<void> {
  const found = await statOrNull(published);
  if (found !== null && identityOf(found) === identity) await unlink(published);
}

function identityOf({ dev, ino }: Stats): string {
  return `${dev}:${ino}`;
}

/** @throws IoError (ENAMETOOLONG) where Node would connect to another name */
function checkLength(path: string): string {
  if (Buffer.byteLength(path) <= PATH_BYTES_MAX) return path;
  throw ioError('ENAMETOOLONG', { operation: 'listen', path });
}

async function statOrNull(path: string): Promise<Stats | null> {
  try {
    return await lstat(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return null;
    throw error;
  }
}

async function unless(errno: string, done: Promise<void>): Promise<void> {
  try {
    await done;
  } catch (error) {
    if (!hasErrno(error, errno)) throw error;
  }
}

function hasErrno(error: unknown, errno: string): boolean {
  return error instanceof Error && 'code' in error && error.code === errno;
}
