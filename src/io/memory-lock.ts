/** The writer's lock of a directory in memory: within one file system, so within one process. */
import { hostname } from 'node:os';
import { join } from 'node:path';

import { systemClock } from '../core/clock.ts';
import type { Clock } from '../core/clock.ts';
import { isIoError, LockedError } from '../core/errors.ts';
import type { DirectoryLock, LockState } from './file-system.ts';
import { ioError } from './io-error.ts';
import type { IoOperation } from './io-error.ts';
import { LOCK_FILE_NAME } from './lock-record.ts';
import type { MemoryDirectoryNode, MemoryFileNode, MemoryTree } from './memory-tree.ts';

const MECHANISM = 'memory';

export interface MemoryLockOptions {
  readonly tree: MemoryTree;
  readonly locked: MemoryLocks;
  readonly path: string;
  readonly clock?: Clock | undefined;
}

/** The directories of a tree that are locked now, and by whom. */
export type MemoryLocks = Map<MemoryDirectoryNode, NonNullable<LockState['holder']>>;

/** `FileSystem.lockState` in memory, where nobody writes down who held a lock that is free. */
export function memoryLockState(options: MemoryLockOptions): LockState {
  const { tree, locked, path } = options;
  const holder = locked.get(tree.findDirectory({ operation: 'lockState', path })) ?? null;
  return { state: holder === null ? 'free' : 'held', holder };
}

/** A held lock. `check` and `free` are `verify` and `release` for callers that must not wait. */
export class MemoryLock implements DirectoryLock {
  readonly mechanism = MECHANISM;
  readonly takenOver = null;
  readonly #options: MemoryLockOptions;
  readonly #directory: MemoryDirectoryNode;
  readonly #lockFile: MemoryFileNode;
  #isHeld = true;

  /**
   * Takes the lock. LOCK is created when it is missing, but stays empty: nobody outside this
   * process could read who holds it.
   *
   * @throws LockedError (`ERR_VARVE_LOCKED`)
   */
  constructor(options: MemoryLockOptions) {
    const { tree, locked, path } = options;
    this.#options = options;
    this.#directory = tree.findDirectory({ operation: 'lockDirectory', path });
    const known = locked.get(this.#directory);
    if (known !== undefined) {
      const { pid, host, mechanism } = known;
      throw new LockedError({ path, holder: { pid, host, mechanism } });
    }
    const at = this.#at('lockDirectory');
    const existing = this.#directory.entries.get(LOCK_FILE_NAME);
    if (existing?.kind === 'directory') throw ioError('EISDIR', at);
    this.#lockFile = existing ?? tree.create(at).node;
    const { clock = systemClock } = options;
    locked.set(this.#directory, {
      pid: process.pid,
      host: hostname(),
      mechanism: MECHANISM,
      acquiredAtMs: clock.now(),
    });
  }

  /** @throws LockedError (`ERR_VARVE_LOCKED`) when another file has the name LOCK */
  check(): void {
    const at = this.#at('verifyLock');
    if (!this.#isHeld) throw ioError('EBADF', at);
    if (!this.#isAt(at)) throw new LockedError({ path: this.#options.path, holder: null });
  }

  /** Idempotent. */
  free(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#options.locked.delete(this.#directory);
  }

  async verify(): Promise<void> {
    this.check();
  }

  /** Never: whoever holds it is in this process. */
  onLost(): void {}

  async release(): Promise<void> {
    this.free();
  }

  #at(operation: string): IoOperation {
    return { operation, path: join(this.#options.path, LOCK_FILE_NAME) };
  }

  #isAt(at: IoOperation): boolean {
    try {
      return this.#options.tree.find(at) === this.#lockFile;
    } catch (error) {
      if (isIoError(error)) return false; // The name or a directory above it is gone.
      throw error;
    }
  }
}
