/** Who holds the writer's lock, told without taking it: by the owner record and the process table. */
import fs from 'node:fs';
import { join } from 'node:path';

import { isIoError } from '../core/errors.ts';
import { callFs, Descriptor } from './descriptor.ts';
import type { LockState } from './file-system.ts';
import { decodeOwner, judgeOwner, LOCK_FILE_NAME, OWNER_RECORD_BYTES } from './lock-owner.ts';

/** `FileSystem.lockState` of the operating system. @throws IoError when LOCK cannot be read */
export async function readLockState(path: string): Promise<LockState> {
  const owner = decodeOwner(await readRecord(path));
  if (owner === null) return { state: 'free', holder: null };
  const { pid, host, mechanism, acquiredAtMs } = owner;
  return { state: judgeOwner(owner), holder: { pid, host, mechanism, acquiredAtMs } };
}

/** Empty when there is no LOCK in the directory. */
async function readRecord(path: string): Promise<Uint8Array> {
  let descriptor: Descriptor;
  try {
    descriptor = await Descriptor.open(join(path, LOCK_FILE_NAME), fs.constants.O_RDONLY);
  } catch (error) {
    if (!isIoError(error, 'ENOENT')) throw error;
    const at = { operation: 'lockState', path };
    await callFs<fs.Stats>(at, (done) => fs.lstat(path, done)); // There must be a directory.
    return new Uint8Array(0);
  }
  try {
    const bytes = new Uint8Array(OWNER_RECORD_BYTES);
    const count = await descriptor.run<number>('read', 0, (fd, done) => {
      fs.read(fd, bytes, 0, bytes.length, 0, done);
    });
    return bytes.subarray(0, count);
  } finally {
    await descriptor.close();
  }
}
