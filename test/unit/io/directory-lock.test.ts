/** The lock of a directory between processes, threads and mechanisms. */
import { once } from 'node:events';
import { cp, mkdir, readdir, readFile, stat, symlink, unlink, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

import { describe, expect, test } from 'vitest';

import { takeDirectoryLock } from '../../../src/io/directory-lock.ts';
import { readLockState } from '../../../src/io/lock-state.ts';
import {
  AUTO,
  endHolder,
  hasSqlite,
  refusalOf,
  startHolder,
  WORKING,
} from '../../support/lock-processes.ts';
import { NO_PID, plantOwner, recordAt } from '../../support/lock-records.ts';
import { distPath } from '../../support/run-cli.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const isLinux = process.platform === 'linux';

/** Without LOCK.sqlite, which stays where it was used. */
async function namesIn(path: string): Promise<string[]> {
  return (await readdir(path)).filter((name) => name !== 'LOCK.sqlite').sort();
}

describe.skipIf(!isLinux)('between processes', () => {
  test('the second is refused and told who holds it, and how', async () => {
    const path = await temporaryDirectory();
    const holder = await startHolder(path);
    expect(holder.answer).toEqual({ held: AUTO });
    const { message, details } = await refusalOf(takeDirectoryLock(path));
    expect(details).toEqual({
      path,
      holder: { pid: holder.pid, host: hostname(), mechanism: AUTO },
    });
    expect(message).toContain(`process ${holder.pid} on ${hostname()} (${AUTO})`);
  });

  test('it is free after a release', async () => {
    const path = await temporaryDirectory();
    const lock = await takeDirectoryLock(path);
    const { answer } = await startHolder(path);
    expect(answer).toMatchObject({ refused: { pid: process.pid } });
    await lock.release();
    const second = await startHolder(path);
    expect(second.answer).toEqual({ held: AUTO });
    await endHolder(second, null);
    expect(await recordAt(path)).toMatchObject({ pid: second.pid, released: true });
    await (await takeDirectoryLock(path)).release();
  });

  test.each(WORKING)(
    'however both lock, a holder by %s (%s) refuses, and is free after SIGKILL',
    async (theirs, mechanism) => {
      const path = await temporaryDirectory();
      for (const [lock, held] of WORKING) {
        const holder = await startHolder(path, theirs);
        expect(holder.answer).toEqual({ held: mechanism });
        const { details } = await refusalOf(takeDirectoryLock(path, { lock }));
        expect(details.holder).toEqual({ pid: holder.pid, host: hostname(), mechanism });
        await endHolder(holder, 'SIGKILL');
        expect(await recordAt(path)).toMatchObject({ pid: holder.pid, released: false });
        expect(await readLockState(path)).toMatchObject({ state: 'free' });
        const ours = await takeDirectoryLock(path, { lock });
        expect(ours).toMatchObject({ mechanism: held, takenOver: null });
        await ours.verify();
        await ours.release();
      }
      expect(await namesIn(path)).toEqual(['LOCK']);
    },
  );

  test.each([
    ['auto', 'socket'], // The addon for flock is for the main thread alone.
    ['owner-record', 'owner-record'],
    ...(hasSqlite ? [['sqlite', 'sqlite'] as const] : []),
  ] as const)('a thread that holds it by %s (%s) is another holder', async (lock, held) => {
    const path = await temporaryDirectory();
    const ours = await takeDirectoryLock(path, { lock: 'owner-record' });
    const script = `
      const { parentPort, workerData } = require('node:worker_threads');
      import(workerData.module)
        .then(({ takeDirectoryLock }) => takeDirectoryLock(workerData.path, workerData))
        .then((lock) => lock.mechanism, (error) => error.code)
        .then((answer) => { parentPort.postMessage(answer); setInterval(() => {}, 1000); });`;
    const ask = async (): Promise<readonly [Worker, unknown]> => {
      const workerData = { path, lock, module: distPath('src', 'io', 'directory-lock.js') };
      const worker = new Worker(script, { eval: true, workerData });
      const [answer] = await once(worker, 'message');
      return [worker, answer];
    };
    const [refused, answer] = await ask();
    expect(answer).toBe('ERR_VARVE_LOCKED');
    await refused.terminate();
    await ours.release();
    const [holder, mechanism] = await ask();
    expect(mechanism).toBe(held);
    expect(await readLockState(path)).toMatchObject({ state: 'held', holder: { mechanism: held } });
    for (const [choice] of WORKING) await refusalOf(takeDirectoryLock(path, { lock: choice }));
    await holder.terminate();
    expect(await readLockState(path)).toMatchObject({ state: 'free' });
    for (const [choice] of WORKING)
      await (await takeDirectoryLock(path, { lock: choice })).release();
  });
});

describe('within a process', () => {
  test.each(WORKING)('a second handle is refused, however both lock: %s', async (first) => {
    const path = await temporaryDirectory();
    const lock = await takeDirectoryLock(path, { lock: first });
    for (const [second] of WORKING) {
      const { details } = await refusalOf(takeDirectoryLock(path, { lock: second }));
      expect(details.holder).toMatchObject({ pid: process.pid, mechanism: lock.mechanism });
    }
    await lock.verify();
    await lock.release();
  });

  test('a second path to the directory is no way in', async () => {
    const root = await temporaryDirectory();
    await mkdir(join(root, 'd'));
    await symlink(join(root, 'd'), join(root, 'link'));
    const lock = await takeDirectoryLock(join(root, 'd'));
    const { details } = await refusalOf(takeDirectoryLock(join(root, 'link')));
    expect(details.holder).toMatchObject({ pid: process.pid });
    await lock.release();
    await (await takeDirectoryLock(join(root, 'link'))).release();
  });

  test('LOCK replaced: verify names the new holder', async () => {
    const path = await temporaryDirectory();
    const lock = await takeDirectoryLock(path);
    await unlink(join(path, 'LOCK'));
    expect((await refusalOf(lock.verify())).details).toEqual({ path, holder: null });
    const usurper = await takeDirectoryLock(path);
    expect((await refusalOf(lock.verify())).details.holder).toMatchObject({ pid: process.pid });
    await usurper.verify();
    await usurper.release();
    await lock.release();
  });

  test('LOCK overwritten by another owner: verify names it, and release leaves it alone', async () => {
    const path = await temporaryDirectory();
    const lock = await takeDirectoryLock(path);
    await lock.verify();
    const other = await plantOwner(path);
    expect((await refusalOf(lock.verify())).details.holder).toMatchObject({ pid: other.pid });
    await lock.release();
    expect(await recordAt(path)).toMatchObject({ pid: other.pid, released: false });
  });
});

describe('LOCK', () => {
  test('holds one record of 1024 bytes, overwritten in place', async () => {
    const path = await temporaryDirectory();
    const inodes: number[] = [];
    for (let i = 0; i < 3; i += 1) {
      const lock = await takeDirectoryLock(path);
      inodes.push((await stat(join(path, 'LOCK'))).ino);
      await lock.release();
    }
    expect(new Set(inodes).size).toBe(1);
    const bytes = await readFile(join(path, 'LOCK'));
    expect(bytes).toHaveLength(1024);
    expect(bytes.toString()).toMatch(/^\{.*\} *\n\{.*\} *\n$/);
  });

  test('must be a regular file', async () => {
    const path = await temporaryDirectory();
    await writeFile(join(path, 'target'), '');
    await symlink(join(path, 'target'), join(path, 'LOCK'));
    await expect(takeDirectoryLock(path)).rejects.toMatchObject({ details: { errno: 'ELOOP' } });
  });

  test.each(['', 'hello', '[]', 'null', '{"pid":1}', '{"pid'])(
    'names nobody when it reads %j',
    async (content) => {
      const path = await temporaryDirectory();
      await writeFile(join(path, 'LOCK'), content);
      expect(await readLockState(path)).toEqual({ state: 'free', holder: null });
      const lock = await takeDirectoryLock(path);
      expect(await recordAt(path)).toMatchObject({ pid: process.pid, released: false });
      await lock.release();
    },
  );

  test.skipIf(!isLinux).each(WORKING)(
    'of a live process with a mechanism that nobody knows refuses: %s',
    async (lock) => {
      const path = await temporaryDirectory();
      const { pid } = await plantOwner(path);
      const before = await readFile(join(path, 'LOCK'));
      const { details } = await refusalOf(takeDirectoryLock(path, { lock }));
      expect(details.holder).toEqual({ pid, host: hostname(), mechanism: 'other' });
      expect(await readFile(join(path, 'LOCK'))).toEqual(before);
      expect(await namesIn(path)).toEqual(['LOCK']);
      await plantOwner(path, { pid: NO_PID, threadId: NO_PID });
      await (await takeDirectoryLock(path, { lock })).release();
    },
  );

  test.each(WORKING)('copied with its directory does not lock the copy: %s', async (lock) => {
    const root = await temporaryDirectory();
    const [path, copy] = [join(root, 'original'), join(root, 'copy')];
    await mkdir(path);
    const original = await takeDirectoryLock(path, { lock });
    await cp(path, copy, { recursive: true, preserveTimestamps: true });
    expect(await readLockState(copy)).toMatchObject({ state: 'free' });
    const copied = await takeDirectoryLock(copy, { lock });
    await original.verify();
    await copied.verify();
    await copied.release();
    await original.release();
  });
});
