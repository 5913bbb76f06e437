/**
 * A process that races others for locks, run from dist with an option `lock` as its argument. For
 * each line of its input: `take <path>` tries once, and answers `held`, `refused`, or the error;
 * `release` lets go, and answers `released`.
 */
import { createInterface } from 'node:readline';

import { LockedError } from '../../src/core/errors.ts';
import { takeDirectoryLock } from '../../src/io/directory-lock.ts';
import type { DirectoryLock } from '../../src/io/file-system.ts';
import { LOCK_CHOICES } from '../../src/io/lock-plan.ts';

const choice = LOCK_CHOICES.find((one) => one === process.argv[2]) ?? 'auto';
let lock: DirectoryLock | null = null;

process.stdout.write('ready\n');
for await (const line of createInterface({ input: process.stdin })) {
  const [command, path = ''] = line.split(' ');
  process.stdout.write(`${command === 'take' ? await take(path) : await release()}\n`);
}

async function take(path: string): Promise<string> {
  try {
    lock = await takeDirectoryLock(path, { lock: choice });
    return 'held';
  } catch (error) {
    return error instanceof LockedError ? 'refused' : String(error);
  }
}

async function release(): Promise<string> {
  await lock?.release();
  lock = null;
  return 'released';
}
