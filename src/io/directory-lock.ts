/**
 * The writer's lock of a directory: one writer per directory, for as long as its process lives.
 *
 * A writer takes every mechanism that works here, then reads the owner record, in case a live
 * owner used one that we cannot see, and writes its own. LOCK is never deleted: a new LOCK would be
 * a second lock, and the holder of the old one would not know (`verify` finds out).
 */
import fs from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';

import { isIoError, LockedError, LockUnavailableError } from '../core/errors.ts';
import type { LockHolder } from '../core/errors.ts';
import { callFs, Descriptor } from './descriptor.ts';
import type { DirectoryLock, LockOptions } from './file-system.ts';
import { ioError } from './io-error.ts';
import { defaultMechanisms } from './lock-mechanisms.ts';
import type { HeldMechanism, LockMechanism, LockTarget } from './lock-mechanisms.ts';
import {
  currentOwner,
  decodeOwner,
  encodeOwner,
  isKnownDead,
  isUnseenLiveOwner,
  LOCK_FILE_NAME,
  OWNER_RECORD_BYTES,
} from './lock-owner.ts';
import type { LockOwner } from './lock-owner.ts';

/**
 * The locks of this process by `device:inode` of LOCK.
 *
 * The one piece of process-wide state, because what it says is about the process: a second handle
 * of the same directory, by whatever path and from whatever store, must be refused also where no
 * mechanism distinguishes two holders in one process. Entries leave with `release`.
 */
const heldHere = new Map<string, LockHolder>();

/** The disk is full or read-only: no reason to refuse a lock that the kernel has granted. */
const RECORD_MAY_FAIL_WITH = ['ENOSPC', 'EDQUOT', 'EFBIG', 'EROFS'];

export interface DirectoryLockOptions extends LockOptions {
  /** Default: all that this platform has. */
  readonly mechanisms?: readonly LockMechanism[];
}

/**
 * Locks `path` for this process until `release`, or until the process ends.
 *
 * Works with no byte free once LOCK has its record, which is overwritten in place. When the record
 * cannot be written for lack of space, the lock is held all the same, but the next opener that is
 * refused may be told of an older holder, or of none.
 *
 * @throws LockedError (`ERR_VARVE_LOCKED`) naming the holder
 * @throws LockUnavailableError (`ERR_VARVE_LOCK_UNAVAILABLE`) when no mechanism works
 * @throws IoError when LOCK cannot be opened or read
 */
export async function takeDirectoryLock(
  path: string,
  options: DirectoryLockOptions = {},
): Promise<DirectoryLock> {
  const { O_CREAT, O_RDWR } = fs.constants;
  const descriptor = await Descriptor.open(join(path, LOCK_FILE_NAME), O_RDWR | O_CREAT);
  const undo: (() => Promise<void>)[] = [() => descriptor.close()];
  try {
    const target = { descriptor, identity: await identityOf(descriptor) };
    reserve(path, target.identity);
    undo.push(async () => void heldHere.delete(target.identity));
    const mechanisms = options.mechanisms ?? defaultMechanisms;
    const held = await takeAll(mechanisms, { path, target, undo });
    const owner = currentOwner(nameOf(held), options.clock);
    await checkOwner(owner, { path, target });
    await writeOwner(descriptor, owner);
    heldHere.set(target.identity, owner);
    const lock = new NodeDirectoryLock({ path, target, owner, held });
    await lock.verify(); // LOCK may have been replaced between the open and the lock.
    return lock;
  } catch (error) {
    for (const step of undo.reverse()) await step();
    throw error;
  }
}

interface Taking {
  readonly path: string;
  readonly target: LockTarget;
}

/** In one step with the check: no other open of this process can come between. */
function reserve(path: string, identity: string): void {
  const holder = heldHere.get(identity);
  if (holder !== undefined) throw lockedBy(path, holder);
  heldHere.set(identity, { pid: process.pid, host: hostname(), mechanism: 'process' });
}

async function takeAll(
  mechanisms: readonly LockMechanism[],
  taking: Taking & { readonly undo: (() => Promise<void>)[] },
): Promise<readonly HeldMechanism[]> {
  const { path, target, undo } = taking;
  const taken: HeldMechanism[] = [];
  for (const mechanism of mechanisms) {
    const attempt = await mechanism.take(target);
    if (attempt === 'held') throw lockedBy(path, await livingOwner(target.descriptor));
    if (attempt === 'unavailable') continue;
    taken.push(attempt);
    undo.push(() => attempt.release());
  }
  if (taken.length === 0) {
    throw new LockUnavailableError({ path, tried: mechanisms.map(({ name }) => name) });
  }
  return taken;
}

