/**
 * The guard: one opener at a time reads who owns LOCK, takes its mechanisms, and writes that it owns
 * LOCK now. Without it, one that takes a socket and one that takes a SQLite lock could both read
 * LOCK before either had written it.
 *
 * An opener enters by a claim: a name in the directory, unlike any other ever, that says which
 * thread made it. It makes its claim, then lists the directory. Alone, it is inside; it leaves by
 * removing its claim, after its record is in LOCK. With others there, the first by name stays and
 * waits for them to go; the others withdraw, and come again.
 *
 * Why at most one is inside: of two that are, one made its claim later, and listed later still. It
 * saw the other's claim, or the other had left by then, and was not inside. Why not none: of those
 * that wait, the first by name keeps its claim, and all others go.
 *
 * A claim is a hard link to LOCK, so it needs neither an inode nor, as a rule, a free byte. What a
 * dead thread left is removed by the next opener; names are never used again, so nobody can remove
 * a live claim for a dead one. Claims of threads that cannot be seen from here count for 30 s;
 * whoever was held up for longer finds its claim gone (`isHeld`) and must not go on.
 */
import fs from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

import type { Clock } from '../core/clock.ts';
import { isIoError, LockedError } from '../core/errors.ts';
import type { IoError } from '../core/errors.ts';
import { randomId, systemRandom } from '../core/random.ts';
import { callFs } from './descriptor.ts';
import { currentSystem, isFresh, isSameLock } from './lock-owner.ts';
import type { SystemName } from './lock-owner.ts';
import { LOCK_FILE_NAME } from './lock-record.ts';
import { currentThread, fateOfThread } from './process-table.ts';
import type { ThreadName } from './process-table.ts';

const NONCE = /^\d+$/;
const PREFIX = `${LOCK_FILE_NAME}.claim`;
/** How long an opener waits for another, which needs a few milliseconds. */
const WAIT_MS_MAX = 2_000;
const POLL_MS = 5;

/** No room, no right, or no write at all: then no other opener can claim either. */
const CANNOT_CLAIM = ['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EPERM'];
/** File systems without hard links, each in its way. */
const CANNOT_LINK = ['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK'];

/** An opener's time alone with LOCK. */
export interface LockGuard {
  /** Why nothing could be claimed, and the mechanisms stand alone; null when we are alone. */
  readonly problem: IoError | null;
  /** Whether the claim still stands; without one, nobody took it from us. */
  isHeld(): Promise<boolean>;
  leave(): Promise<void>;
}

export interface GuardOptions {
  readonly directory: string;
  /** `device:inode` of LOCK. */
  readonly lockIdentity: string;
  readonly clock: Clock;
}

function noGuard(problem: IoError): LockGuard {
  return { problem, isHeld: async () => true, leave: async () => {} };
}

/**
 * Waits for other openers, up to 2 s, and enters.
 *
 * @throws LockedError (`ERR_VARVE_LOCKED`) when another stays inside, as one that watches an old
 *   heartbeat does
 */
export async function enterGuard(options: GuardOptions): Promise<LockGuard> {
  const { directory } = options;
  const deadlineMs = performance.now() + WAIT_MS_MAX;
  const path = join(directory, claimName(options));
  let isClaimed = false;
  try {
    for (;;) {
      const problem = isClaimed ? null : await makeClaim(path);
      if (problem !== null) return noGuard(problem);
      isClaimed = true;
      const rivals = await findRivals(basename(path), options);
      if (rivals.length === 0) break;
      if (performance.now() > deadlineMs) throw new LockedError({ path: directory, holder: null });
      if (rivals.some((rival) => rival < basename(path))) {
        await removeName(path);
        isClaimed = false;
      }
      // Other processes are waited for, in their time, whatever the log's clock says.
      await wait(POLL_MS);
    }
  } catch (error) {
    if (isClaimed) await removeName(path);
    throw error;
  }
  return { problem: null, isHeld: () => isThere(path), leave: () => removeName(path) };
}

