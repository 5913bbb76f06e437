/** What a writer takes, and what it does when that does not work. */
import { lstat, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import { IoError, LockedError, LockUnavailableError } from '../../../src/core/errors.ts';
import { takeDirectoryLock } from '../../../src/io/directory-lock.ts';
import type { LockAttempt, LockMechanism } from '../../../src/io/lock-mechanisms.ts';
import { planOf } from '../../../src/io/lock-plan.ts';
import type { LockPlan } from '../../../src/io/lock-plan.ts';
import { nodeFileSystem } from '../../../src/io/node-file-system.ts';
import { openLog } from '../../../src/log/open-log.ts';
import { hasFlock, hasSqlite, refusalOf, WORKING } from '../../support/lock-processes.ts';
import { NO_PID, plantOwner } from '../../support/lock-records.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

/** A mechanism of the test's own, which counts what is released. */
function fake(name: string, attempt: 'held' | 'unavailable' | 'ok' | Error) {
  const counts = { taken: 0, released: 0 };
  const mechanism: LockMechanism = {
    name,
    async take(): Promise<LockAttempt> {
      if (attempt instanceof Error) throw attempt;
      if (attempt === 'held') return attempt;
      if (attempt === 'unavailable') return { unavailable: `no ${name} here` };
      counts.taken += 1;
      return { name, release: async () => void (counts.released += 1) };
    },
  };
  return { mechanism, counts };
}

function planWith(together: readonly LockMechanism[], change: Partial<LockPlan> = {}): LockPlan {
  return { together, instead: [], withoutAny: 'refuse', ...change };
}

/** What the process warns of while `work` runs. */
async function warningsOf(work: () => Promise<unknown>): Promise<(Error & { code?: string })[]> {
  const warnings: Error[] = [];
  const listen = (warning: Error): void => void warnings.push(warning);
  process.on('warning', listen);
  await work();
  await new Promise(setImmediate); // Warnings are told in the next turn.
  process.off('warning', listen);
  return warnings;
}

describe('mechanisms', () => {
  test('every one that works is taken together, and named in order', async () => {
    const path = await temporaryDirectory();
    const [one, two, off] = [fake('b', 'ok'), fake('a', 'ok'), fake('c', 'unavailable')];
    const spare = fake('d', 'ok');
    const together = [one, off, two].map(({ mechanism }) => mechanism);
    const plan = planWith(together, { instead: [spare.mechanism] });
    const lock = await takeDirectoryLock(path, { plan });
    expect(lock.mechanism).toBe('a+b');
    await lock.release();
    const once = { taken: 1, released: 1 };
    expect([one.counts, two.counts, spare.counts]).toEqual([once, once, { taken: 0, released: 0 }]);
  });

  test('without any of those, the first that works is taken instead', async () => {
    const path = await temporaryDirectory();
    const [off, first, second] = [fake('a', 'unavailable'), fake('b', 'ok'), fake('c', 'ok')];
    const instead = [off, first, second].map(({ mechanism }) => mechanism);
    const plan = planWith([fake('d', 'unavailable').mechanism], { instead });
    const lock = await takeDirectoryLock(path, { plan });
    expect(lock.mechanism).toBe('b');
    await lock.release();
    expect([first.counts.taken, second.counts.taken]).toEqual([1, 0]);
  });

  test('none that works is an error that names what was tried, and why', async () => {
    const path = await temporaryDirectory();
    const plan = planWith([fake('a', 'unavailable').mechanism, fake('b', 'unavailable').mechanism]);
    const error: unknown = await takeDirectoryLock(path, { plan }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(LockUnavailableError);
    const tried = [
      { mechanism: 'a', reason: 'no a here' },
      { mechanism: 'b', reason: 'no b here' },
    ];
    expect(error).toMatchObject({ details: { path, tried } });
    expect(await readdir(path)).toEqual(['LOCK']);
    await (await takeDirectoryLock(path)).release();
  });

  test('none that works is a warning, once per directory, where any lock will do', async () => {
    const path = await temporaryDirectory();
    const plan = planWith([fake('a', 'unavailable').mechanism], { withoutAny: 'warn' });
    const mechanisms: string[] = [];
    const warnings = await warningsOf(async () => {
      for (let i = 0; i < 2; i += 1) {
        const lock = await takeDirectoryLock(path, { plan });
        mechanisms.push(lock.mechanism);
        await lock.release();
      }
    });
    expect(mechanisms).toEqual(['owner-record', 'owner-record']);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatchObject({ code: 'VARVE_LOCK_WEAK' });
    expect(warnings[0]?.message).toContain(path);
  });

  test.each([
    ['another holds the second', 'held', LockedError],
    ['the second fails', new IoError(ioDetails('EIO')), IoError],
  ] as const)('%s: the first is given back', async (_name, attempt, ErrorClass) => {
    const path = await temporaryDirectory();
    const first = fake('a', 'ok');
    const plan = planWith([first.mechanism, fake('b', attempt).mechanism]);
    await expect(takeDirectoryLock(path, { plan })).rejects.toBeInstanceOf(ErrorClass);
    expect(first.counts).toEqual({ taken: 1, released: 1 });
    expect(await readdir(path)).toEqual(['LOCK']);
    await (await takeDirectoryLock(path)).release();
  });

  test('held by one who has not said so yet: the dead one before is not named', async () => {
    const path = await temporaryDirectory();
    await plantOwner(path, { pid: NO_PID, threadId: NO_PID });
    const plan = planWith([fake('a', 'held').mechanism]);
    const { details } = await refusalOf(takeDirectoryLock(path, { plan }));
    expect(details.holder).toBeNull();
  });

  function ioDetails(errno: string): IoError['details'] {
    return { path: 'x', operation: 'lock', position: null, errno };
  }
});

describe('the choices', () => {
  test.skipIf(process.platform !== 'linux').each(WORKING)('%s takes %s', async (choice, name) => {
    const path = await temporaryDirectory();
    const lock = await takeDirectoryLock(path, { lock: choice });
    expect(lock.mechanism).toBe(name);
    await lock.release();
  });

  test.each([
    ['flock', hasFlock, /fs-ext does not load/],
    ['sqlite', hasSqlite, /node:sqlite comes with Node.js 22.13/],
    ['socket', process.platform === 'linux', /only Linux/],
  ] as const)('%s where it does not work is an error, never another lock', async (...row) => {
    const [lock, works, message] = row;
    const path = await temporaryDirectory();
    const outcome: unknown = await takeDirectoryLock(path, { lock }).catch((e: unknown) => e);
    if (works) {
      expect(outcome).toMatchObject({ mechanism: lock });
      await (outcome as { release(): Promise<void> }).release();
      return;
    }
    expect(outcome).toMatchObject({ code: 'ERR_VARVE_LOCK_UNAVAILABLE' });
    expect(String(outcome)).toMatch(message);
  });

  test.skipIf(process.platform !== 'linux').each(WORKING)(
    'a log takes %s as its option, and no file of a lock is foreign to it',
    async (lock, mechanism) => {
      const path = await temporaryDirectory();
      await (await openLog(path, { lock })).close();
      for (const name of ['LOCK.sqlite', 'LOCK.claim.1.2', 'LOCK.other']) {
        await writeFile(join(path, name), '', { flag: 'a' });
      }
      const log = await openLog(path, { lock });
      const state = await nodeFileSystem.lockState(path);
      expect(state).toMatchObject({ state: 'held', holder: { pid: process.pid, mechanism } });
      expect(log.recovery.notes).toEqual([expect.stringContaining('LOCK.other')]);
      await log.close();
    },
  );

  test('owner-record is accepted without a warning', async () => {
    const path = await temporaryDirectory();
    const warnings = await warningsOf(async () => {
      await (await takeDirectoryLock(path, { lock: 'owner-record' })).release();
    });
    expect(warnings).toEqual([]);
  });

  test('auto tries the sockets, flock, SQLite, and then warns', () => {
    const { together, instead, withoutAny } = planOf('auto');
    const names = [together, instead].map((list) => list.map(({ name }) => name));
    expect([...names, withoutAny]).toEqual([['socket', 'flock'], ['sqlite'], 'warn']);
  });
});

const why = hasSqlite ? '' : ' (skipped: this Node.js has no node:sqlite)';
describe.skipIf(!hasSqlite)(`LOCK.sqlite${why}`, () => {
  test('is an empty file that only we may read, and has no journal', async () => {
    const path = await temporaryDirectory();
    const lock = await takeDirectoryLock(path, { lock: 'sqlite' });
    expect((await readdir(path)).sort()).toEqual(['LOCK', 'LOCK.sqlite']);
    const { mode, size } = await lstat(join(path, 'LOCK.sqlite'));
    expect([mode & 0o777, size]).toEqual([0o600, 0]);
    await lock.release();
    expect((await readdir(path)).sort()).toEqual(['LOCK', 'LOCK.sqlite']);
  });

  test('is not followed when it is a symbolic link', async () => {
    const path = await temporaryDirectory();
    await symlink(join(path, 'elsewhere'), join(path, 'LOCK.sqlite'));
    const taking = takeDirectoryLock(path, { lock: 'sqlite' });
    await expect(taking).rejects.toMatchObject({ details: { errno: 'ELOOP' } });
    expect(await readdir(path)).not.toContain('elsewhere');
  });

  test('that is no database is no lock', async () => {
    const path = await temporaryDirectory();
    await writeFile(join(path, 'LOCK.sqlite'), 'x'.repeat(5000));
    const taking = takeDirectoryLock(path, { lock: 'sqlite' });
    await expect(taking).rejects.toThrow(/sqlite \(file is not a database\)/);
  });
});
