/**
 * The locks of the kernel that a writer's lock is made of: here those of Unix, in `lock-sqlite.ts`
 * the one of SQLite. Each is freed by the kernel when the process dies, however it dies.
 *
 * To add one: implement `LockMechanism`, and give it its place in the plans of `lock-plan.ts`.
 */
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { isMainThread } from 'node:worker_threads';

import type * as FsExt from 'fs-ext';

import { loadAddon } from '../core/addons.ts';
import type { Descriptor } from './descriptor.ts';

/** LOCK, open. */
export interface LockTarget {
  readonly directory: string;
  readonly descriptor: Descriptor;
  /** `device:inode`: what is locked, by whatever path it was reached. */
  readonly identity: string;
}

/** A mechanism that was taken. */
export interface HeldMechanism {
  readonly name: string;
  release(): Promise<void>;
}

/** `held`: somebody else has it. `unavailable`: it does not work here, and why. */
export type LockAttempt = HeldMechanism | 'held' | { readonly unavailable: string };

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
    if (process.platform !== 'linux') return { unavailable: 'only Linux has abstract sockets' };
    const listening = await listen(`\0varve-${identity.replace(':', '-')}`);
    if (listening === 'held' || 'unavailable' in listening) return listening;
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
    // It keeps a handle of the V8 isolate that loaded it last: in a second thread, the process aborts.
    if (!isMainThread) return { unavailable: 'fs-ext works in the main thread only' };
    const fsExt = loadFsExt();
    if (fsExt === null) return { unavailable: 'the optional package fs-ext does not load' };
    const errno = descriptor.runSync('lock', null, (fd) => tryFlock(fsExt, fd));
    if (errno !== null) return HELD_ERRNOS.has(errno) ? 'held' : { unavailable: errno };
    // The lock goes with the descriptor, which the directory lock closes.
    return { name: 'flock', release: async () => {} };
  },
};

const HELD_ERRNOS: ReadonlySet<string> = new Set(['EAGAIN', 'EWOULDBLOCK', 'EACCES']);

function listen(path: string): Promise<Server | Exclude<LockAttempt, HeldMechanism>> {
  return new Promise((resolve) => {
    // Nobody has a reason to connect.
    const server = createServer((connection) => connection.destroy());
    server.on('error', (error) => {
      // Later errors (of accepting) settle nothing any more and do not touch the name.
      const code = 'code' in error ? error.code : undefined;
      resolve(code === 'EADDRINUSE' ? 'held' : { unavailable: error.message });
    });
    // Exclusive: in a cluster worker the name would otherwise be bound by the primary, for all.
    server.listen({ path, exclusive: true }, () => resolve(server));
    server.unref();
  });
}

/** Null when the addon is not there, or was not compiled for this Node.js. */
function loadFsExt(): typeof FsExt | null {
  try {
    const loaded: typeof FsExt = loadAddon('fs-ext');
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
