/** The lock between containers: processes of other network and pid namespaces, and other users. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, watch, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, onTestFinished, test } from 'vitest';

import { ManualClock } from '../../src/core/clock.ts';
import { takeDirectoryLock } from '../../src/io/directory-lock.ts';
import type { DirectoryLock, LockChoice } from '../../src/io/file-system.ts';
import { nodeFileSystem } from '../../src/io/node-file-system.ts';
import { endHolder, refusalOf, startHolder, WORKING } from '../support/lock-processes.ts';
import type { Holder } from '../support/lock-processes.ts';
import { recordAt } from '../support/lock-records.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** Another network; processes are seen. */
const NETWORK = ['unshare', '-n'];
/** Another network, and processes that are not seen: a container that shares a volume. */
const CONTAINER = ['unshare', '-n', '-p', '--fork', '--kill-child', '--mount-proc'];
const NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];

const isRequired = process.env['REQUIRE_ROOT_TESTS'] === '1';
const skipReason = whySkip();
const skipped = `(skipped: ${skipReason ?? 'no'})`;

/** Null when this process may make namespaces. */
function whySkip(): string | null {
  if (process.platform !== 'linux') return 'not Linux';
  try {
    const [command = 'unshare', ...args] = CONTAINER;
    execFileSync(command, [...args, ...NOBODY, 'true'], { stdio: ['ignore', 'ignore', 'pipe'] });
    return null;
  } catch (error) {
    return `no namespaces: ${String(error)}`;
  }
}

/** Kills what `unshare` started, with it. */
async function kill(holder: Holder): Promise<void> {
  const closed = once(holder.child, 'close'); // When all who write to its output are gone.
  await endHolder(holder, 'SIGKILL');
  await closed;
}

/** Takes the lock at `clock`, up to the watch over an old heartbeat. */
async function watching(
  path: string,
  { clock, lock }: { readonly clock: ManualClock; readonly lock: LockChoice },
): Promise<{ readonly taking: Promise<DirectoryLock> }> {
  const taking = takeDirectoryLock(path, { clock, lock });
  taking.catch(() => undefined); // Asked for later.
  while (clock.pendingTimerCount === 0) await new Promise(setImmediate);
  return { taking };
}

/** Until LOCK is written again. */
async function nextBeat(path: string): Promise<void> {
  const before = await recordAt(path);
  const ended = new AbortController();
  onTestFinished(() => ended.abort());
  for await (const _event of watch(path, { signal: ended.signal })) {
    const now = await recordAt(path);
    if (now?.heartbeatAtMs !== before?.heartbeatAtMs) return;
  }
}

test.skipIf(skipReason === null || !isRequired)('REQUIRE_ROOT_TESTS: nothing may skip', () => {
  expect(skipReason).toBeNull();
});

describe.skipIf(skipReason !== null)(`in another network namespace ${skipped}`, () => {
  test.each(['auto', 'socket'] as const)('a live holder is seen by its pid: %s', async (lock) => {
    const path = await temporaryDirectory();
    const holder = await startHolder(path, lock, NETWORK);
    const { details } = await refusalOf(takeDirectoryLock(path, { lock: 'socket' }));
    expect(details.holder).toMatchObject({ pid: holder.pid });
    expect(await nodeFileSystem.lockState(path)).toMatchObject({ state: 'held' });
    await endHolder(holder, 'SIGKILL');
    await (await takeDirectoryLock(path, { lock: 'socket' })).release();
  });
});

describe.skipIf(skipReason !== null)(`in another container ${skipped}`, () => {
  test.each(WORKING)('a live holder by %s (%s) refuses all', async (theirs) => {
    const path = await temporaryDirectory();
    const holder = await startHolder(path, theirs, CONTAINER);
    expect(holder.answer).toHaveProperty('held');
    for (const [lock] of WORKING) {
      const { details } = await refusalOf(takeDirectoryLock(path, { lock }));
      expect(details.holder).toMatchObject({ pid: 1 });
    }
    await kill(holder);
  });

  test('a killed holder by socket refuses for 30 s, and is replaced after 10 s more', async () => {
    const path = await temporaryDirectory();
    const lock = 'socket';
    const holder = await startHolder(path, lock, CONTAINER);
    await kill(holder);
    await refusalOf(takeDirectoryLock(path, { lock }));
    const clock = new ManualClock(Date.now() + 31_000);
    const { taking } = await watching(path, { clock, lock });
    clock.advance(10_000);
    const ours = await taking;
    expect(ours.takenOver).toMatchObject({ pid: 1, mechanism: 'socket' });
    await ours.release();
  });

  test('a live holder whose clock seems late is heard while it is watched', async () => {
    const path = await temporaryDirectory();
    const lock = 'owner-record';
    const holder = await startHolder(path, lock, CONTAINER);
    const clock = new ManualClock(Date.now() + 60_000);
    const { taking } = await watching(path, { clock, lock });
    await nextBeat(path);
    clock.advance(10_000);
    const { details } = await refusalOf(taking);
    expect(details.holder).toMatchObject({ pid: 1 });
    await endHolder(holder, null);
    expect(await nodeFileSystem.lockState(path)).toMatchObject({ state: 'free' });
  }, 20_000);
});

describe.skipIf(skipReason !== null)(`a directory that takes no name ${skipped}`, () => {
  test('is locked by the kernel alone, and not at all without it', async () => {
    const path = await temporaryDirectory();
    await writeFile(join(path, 'LOCK'), '');
    await chmod(join(path, 'LOCK'), 0o666);
    await chmod(path, 0o555);
    const strong = await startHolder(path, 'socket', NOBODY);
    expect(strong.answer).toEqual({ held: 'socket' });
    await endHolder(strong, null);
    const weak = await startHolder(path, 'owner-record', NOBODY);
    expect(weak.answer.failed).toMatch(/EACCES/);
  });
});