function nameOf(held: readonly HeldMechanism[]): string {
  return held
    .map(({ name }) => name)
    .sort()
    .join('+');
}

async function checkOwner(own: LockOwner, { path, target }: Taking): Promise<void> {
  const found = await readOwner(target.descriptor);
  if (found !== null && isUnseenLiveOwner(found, own)) throw lockedBy(path, found);
}

function lockedBy(path: string, holder: LockHolder | null): LockedError {
  if (holder === null) return new LockedError({ path, holder });
  const { pid, host, mechanism } = holder;
  return new LockedError({ path, holder: { pid, host, mechanism } });
}

async function readOwner(descriptor: Descriptor): Promise<LockOwner | null> {
  const bytes = new Uint8Array(OWNER_RECORD_BYTES);
  const count = await descriptor.run<number>('read', 0, (fd, done) => {
    fs.read(fd, bytes, 0, bytes.length, 0, done);
  });
  const owner = decodeOwner(bytes.subarray(0, count));
  return owner === null || owner.released ? null : owner;
}

/** Null when the record is that of a process which died: the holder has not written its own yet. */
async function livingOwner(descriptor: Descriptor): Promise<LockOwner | null> {
  const owner = await readOwner(descriptor);
  return owner === null || isKnownDead(owner, currentOwner('')) ? null : owner;
}

async function writeOwner(descriptor: Descriptor, owner: LockOwner): Promise<void> {
  const bytes = encodeOwner(owner);
  try {
    // A short write leaves a record that reads as none; the next one in place mends it.
    await descriptor.run<number>('write', 0, (fd, done) => {
      fs.write(fd, bytes, 0, bytes.length, 0, done);
    });
  } catch (error) {
    if (!isIoError(error, ...RECORD_MAY_FAIL_WITH)) throw error;
  }
}

async function identityOf(descriptor: Descriptor): Promise<string> {
  const { dev, ino } = await descriptor.stat();
  return `${dev}:${ino}`;
}

class NodeDirectoryLock implements DirectoryLock {
  readonly mechanism: string;
  readonly #path: string;
  readonly #target: LockTarget;
  readonly #owner: LockOwner;
  readonly #held: readonly HeldMechanism[];
  #releasing: Promise<void> | null = null;

  constructor(
    options: Taking & { readonly owner: LockOwner; readonly held: readonly HeldMechanism[] },
  ) {
    this.mechanism = options.owner.mechanism;
    this.#path = options.path;
    this.#target = options.target;
    this.#owner = options.owner;
    this.#held = options.held;
  }

  async verify(): Promise<void> {
    const { descriptor, identity } = this.#target;
    const at = { operation: 'verifyLock', path: descriptor.path };
    if (this.#releasing !== null) throw ioError('EBADF', at);
    let found: fs.BigIntStats;
    try {
      found = await callFs<fs.BigIntStats>(at, (done) => {
        fs.lstat(descriptor.path, { bigint: true }, done);
      });
    } catch (error) {
      if (!isIoError(error, 'ENOENT', 'ENOTDIR')) throw error;
      throw new LockedError({ path: this.#path, holder: null }, { cause: error });
    }
    if (`${found.dev}:${found.ino}` === identity) return;
    throw lockedBy(this.#path, await ownerAt(descriptor.path));
  }

  release(): Promise<void> {
    this.#releasing ??= this.#release();
    return this.#releasing;
  }

  async #release(): Promise<void> {
    const { descriptor, identity } = this.#target;
    try {
      await writeOwner(descriptor, { ...this.#owner, released: true });
    } finally {
      // The mechanisms go in any case: a record that stayed behind names a process that will end.
      for (const mechanism of this.#held) await mechanism.release();
      await descriptor.close().finally(() => heldHere.delete(identity));
    }
  }
}

/** The owner that a LOCK put in our place names; null when it cannot be told. */
async function ownerAt(lockPath: string): Promise<LockOwner | null> {
  try {
    const descriptor = await Descriptor.open(lockPath, fs.constants.O_RDONLY);
    try {
      return await readOwner(descriptor);
    } finally {
      await descriptor.close();
    }
  } catch (error) {
    if (isIoError(error)) return null; // The news is the replacement, not this.
    throw error;
  }
}
