/**
 * A second process for lock tests, run from dist: locks the directory of its first argument with
 * the mechanisms named by its second (`socket`, `flock`, `all`), says how that went in one line of
 * JSON, and holds the lock until its input ends.
 */
import { LockedError } from '../../src/core/errors.ts';
import { takeDirectoryLock } from '../../src/io/directory-lock.ts';
import {
  defaultMechanisms,
  flockMechanism,
  socketMechanism,
} from '../../src/io/lock-mechanisms.ts';
import type { LockMechanism } from '../../src/io/lock-mechanisms.ts';

const MECHANISMS: Readonly<Record<string, readonly LockMechanism[]>> = {
  all: defaultMechanisms,
  socket: [socketMechanism],
  flock: [flockMechanism],
};

const [, , path = '', which = 'all'] = process.argv;
try {
  const mechanisms = MECHANISMS[which] ?? [];
  const lock = await takeDirectoryLock(path, { mechanisms });
  process.stdout.write(`${JSON.stringify({ held: lock.mechanism })}\n`);
  process.stdin.resume();
  process.stdin.on('end', () => void lock.release().then(() => process.stdin.destroy()));
} catch (error) {
  if (!(error instanceof LockedError)) throw error;
  process.stdout.write(`${JSON.stringify({ refused: error.details.holder })}\n`);
}
