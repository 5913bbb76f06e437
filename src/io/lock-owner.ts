/**
 * The owner record in LOCK: who holds the writer's lock of a directory.
 *
 * One line of JSON of a fixed size, overwritten in place at position 0, so that a full disk cannot
 * stop an open and a reader never finds half of an old one behind a new one. It names the holder to
 * those who are refused, and stands in for a lock between processes whose mechanisms do not meet.
 * It is never synced: what it says is about living processes.
 */
import fs from 'node:fs';
import { hostname } from 'node:os';

import { assert } from '../core/assert.ts';
import { systemClock } from '../core/clock.ts';
import type { Clock } from '../core/clock.ts';
import { randomId, systemRandom } from '../core/random.ts';
import type { LockState } from './file-system.ts';

/** Created once in each directory that a writer opened, and never deleted. */
export const LOCK_FILE_NAME = 'LOCK';
/** Size of the record, padded with spaces and ended by a newline. */
export const OWNER_RECORD_BYTES = 512;

/** Longer host names are cut: the record has a fixed size. Linux allows 64. */
const HOST_CHARS_MAX = 64;

/** One holder of the lock, live or past. */
export interface LockOwner {
  readonly pid: number;
  /** Clock ticks from boot to the start of the process; null where /proc does not tell. */
  readonly processStartTime: number | null;
  readonly host: string;
  /** Changes with each boot, and differs between machines; null outside Linux. */
  readonly bootId: string | null;
  readonly networkNamespace: string | null;
  readonly pidNamespace: string | null;
  /** Names of the mechanisms held, joined by `+`. */
  readonly mechanism: string;
  /** Random: tells apart two holds of one process. */
  readonly nonce: number;
  /** Wall time, milliseconds since the Unix epoch. */
  readonly acquiredAtMs: number;
  readonly released: boolean;
}

/** The record of this process, taking the lock now. */
export function currentOwner(mechanism: string, clock: Clock = systemClock): LockOwner {
  return {
    pid: process.pid,
    processStartTime: startTimeOf(process.pid),
    host: hostname().slice(0, HOST_CHARS_MAX),
    bootId: readText('/proc/sys/kernel/random/boot_id')?.trim() ?? null,
    networkNamespace: readLink('/proc/self/ns/net'),
    pidNamespace: readLink('/proc/self/ns/pid'),
    mechanism,
    nonce: randomId(systemRandom),
    acquiredAtMs: clock.now(),
    released: false,
  };
}

export function encodeOwner(owner: LockOwner): Uint8Array {
  const bytes = new Uint8Array(OWNER_RECORD_BYTES).fill(' '.charCodeAt(0));
  const { read, written } = new TextEncoder().encodeInto(JSON.stringify(owner), bytes);
  assert(read > 0 && written < OWNER_RECORD_BYTES, 'the owner record fits');
  bytes[OWNER_RECORD_BYTES - 1] = '\n'.charCodeAt(0);
  return bytes;
}

/** Reads a record; null when there is none, or none that can be understood. */
export function decodeOwner(bytes: Uint8Array): LockOwner | null {
  let found: unknown;
  try {
    found = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return null; // Empty (a writer died before its first record) or not ours: no owner.
  }
  if (typeof found !== 'object' || found === null) return null;
  const fields = new Map<string, unknown>(Object.entries(found));
  const number = (name: string): number | null => numberOrNull(fields.get(name));
  const text = (name: string): string | null => stringOrNull(fields.get(name));
  const pid = number('pid');
  const host = text('host');
  const mechanism = text('mechanism');
  if (pid === null || !Number.isSafeInteger(pid) || pid <= 0) return null;
  if (host === null || mechanism === null) return null;
  return {
    pid,
    host,
    mechanism,
    processStartTime: number('processStartTime'),
    bootId: text('bootId'),
    networkNamespace: text('networkNamespace'),
    pidNamespace: text('pidNamespace'),
    nonce: number('nonce') ?? 0,
    acquiredAtMs: number('acquiredAtMs') ?? 0,
    released: fields.get('released') === true,
  };
}

/**
 * Whether `found` is another live process that `own`, with the mechanisms that it holds already,
 * has no other way to notice.
 *
 * False also where it cannot be known: another machine, or a pid of another pid namespace.
 */
export function isUnseenLiveOwner(found: LockOwner, own: LockOwner): boolean {
  if (found.released || !isSameBoot(found, own)) return false;
  if (found.pid === own.pid && found.processStartTime === own.processStartTime) return false;
  return !excludesEachOther(found, own) && isRunning(found);
}

/** Whether the process that an owner record names still holds the lock, by the process table. */
export function judgeOwner(found: LockOwner): LockState['state'] {
  if (found.released) return 'free';
  const self = currentOwner('none');
  const isHere = isSameBoot(found, self) && found.pidNamespace === self.pidNamespace;
  if (!isHere) return 'unknown';
  return isRunning(found) ? 'held' : 'free';
}

/** Whether the process of `found` is certainly gone; false where that cannot be known. */
export function isKnownDead(found: LockOwner, own: LockOwner): boolean {
  return isSameBoot(found, own) && found.pidNamespace === own.pidNamespace && !isRunning(found);
}

function isSameBoot(one: LockOwner, other: LockOwner): boolean {
  if (one.bootId !== null || other.bootId !== null) return one.bootId === other.bootId;
  return one.host === other.host;
}

/** Whether the two share a mechanism, so that holding it proves the other one gone. */
function excludesEachOther(one: LockOwner, other: LockOwner): boolean {
  const names = other.mechanism.split('+');
  return one.mechanism
    .split('+')
    .filter((name) => names.includes(name))
    .some((name) => name !== 'socket' || one.networkNamespace === other.networkNamespace);
}

/** A pid is given again to another process; the start time tells the two apart. */
function isRunning(owner: LockOwner): boolean {
  if (owner.processStartTime !== null) {
    return startTimeOf(owner.pid) === owner.processStartTime;
  }
  try {
    process.kill(owner.pid, 0);
    return true;
  } catch (error) {
    // EPERM: it runs, as another user.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** Field 22 of /proc/<pid>/stat. The name in field 2 may hold spaces and parentheses. */
function startTimeOf(pid: number): number | null {
  const stat = readText(`/proc/${pid}/stat`);
  if (stat === null) return null;
  const afterName = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const FIELD = 22 - 3; // The first after the name is field 3.
  return numberOrNull(Number(afterName[FIELD]));
}

function readText(path: string): string | null {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch {
    return null; // Not Linux, or the process is gone.
  }
}

function readLink(path: string): string | null {
  try {
    return fs.readlinkSync(path);
  } catch {
    return null; // Not Linux.
  }
}

function numberOrNull(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

function stringOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
