/**
 * A second process for lock tests, run from dist: locks the directory of its first argument as its
 * second (an option `lock`) says, tells how that went in one line of JSON, and holds the lock until
 * its input ends.
 */
import { LockedError, StoreError } from '../../src/core/errors.ts';
import { takeDirectoryLock } from '../../src/io/directory-lock.ts';
import { LOCK_CHOICES } from '../../src/io/lock-plan.ts';

const [, , path = '', which = 'auto'] = process.argv;
try {
  const choice = LOCK_CHOICES.find((one) => one === which);
  if (choice === undefined) throw new Error(`no lock is called ${which}`);
  const lock = await takeDirectoryLock(path, { lock: choice });
  process.stdout.write(`${JSON.stringify({ held: lock.mechanism })}\n`);
  process.stdin.resume();
  process.stdin.on('end', () => void lock.release().then(() => process.stdin.destroy()));
} catch (error) {
  if (!(error instanceof StoreError)) throw error;
  const answer =
    error instanceof LockedError ? { refused: error.details.holder } : { failed: error.message };
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
