/**
 * The operating system's mechanisms that a writer's lock is made of. Each is freed by the kernel
 * when the process dies, however it dies.
 *
 * To add one: implement `LockMechanism`, and put it in `defaultMechanisms` in order of preference.
 */
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import type { Server } from 'node:net';

import type * as FsExt from 'fs-ext';

import type { Descriptor } from './descriptor.ts';

/** LOCK, open. */
export interface LockTarget {
  readonly descriptor: Descriptor;
  /** `device:inode`: what is locked, by whatever path it was reached. */
  readonly identity: string;
}

/** A mechanism that was taken. */
export interface HeldMechanism {
  readonly name: string;
  release(): Promise<void>;
}

/** `held`: somebody else has it. `unavailable`: it does not work here. */
export type LockAttempt = HeldMechanism | 'held' | 'unavailable';

export interface LockMechanism {
  readonly name: string;
  take(target: LockTarget): Promise<LockAttempt>;
}

/**
 * An abstract Unix socket named after LOCK's inode: bound by one process at a time, without a file
 * and without a native addon. Seen only within one network namespace: two containers that share a
 * volume but not a network do not exclude each other by it.
 */
export const socketMechanism: LockMechanism = {
  name: 'socket',
  async take({ identity }) {
    if (process.platform !== 'linux') return 'unavailable';
    const listening = await listen(`\0varve-${identity.replace(':', '-')}`);
    if (typeof listening === 'string') return listening;
    return {
      name: 'socket',
      release: () =>
        new Promise((resolve) => {
          listening.close(() => resolve());
        }),
    };
  },
};

/**
 * flock(2) through the optional addon fs-ext. It belongs to the open file, so a second open in
 * this process is refused too, and closing other descriptors of LOCK does not drop it.
 */
export const flockMechanism: LockMechanism = {
  name: 'flock',
  async take({ descriptor }) {
    const fsExt = loadFsExt();
    if (fsExt === null) return 'unavailable';
    const errno = descriptor.runSync('lock', null, (fd) => tryFlock(fsExt, fd));
    if (errno !== null) return HELD_ERRNOS.has(errno) ? 'held' : 'unavailable';
    // The lock goes with the descriptor, which the directory lock closes.
    return { name: 'flock', release: async () => {} };
  },
};

/** All that may work here; a writer takes every one that does. */
export const defaultMechanisms: readonly LockMechanism[] = [socketMechanism, flockMechanism];

const HELD_ERRNOS: ReadonlySet<string> = new Set(['EAGAIN', 'EWOULDBLOCK', 'EACCES']);

function listen(path: string): Promise<Server | 'held' | 'unavailable'> {
  return new Promise((resolve) => {
    // Nobody has a reason to connect.
    const server = createServer((connection) => connection.destroy());
    server.on('error', (error) => {
      // Later errors (of accepting) settle nothing any more and do not touch the name.
      resolve('code' in error && error.code === 'EADDRINUSE' ? 'held' : 'unavailable');
    });
    // Exclusive: in a cluster worker the name would otherwise be bound by the primary, for all.
    server.listen({ path, exclusive: true }, () => resolve(server));
    server.unref();
  });
}

/** Null when the addon is not there, or was not compiled for this Node.js. */
function loadFsExt(): typeof FsExt | null {
  try {
    const loaded: typeof FsExt = createRequire(import.meta.url)('fs-ext');
    return loaded;
  } catch {
    return null;
  }
}

/** The errno; null when the lock was taken. */
function tryFlock(fsExt: typeof FsExt, fd: number): string | null {
  try {
    fsExt.flockSync(fd, 'exnb');
    return null;
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'UNKNOWN';
  }
}