/** What kept the name from being made; null when it was. */
async function makeClaim(path: string): Promise<IoError | null> {
  const at = { operation: 'claimLock', path };
  const lockPath = join(dirname(path), LOCK_FILE_NAME);
  try {
    await callFs<void>(at, (done) => fs.link(lockPath, path, (error) => done(error)));
    return null;
  } catch (error) {
    if (isIoError(error, ...CANNOT_LINK)) return createClaim(path);
    if (isIoError(error, ...CANNOT_CLAIM)) return error;
    throw error;
  }
}

async function createClaim(path: string): Promise<IoError | null> {
  const at = { operation: 'claimLock', path };
  try {
    await callFs<void>(at, (done) => {
      fs.writeFile(path, '', { flag: 'wx', mode: 0o600 }, (error) => done(error));
    });
    return null;
  } catch (error) {
    if (isIoError(error, ...CANNOT_CLAIM)) return error;
    throw error;
  }
}

/** Names of other claims that count; removes the others. */
async function findRivals(own: string, options: GuardOptions): Promise<string[]> {
  const { directory } = options;
  const at = { operation: 'claimLock', path: directory };
  const names = await callFs<string[]>(at, (done) => fs.readdir(directory, done));
  const system = currentSystem();
  const rivals: string[] = [];
  for (const name of names) {
    const claim = name === own ? null : parseClaim(name);
    if (claim === null) continue;
    if (counts(claim, system, options)) rivals.push(name);
    else await removeName(join(directory, name));
  }
  return rivals;
}

function counts(claim: Claim, system: SystemName, options: GuardOptions): boolean {
  const isSameKernel = claim.bootId === system.bootId;
  if (!isSameLock(claim, options, { isSameKernel })) return false; // Copied with the directory.
  const isSameSystem = isSameKernel && claim.pidNamespace === system.pidNamespace;
  const fate = isSameSystem ? fateOfThread(claim) : 'unknown';
  return fate === 'unknown' ? isFresh(claim.madeAtMs, options.clock) : fate === 'alive';
}

interface Claim extends ThreadName, SystemName {
  readonly madeAtMs: number;
  readonly lockIdentity: string;
}

/** A name that says what `Claim` does; the last field is random. */
function claimName({ lockIdentity, clock }: GuardOptions): string {
  const { pid, threadId, startTime } = currentThread();
  const { bootId, pidNamespace } = currentSystem();
  const where = [bootId, pidNamespace?.replaceAll(/\D/g, ''), lockIdentity.replace(':', '-')];
  const who = [pid, threadId, startTime];
  const parts = [Math.trunc(clock.now()), ...who, ...where, randomId(systemRandom)];
  return [PREFIX, ...parts.map((part) => String(part ?? ''))].join('.');
}

/** Null when the name is not a claim's. */
function parseClaim(name: string): Claim | null {
  if (!name.startsWith(`${PREFIX}.`)) return null;
  const parts = name.slice(PREFIX.length + 1).split('.');
  const [madeAt = '', pid = '', threadId = '', startTime = '', ...where] = parts;
  const [bootId = '', namespace = '', identity = '', nonce = ''] = where;
  const claim: Claim = {
    madeAtMs: Number(madeAt),
    pid: Number(pid),
    threadId: threadId === '' ? null : Number(threadId),
    startTime: startTime === '' ? null : Number(startTime),
    bootId: bootId === '' ? null : bootId,
    pidNamespace: namespace === '' ? null : `pid:[${namespace}]`,
    lockIdentity: identity.replace('-', ':'),
  };
  return NONCE.test(nonce) && Number.isSafeInteger(claim.pid) && claim.pid > 0 ? claim : null;
}

async function isThere(path: string): Promise<boolean> {
  try {
    const at = { operation: 'claimLock', path };
    await callFs<fs.Stats>(at, (done) => fs.lstat(path, done));
    return true;
  } catch (error) {
    if (isIoError(error, 'ENOENT')) return false;
    throw error;
  }
}

/** Another opener may have removed it. */
async function removeName(path: string): Promise<void> {
  const at = { operation: 'claimLock', path };
  try {
    await callFs<void>(at, (done) => fs.unlink(path, (error) => done(error)));
  } catch (error) {
    if (!isIoError(error, 'ENOENT')) throw error;
  }
}
