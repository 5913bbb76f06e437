/** The heartbeat in LOCK: written, believed, watched, and overruled. */
import { readdirSync, readFileSync, unlinkSync } from 'node:fs';
import { copyFile, open, readFile, readdir, rename, rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';

import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';

import { ManualClock } from '../../../src/core/clock.ts';
import { takeDirectoryLock } from '../../../src/io/directory-lock.ts';
import type { DirectoryLock } from '../../../src/io/file-system.ts';
import { nodeFileSystem } from '../../../src/io/node-file-system.ts';
import type { LockMechanism } from '../../../src/io/lock-mechanisms.ts';
import type { LockPlan } from '../../../src/io/lock-plan.ts';
import { decodeRecord } from '../../../src/io/lock-record.ts';
import { readLockState } from '../../../src/io/lock-state.ts';
import { openLog } from '../../../src/log/open-log.ts';
import { refusalOf } from '../../support/lock-processes.ts';
import { NO_PID, plantOwner, recordAt } from '../../support/lock-records.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const BEAT_MS = 5_000;
const WATCH_MS = 10_000;
/** In another container of another machine. */
const UNSEEN = {
  bootId: 'another',
  host: 'another',
  pidNamespace: 'pid:[1]',
  networkNamespace: 'net:[1]',
  mechanism: 'socket',
  pid: 12,
};

let path: string;
let clock: ManualClock;
let isOver = false;

beforeEach(async () => {
  isOver = false;
  onTestFinished(() => {
    isOver = true;
  });
  path = await temporaryDirectory();
  clock = new ManualClock();
});

async function hold(): Promise<DirectoryLock> {
  const lock = await takeDirectoryLock(path, { clock });
  onTestFinished(() => lock.release());
  return lock;
}

/** Until `condition`, which only the disk keeps us waiting for; the test's end ends it. */
async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await condition())) {
    if (isOver) throw new Error('the condition never came true');
    await new Promise(setImmediate);
  }
}

function replaceLock(): Promise<void> {
  return rename(join(path, 'copy'), join(path, 'LOCK'));
}

async function beatIs(atMs: number): Promise<void> {
  await until(async () => (await recordAt(path))?.heartbeatAtMs === atMs);
}

/** Begins to take the lock, up to the watch over the owner's heartbeat. */
async function watching(): Promise<{ readonly taking: Promise<DirectoryLock> }> {
  const before = clock.pendingTimerCount;
  const taking = takeDirectoryLock(path, { clock });
  taking.catch(() => undefined); // Asked for later.
  await until(() => clock.pendingTimerCount > before);
  return { taking }; // A promise alone would be waited for.
}

describe('a holder', () => {
  test('writes the time every 5 s, in place, until it lets go', async () => {
    const lock = await hold();
    const takenAtMs = clock.now();
    await beatIs(takenAtMs);
    for (let beat = 1; beat <= 3; beat += 1) {
      clock.advance(BEAT_MS - 1);
      expect(await recordAt(path)).toMatchObject({ heartbeatAtMs: clock.now() - BEAT_MS + 1 });
      clock.advance(1);
      await beatIs(clock.now());
      await until(() => clock.pendingTimerCount === 1);
    }
    expect(await recordAt(path)).toMatchObject({ acquiredAtMs: takenAtMs, released: false });
    expect(await readFile(join(path, 'LOCK'))).toHaveLength(1024);
    await lock.release();
    expect(clock.pendingTimerCount).toBe(0);
    expect(await recordAt(path)).toMatchObject({ released: true });
  });

  test('stops beating, and leaves LOCK alone, when another has taken it over', async () => {
    const lock = await hold();
    const other = await plantOwner(path, UNSEEN);
    clock.advance(BEAT_MS);
    await until(() =>
      lock.verify().then(
        () => false,
        () => true,
      ),
    );
    expect((await refusalOf(lock.verify())).details.holder).toMatchObject({ pid: UNSEEN.pid });
    await lock.release();
    expect(await recordAt(path)).toEqual(other);
    expect(clock.pendingTimerCount).toBe(0);
  });

  test.each([
    ['LOCK was deleted', () => rm(join(path, 'LOCK'))],
    ['its directory was deleted', () => rm(path, { recursive: true })],
    ['LOCK was replaced', () => copyFile(join(path, 'LOCK'), join(path, 'copy')).then(replaceLock)],
  ])('is told within a beat when %s', async (_what, change) => {
    const lock = await hold();
    let lostCount = 0;
    lock.onLost(() => void lostCount++);
    clock.advance(BEAT_MS);
    await until(() => clock.pendingTimerCount === 1);
    expect(lostCount).toBe(0);
    await change();
    clock.advance(BEAT_MS);
    await until(() => lostCount > 0);
    await lock.release();
    expect([lostCount, clock.pendingTimerCount]).toEqual([1, 0]);
  });

  test('that wrote late, over the new owner: that one is still the owner', async () => {
    const other = await plantOwner(path, { ...UNSEEN, acquiredAtMs: 5, heartbeatAtMs: 7 });
    const lock = await open(join(path, 'LOCK'), 'r+');
    const late = JSON.stringify({ nonce: other.nonce + 1, heartbeatAtMs: 9, released: true });
    await lock.write(late.padEnd(127), 896);
    await lock.close();
    expect(await recordAt(path)).toEqual({ ...other, heartbeatAtMs: 5, released: false });
  });
});

