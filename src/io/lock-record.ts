/**
 * The bytes of LOCK: two lines of JSON, padded with spaces to a fixed size.
 *
 * The first names the owner and is written once, when the lock is taken. The second is the owner's
 * own: its heartbeat, and whether it let go. It carries the owner's nonce, so that an owner whose
 * lock was taken over while it slept cannot be mistaken for the new one, whatever it still writes.
 *
 * Overwritten in place, so that a full disk cannot stop an open and no half of an old record stands
 * behind a new one. Never synced: what it says is about living processes.
 */
import fs from 'node:fs';

import { assert } from '../core/assert.ts';
import type { Descriptor } from './descriptor.ts';
import type { LockOwner, RecordedOwner } from './lock-owner.ts';

/** Created once in each directory that a writer opened, and never deleted. */
export const LOCK_FILE_NAME = 'LOCK';

const OWNER_BYTES = 896;
const STATE_BYTES = 128;
export const LOCK_RECORD_BYTES = OWNER_BYTES + STATE_BYTES;

/** The second line. */
export interface OwnerState {
  readonly nonce: number;
  readonly heartbeatAtMs: number;
  readonly released: boolean;
}

/** Reads LOCK; null when it names nobody, or not so that it can be understood. */
export async function readOwner(descriptor: Descriptor): Promise<RecordedOwner | null> {
  return decodeRecord(await readRecord(descriptor));
}

/** The bytes of LOCK, as `writeRecord` puts them back. */
export async function readRecord(descriptor: Descriptor): Promise<Uint8Array> {
  const bytes = new Uint8Array(LOCK_RECORD_BYTES);
  const count = await descriptor.run<number>('read', 0, (fd, done) => {
    fs.read(fd, bytes, 0, bytes.length, 0, done);
  });
  return bytes.subarray(0, count);
}

/** Puts the bytes of LOCK back. */
export async function writeRecord(descriptor: Descriptor, bytes: Uint8Array): Promise<void> {
  await writeAt(descriptor, 0, bytes);
}

/** Whether all of it was written; a short write leaves a record that names nobody. */
export function writeOwner(descriptor: Descriptor, owner: LockOwner): Promise<boolean> {
  const { nonce, acquiredAtMs } = owner;
  const state = { nonce, heartbeatAtMs: acquiredAtMs, released: false };
  return writeAt(descriptor, 0, encodeRecord(owner, state));
}

/** Writes the second line alone. */
export function writeState(descriptor: Descriptor, state: OwnerState): Promise<boolean> {
  return writeAt(descriptor, OWNER_BYTES, encodeLine(state, STATE_BYTES));
}

/** The whole of LOCK. */
export function encodeRecord(owner: LockOwner, state: OwnerState): Uint8Array {
  const bytes = new Uint8Array(LOCK_RECORD_BYTES);
  bytes.set(encodeLine(owner, OWNER_BYTES));
  bytes.set(encodeLine(state, STATE_BYTES), OWNER_BYTES);
  return bytes;
}

/** Null when the first line names no owner. Without a second one of its own it counts as held. */
export function decodeRecord(bytes: Uint8Array): RecordedOwner | null {
  const fields = decodeLine(bytes.subarray(0, OWNER_BYTES));
  const number = (name: string): number | null => numberOrNull(fields.get(name));
  const text = (name: string): string | null => stringOrNull(fields.get(name));
  const [pid, nonce, acquiredAtMs] = [number('pid'), number('nonce'), number('acquiredAtMs')];
  const [host, mechanism, lockIdentity] = [text('host'), text('mechanism'), text('lockIdentity')];
  if (
    pid === null ||
    !Number.isSafeInteger(pid) ||
    pid <= 0 ||
    nonce === null ||
    acquiredAtMs === null
  )
    return null;
  if (host === null || mechanism === null || lockIdentity === null) return null;
  const state = decodeLine(bytes.subarray(OWNER_BYTES));
  const isOwn = state.get('nonce') === nonce;
  return {
    pid,
    threadId: number('threadId'),
    startTime: number('startTime'),
    bootId: text('bootId'),
    pidNamespace: text('pidNamespace'),
    host,
    networkNamespace: text('networkNamespace'),
    mechanism,
    lockIdentity,
    nonce,
    acquiredAtMs,
    heartbeatAtMs: (isOwn ? numberOrNull(state.get('heartbeatAtMs')) : null) ?? acquiredAtMs,
    released: isOwn && state.get('released') === true,
  };
}

async function writeAt(
  descriptor: Descriptor,
  position: number,
  bytes: Uint8Array,
): Promise<boolean> {
  const count = await descriptor.run<number>('write', position, (fd, done) => {
    fs.write(fd, bytes, 0, bytes.length, position, done);
  });
  return count === bytes.length;
}

function encodeLine(value: object, sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes).fill(' '.charCodeAt(0));
  const text = JSON.stringify(value);
  const { read, written } = new TextEncoder().encodeInto(text, bytes);
  assert(read === text.length && written < sizeBytes, 'a line of the owner record fits');
  bytes[sizeBytes - 1] = '\n'.charCodeAt(0);
  return bytes;
}

/** Empty for what is not ours, or was never written: a writer may die before its first record. */
function decodeLine(bytes: Uint8Array): ReadonlyMap<string, unknown> {
  try {
    const found: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return new Map(typeof found === 'object' && found !== null ? Object.entries(found) : []);
  } catch {
    return new Map();
  }
}

function numberOrNull(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

function stringOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
