/** Owner records for lock tests, written by hand. */
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { systemClock } from '../../src/core/clock.ts';
import { currentOwner } from '../../src/io/lock-owner.ts';
import type { RecordedOwner } from '../../src/io/lock-owner.ts';
import { decodeRecord, encodeRecord } from '../../src/io/lock-record.ts';

/** More than Linux gives. */
export const NO_PID = 2 ** 22 + 1;

/** A live owner that is not this process: the one that started it. */
export async function parentOwner(
  lockIdentity: string,
  change: Partial<RecordedOwner> = {},
): Promise<RecordedOwner> {
  const own = currentOwner({ mechanism: 'other', lockIdentity }, systemClock);
  const pid = process.ppid;
  const startTime = await startTimeOf(pid);
  const state = { heartbeatAtMs: own.acquiredAtMs, released: false };
  return { ...own, pid, threadId: pid, startTime, ...state, ...change };
}

/** Makes LOCK name an owner: `parentOwner` with changes. */
export async function plantOwner(
  path: string,
  change: Partial<RecordedOwner> = {},
): Promise<RecordedOwner> {
  const lockPath = join(path, 'LOCK');
  await writeFile(lockPath, '', { flag: 'a' });
  const { dev, ino } = await stat(lockPath, { bigint: true });
  const { heartbeatAtMs, released, ...owner } = await parentOwner(`${dev}:${ino}`, change);
  const state = { nonce: owner.nonce, heartbeatAtMs, released };
  await writeFile(lockPath, encodeRecord(owner, state), { flag: 'r+' });
  return { ...owner, heartbeatAtMs, released };
}

export async function recordAt(path: string): Promise<RecordedOwner | null> {
  return decodeRecord(await readFile(join(path, 'LOCK')));
}

/** Null outside Linux. */
async function startTimeOf(pid: number): Promise<number | null> {
  if (process.platform !== 'linux') return null;
  const text = await readFile(`/proc/${pid}/stat`, 'utf8');
  return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[19]);
}