describe('an opener that sees nothing but the heartbeat', () => {
  test('is refused while it is younger than 30 s', async () => {
    await plantOwner(path, { ...UNSEEN, heartbeatAtMs: clock.now() });
    clock.advance(29_999);
    expect(await readLockState(path, clock)).toMatchObject({ state: 'held' });
    const { details } = await refusalOf(takeDirectoryLock(path, { clock }));
    expect(details.holder).toEqual({ pid: 12, host: 'another', mechanism: 'socket' });
  });

  test.each([
    ['30 s old', -30_000, 'free'],
    ['a day old', -86_400_000, 'free'],
    ['30 s in the future', 30_000, 'unknown'],
  ])('watches one that is %s for 10 s, then takes over', async (_what, offsetMs, state) => {
    await plantOwner(path, { ...UNSEEN, heartbeatAtMs: clock.now() + offsetMs });
    expect(await readLockState(path, clock)).toMatchObject({ state, holder: { pid: 12 } });
    const { taking } = await watching();
    clock.advance(WATCH_MS - 1);
    expect(await recordAt(path)).toMatchObject({ pid: 12 });
    clock.advance(1);
    const lock = await taking;
    expect(lock.takenOver).toEqual({ pid: 12, host: 'another', mechanism: 'socket' });
    await lock.verify();
    await lock.release();
    const after = await hold();
    expect(after.takenOver).toBeNull();
  });

  test('is refused when the heart beats while it watches', async () => {
    const owner = await plantOwner(path, { ...UNSEEN, heartbeatAtMs: 1 });
    const { taking } = await watching();
    await plantOwner(path, { ...owner, heartbeatAtMs: 2 });
    clock.advance(WATCH_MS);
    expect((await refusalOf(taking)).details.holder).toMatchObject({ pid: 12 });
    expect(await recordAt(path)).toEqual({ ...owner, heartbeatAtMs: 2 });
  });

  test('is refused when another takes over while it watches', async () => {
    await plantOwner(path, { ...UNSEEN, heartbeatAtMs: 1 });
    const { taking } = await watching();
    await plantOwner(path, { ...UNSEEN, pid: 13, heartbeatAtMs: 1 });
    clock.advance(WATCH_MS);
    expect((await refusalOf(taking)).details.holder).toMatchObject({ pid: 13 });
  });

  test('opens without a word when the owner lets go while it watches', async () => {
    const owner = await plantOwner(path, { ...UNSEEN, heartbeatAtMs: 1 });
    const { taking } = await watching();
    await plantOwner(path, { ...owner, released: true });
    clock.advance(WATCH_MS);
    const lock = await taking;
    expect(lock.takenOver).toBeNull();
    await lock.release();
  });
});

describe('a takeover', () => {
  test('is told to the user, and stops the writer that was overruled at its next roll', async () => {
    const options = { clock, segmentBytesMax: 4096, durability: 'os' } as const;
    const old = await openLog(path, options);
    await old.append({ value: new Uint8Array(3000) });
    await plantOwner(path, { ...UNSEEN, heartbeatAtMs: 1 });
    const error: unknown = await old
      .append({ value: new Uint8Array(3000) })
      .catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'ERR_VARVE_FAILED', cause: { code: 'ERR_VARVE_LOCKED' } });
    await old.close().catch(() => undefined);

    const before = clock.pendingTimerCount;
    const opening = openLog(path, { ...options, fileSystem: nodeFileSystem });
    await until(() => clock.pendingTimerCount > before);
    clock.advance(WATCH_MS);
    const log = await opening;
    expect(log.recovery.notes).toContainEqual(
      expect.stringContaining('taken over from process 12 on another (socket)'),
    );
    await log.close();
  });
});

describe('an owner whose lock was taken over', () => {
  test('is told by its next beat: its log acknowledges nothing more, and LOCK stays the new owner’s', async () => {
    const log = await openLog(path, { clock, durability: 'os' });
    await log.append({ value: Buffer.from('before') });
    const other = await plantOwner(path, { ...UNSEEN, nonce: 4711 });
    clock.advance(BEAT_MS);
    await until(() => log.stats().state === 'failed');
    await expect(log.append({ value: Buffer.from('after') })).rejects.toMatchObject({
      code: 'ERR_VARVE_FAILED',
      cause: { code: 'ERR_VARVE_LOCKED' },
    });
    await expect(log.close()).rejects.toMatchObject({ code: 'ERR_VARVE_FAILED' });
    expect(await recordAt(path)).toEqual(other);
  });

  test('by an opener that took its claim away leaves LOCK as that one wrote it', async () => {
    const slow: LockMechanism = {
      name: 'slow',
      async take({ directory }) {
        const claims = (await readdir(directory)).filter((name) => name.startsWith('LOCK.claim.'));
        expect(claims).toHaveLength(1);
        for (const claim of claims) await unlink(join(directory, claim));
        return { name: 'slow', release: async () => {} };
      },
    };
    const plan: LockPlan = { together: [slow], instead: [], withoutAny: 'refuse' };
    const other = await plantOwner(path, { pid: NO_PID, nonce: 4711 }); // Gone: no reason to refuse.
    await expect(takeDirectoryLock(path, { clock, plan })).rejects.toMatchObject({
      code: 'ERR_VARVE_LOCKED',
    });
    expect(await recordAt(path)).toEqual(other);
  });

  test('after it wrote to LOCK gives LOCK back to whom it named before', async () => {
    const other = await plantOwner(path, { pid: NO_PID, nonce: 4711 });
    const refusal = refusalOf(takeDirectoryLock(path, { clock }));
    await until(() => {
      if (decodeRecord(readFileSync(join(path, 'LOCK')))?.nonce === 4711) return false;
      const claims = readdirSync(path).filter((name) => name.startsWith('LOCK.claim.'));
      expect(claims).toHaveLength(1); // It has written, and not looked at its claim since.
      for (const claim of claims) unlinkSync(join(path, claim));
      return true;
    });
    expect(await refusal).toMatchObject({ code: 'ERR_VARVE_LOCKED' });
    expect(await recordAt(path)).toEqual(other);
  });
});
