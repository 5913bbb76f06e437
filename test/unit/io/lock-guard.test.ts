/** The guard of LOCK: one opener at a time, whatever others left behind. */
import { readdir, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { beforeEach, describe, expect, test } from 'vitest';

import { ManualClock } from '../../../src/core/clock.ts';
import { isStoreError } from '../../../src/core/errors.ts';
import { takeDirectoryLock } from '../../../src/io/directory-lock.ts';
import { enterGuard } from '../../../src/io/lock-guard.ts';
import type { GuardOptions, LockGuard } from '../../../src/io/lock-guard.ts';
import type { LockMechanism } from '../../../src/io/lock-mechanisms.ts';
import { currentSystem } from '../../../src/io/lock-owner.ts';
import { refusalOf } from '../../support/lock-processes.ts';
import { NO_PID, parentOwner, recordAt } from '../../support/lock-records.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const LOCK_IDENTITY = '1:2';
let options: GuardOptions & { readonly clock: ManualClock };

beforeEach(async () => {
  const directory = await temporaryDirectory();
  await writeFile(join(directory, 'LOCK'), '');
  options = { directory, lockIdentity: LOCK_IDENTITY, clock: new ManualClock() };
});

function names(): Promise<string[]> {
  return readdir(options.directory);
}

/** Leaves a claim of the process that started this one, with changes. */
async function plantClaim(
  change: { pid?: number; startTime?: number; bootId?: string; identity?: string } = {},
): Promise<string> {
  const parent = await parentOwner(LOCK_IDENTITY);
  const { pid = parent.pid, startTime = parent.startTime } = change;
  const { bootId, pidNamespace } = currentSystem();
  const where = [
    change.bootId ?? bootId ?? '',
    pidNamespace?.replaceAll(/\D/g, '') ?? '',
    change.identity ?? LOCK_IDENTITY.replace(':', '-'),
  ];
  const who = [pid, parent.threadId === null ? '' : pid, startTime ?? ''];
  const name = ['LOCK.claim', options.clock.now(), ...who, ...where, 7].join('.');
  await writeFile(join(options.directory, name), '');
  return name;
}

test('an opener inside has a name in the directory, and leaves nothing', async () => {
  const guard = await enterGuard(options);
  expect(await names()).toEqual(['LOCK', expect.stringMatching(/^LOCK\.claim\.\d+\.\d+\./)]);
  expect(await guard.isHeld()).toBe(true);
  await guard.leave();
  expect(await names()).toEqual(['LOCK']);
});

/** Asks again where the machine is too busy to let twenty through within the 2 s of the first. */
async function enterWhenFree(): Promise<LockGuard> {
  for (;;) {
    try {
      return await enterGuard(options);
    } catch (error) {
      if (!isStoreError(error, 'ERR_VARVE_LOCKED')) throw error;
    }
  }
}

test('of many at once, one is inside at a time, and all get in', async () => {
  let insideCount = 0;
  const seen: number[] = [];
  const enter = async (): Promise<void> => {
    const guard = await enterWhenFree();
    insideCount += 1;
    await new Promise(setImmediate);
    seen.push(insideCount);
    insideCount -= 1;
    await guard.leave();
  };
  await Promise.all(Array.from({ length: 20 }, enter));
  expect(seen).toEqual(Array.from({ length: 20 }, () => 1));
});

describe.skipIf(process.platform !== 'linux')('a claim', () => {
  test('of a live process keeps others out, for 2 s at least', async () => {
    const claim = await plantClaim();
    const refusal = await refusalOf(enterGuard(options));
    expect(refusal.details).toEqual({ path: options.directory, holder: null });
    expect(await names()).toEqual(['LOCK', claim]);
  });

  test.each([
    ['a process that is gone', { pid: NO_PID }],
    ['an earlier process of that pid', { startTime: 1 }],
    ['the directory that this one was copied from', { identity: '1-3' }],
  ])('of %s is removed', async (_whose, change) => {
    await plantClaim(change);
    await (await enterGuard(options)).leave();
    expect(await names()).toEqual(['LOCK']);
  });

  test('of another machine counts for 30 s', async () => {
    const claim = await plantClaim({ bootId: 'another', identity: '9-2' });
    options.clock.advance(29_999);
    await refusalOf(enterGuard(options));
    expect(await names()).toEqual(['LOCK', claim]);
    options.clock.advance(1);
    await (await enterGuard(options)).leave();
    expect(await names()).toEqual(['LOCK']);
  });

  test('that is none, but looks alike, is left alone', async () => {
    await writeFile(join(options.directory, 'LOCK.claim.notes'), '');
    await (await enterGuard(options)).leave();
    expect(await names()).toEqual(['LOCK', 'LOCK.claim.notes']);
  });

  test('that was taken away: its opener gives up what it took, and writes nothing', async () => {
    const { directory } = options;
    let isReleased = false;
    const thief: LockMechanism = {
      name: 'thief',
      async take() {
        for (const name of await names()) if (name !== 'LOCK') await unlink(join(directory, name));
        return { name: 'thief', release: async () => void (isReleased = true) };
      },
    };
    const plan = { together: [thief], instead: [], withoutAny: 'refuse' } as const;
    await refusalOf(takeDirectoryLock(directory, { plan }));
    expect(isReleased).toBe(true);
    expect(await recordAt(directory)).toBeNull(); // It may be another's by now.
    await (await takeDirectoryLock(directory)).release();
  });
});
