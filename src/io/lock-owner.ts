/**
 * Who holds the writer's lock of a directory, as LOCK says, and whether that still holds it.
 *
 * Kernel locks of different kinds do not exclude each other, so whatever an opener locked, it also
 * judges the owner that LOCK names. Three things can settle it, the surest first:
 *
 * 1. A kernel lock that both use, and that the opener now holds: the owner is gone.
 * 2. The process table, where owner and opener share boot and pid namespace: exact on Linux.
 * 3. The heartbeat, for owners in other containers and on other machines. Its owner writes it
 *    every 5 s, and it is believed for 30 s either way: a time in the future is as old as one in
 *    the past. An older one is watched for two beats before the lock is taken over, so clocks that
 *    disagree, a clock that was set, or a machine that slept do not cost a live owner its lock.
 */
import { hostname, uptime } from 'node:os';

import type { Clock } from '../core/clock.ts';
import { randomId, systemRandom } from '../core/random.ts';
import { currentThread, fateOfThread, readLink, readText } from './process-table.ts';
import type { ThreadName } from './process-table.ts';

/** Longer host names are cut: the record has a fixed size. Linux allows 64. */
const HOST_CHARS_MAX = 64;
/** Between two heartbeats. */
export const HEARTBEAT_MS = 5_000;
/** A heartbeat that is younger keeps others out; six beats may be missed. */
export const HEARTBEAT_FRESH_MS = 30_000;

/** Locks of the kernel that prove an owner gone. Not `sqlite`: a process loses it by a mere close. */
const PROVING: readonly string[] = ['flock', 'socket'];

/** One machine and container, between two boots: pids are compared only within. */
export interface SystemName {
  /** Changes with each boot, and differs between machines; null outside Linux. */
  readonly bootId: string | null;
  readonly pidNamespace: string | null;
}

/** One holder of the lock, live or past. */
export interface LockOwner extends ThreadName, SystemName {
  readonly host: string;
  readonly networkNamespace: string | null;
  /** Names of the mechanisms held, joined by `+`. */
  readonly mechanism: string;
  /** `device:inode` of the LOCK that was taken: a copy of the directory is not locked by it. */
  readonly lockIdentity: string;
  /** Random: tells apart two holds of one process. */
  readonly nonce: number;
  /** Wall time, milliseconds since the Unix epoch. */
  readonly acquiredAtMs: number;
}

/** An owner with what it wrote last. */
export interface RecordedOwner extends LockOwner {
  /** Wall time of the owner's clock, milliseconds since the Unix epoch. */
  readonly heartbeatAtMs: number;
  readonly released: boolean;
}

/** `stale`: it is seen by its heartbeat alone, and that is old. */
export type OwnerVerdict = 'live' | 'gone' | 'stale';

/** The owner that this thread becomes, taking the lock now. */
export function currentOwner(
  hold: Pick<LockOwner, 'mechanism' | 'lockIdentity'>,
  clock: Clock,
): LockOwner {
  return {
    ...currentThread(),
    ...currentSystem(),
    host: hostname().slice(0, HOST_CHARS_MAX),
    networkNamespace: readLink('/proc/self/ns/net'),
    mechanism: hold.mechanism,
    lockIdentity: hold.lockIdentity,
    nonce: randomId(systemRandom),
    acquiredAtMs: clock.now(),
  };
}

export function currentSystem(): SystemName {
  return {
    bootId: readText('/proc/sys/kernel/random/boot_id')?.trim() ?? null,
    pidNamespace: readLink('/proc/self/ns/pid'),
  };
}

/** Judges the owner in LOCK; `own` says where we are, and what we hold already. */
export function judgeOwner(
  found: RecordedOwner,
  { own, clock }: { readonly own: LockOwner; readonly clock: Clock },
): OwnerVerdict {
  if (found.released) return 'gone';
  if (!isSameLock(found, own, { isSameKernel: isSameKernel(found, own) })) return 'gone';
  if (isProvenGone(found, own) || isOfEarlierBoot(found, own, clock)) return 'gone';
  const fate = isSameSystem(found, own) ? fateOfThread(found) : 'unknown';
  if (fate === 'unknown') return isFresh(found.heartbeatAtMs, clock) ? 'live' : 'stale';
  return fate === 'alive' ? 'live' : 'gone';
}

/** Whether a time that an unseen owner wrote is near enough to now for it to be alive. */
export function isFresh(writtenAtMs: number, clock: Clock): boolean {
  return Math.abs(clock.now() - writtenAtMs) < HEARTBEAT_FRESH_MS;
}

function isSameSystem(found: LockOwner, own: LockOwner): boolean {
  return isSameKernel(found, own) && found.pidNamespace === own.pidNamespace;
}

function isSameKernel(found: LockOwner, own: LockOwner): boolean {
  return found.bootId === own.bootId && (own.bootId !== null || found.host === own.host);
}

type LockName = Pick<LockOwner, 'lockIdentity'>;

/**
 * Whether two speak of one LOCK, and not the one of the original, the other of a copy. Another
 * machine may give the device another number, but not the inode.
 */
export function isSameLock(
  one: LockName,
  other: LockName,
  { isSameKernel: isExact }: { readonly isSameKernel: boolean },
): boolean {
  if (isExact) return one.lockIdentity === other.lockIdentity;
  const inodeOf = ({ lockIdentity }: LockName): string | undefined => lockIdentity.split(':')[1];
  return inodeOf(one) === inodeOf(other);
}

function isProvenGone(found: LockOwner, own: LockOwner): boolean {
  if (!isSameKernel(found, own)) return false;
  const names = own.mechanism.split('+');
  return found.mechanism
    .split('+')
    .filter((name) => names.includes(name) && PROVING.includes(name))
    .some((name) => name !== 'socket' || found.networkNamespace === own.networkNamespace);
}

/** A process of this host that wrote before the host was started. */
function isOfEarlierBoot(found: RecordedOwner, own: LockOwner, clock: Clock): boolean {
  if (found.bootId === null || own.bootId === null || found.host !== own.host) return false;
  return found.bootId !== own.bootId && found.heartbeatAtMs < clock.now() - uptime() * 1000;
}
