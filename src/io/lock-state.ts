/** Who holds the writer's lock, told without taking it: by the owner record and the process table. */
import fs from 'node:fs';
import { join } from 'node:path';

import { systemClock } from '../core/clock.ts';
import type { Clock } from '../core/clock.ts';
import { isIoError } from '../core/errors.ts';
import { callFs, Descriptor } from './descriptor.ts';
import type { LockState } from './file-system.ts';
import { currentOwner, judgeOwner } from './lock-owner.ts';
import type { RecordedOwner } from './lock-owner.ts';
import { LOCK_FILE_NAME, readOwner } from './lock-record.ts';

/** `FileSystem.lockState` of the operating system. @throws IoError when LOCK cannot be read */
export async function readLockState(path: string, clock: Clock = systemClock): Promise<LockState> {
  const descriptor = await openLock(path);
  if (descriptor === null) return { state: 'free', holder: null };
  try {
    const { dev, ino } = await descriptor.stat();
    const found = await readOwner(descriptor);
    if (found === null) return { state: 'free', holder: null };
    const own = currentOwner({ mechanism: '', lockIdentity: `${dev}:${ino}` }, clock);
    const { pid, host, mechanism, acquiredAtMs } = found;
    const holder = { pid, host, mechanism, acquiredAtMs };
    return { state: stateOf(found, { own, clock }), holder };
  } finally {
    await descriptor.close();
  }
}

type View = Parameters<typeof judgeOwner>[1];

function stateOf(found: RecordedOwner, view: View): LockState['state'] {
  const verdict = judgeOwner(found, view);
  if (verdict !== 'stale') return verdict === 'live' ? 'held' : 'free';
  // Silent for long; or the clocks disagree, and only watching it would tell.
  return found.heartbeatAtMs <= view.clock.now() ? 'free' : 'unknown';
}

/** Null when there is no LOCK in the directory. */
async function openLock(path: string): Promise<Descriptor | null> {
  try {
    return await Descriptor.open(join(path, LOCK_FILE_NAME), fs.constants.O_RDONLY);
  } catch (error) {
    if (!isIoError(error, 'ENOENT')) throw error;
    const at = { operation: 'lockState', path };
    await callFs<fs.Stats>(at, (done) => fs.lstat(path, done)); // There must be a directory.
    return null;
  }
}
