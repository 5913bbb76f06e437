/** What the lock of a directory promises, on every file system. */
import { hostname } from 'node:os';
import { join } from 'node:path';

import { beforeEach, describe, expect, test } from 'vitest';

import { ManualClock } from '../../../src/core/clock.ts';
import { LockedError } from '../../../src/core/errors.ts';
import type { FileSystem } from '../../../src/io/file-system.ts';
import { expectErrno } from '../../support/errno.ts';
import { FILE_SYSTEMS } from '../../support/file-systems.ts';

describe.each(Object.entries(FILE_SYSTEMS))('the lock of a directory: %s', (_name, make) => {
  let fs: FileSystem;
  let root: string;
  const at = (...names: string[]): string => join(root, ...names);

  beforeEach(async () => {
    ({ fileSystem: fs, root } = await make());
  });

  test('is held once per process, and names this process', async () => {
    const lock = await fs.lockDirectory(root);
    expect(lock.mechanism).not.toBe('');
    const error: unknown = await fs.lockDirectory(root).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(LockedError);
    expect(error).toMatchObject({
      code: 'ERR_VARVE_LOCKED',
      details: { path: root, holder: { pid: process.pid, mechanism: lock.mechanism } },
    });
    await lock.verify();
    await lock.release();
  });

  test('is free after release, which is idempotent and keeps LOCK', async () => {
    const lock = await fs.lockDirectory(root);
    await Promise.all([lock.release(), lock.release()]);
    await lock.release();
    expect(await fs.list(root)).toEqual(['LOCK']);
    const again = await fs.lockDirectory(root);
    await lock.release(); // The old handle has nothing to do with the new lock.
    await again.verify();
    await expect(fs.lockDirectory(root)).rejects.toBeInstanceOf(LockedError);
    await again.release();
    await expectErrno(again.verify(), 'EBADF');
  });

  test('one directory does not lock another', async () => {
    await fs.makeDirectory(at('a'));
    await fs.makeDirectory(at('b'));
    const locks = await Promise.all([fs.lockDirectory(at('a')), fs.lockDirectory(at('b'))]);
    expect(locks).toHaveLength(2);
    for (const lock of locks) await lock.release();
  });

  test('of two asked for at once, one is given', async () => {
    const asked = [fs.lockDirectory(root), fs.lockDirectory(root), fs.lockDirectory(root)];
    const results = await Promise.allSettled(asked);
    const given = results.flatMap((r) => (r.status === 'fulfilled' ? [r.value] : []));
    const refused = results.flatMap((r): unknown[] => (r.status === 'rejected' ? [r.reason] : []));
    expect(given).toHaveLength(1);
    for (const error of refused) expect(error).toBeInstanceOf(LockedError);
    await given[0]?.release();
  });

  test('its state is told to all, and asking takes and writes nothing', async () => {
    expect(await fs.lockState(root)).toEqual({ state: 'free', holder: null });
    expect(await fs.list(root)).toEqual([]);
    const clock = new ManualClock();
    const lock = await fs.lockDirectory(root, { clock });
    expect(await fs.lockState(root)).toEqual({
      state: 'held',
      holder: {
        pid: process.pid,
        host: hostname(),
        mechanism: lock.mechanism,
        acquiredAtMs: clock.now(),
      },
    });
    await lock.verify();
    await lock.release();
    expect(await fs.lockState(root)).toMatchObject({ state: 'free' });
    await (await fs.lockDirectory(root)).release();
  });

  test('its state is asked of a directory', async () => {
    await (await fs.open(at('a'), 'create')).close();
    await expectErrno(fs.lockState(at('none')), 'ENOENT');
    await expectErrno(fs.lockState(at('a')), 'ENOTDIR');
  });

  test('verify finds LOCK deleted or replaced', async () => {
    const lock = await fs.lockDirectory(root);
    await fs.unlink(at('LOCK'));
    await expect(lock.verify()).rejects.toBeInstanceOf(LockedError);
    await (await fs.open(at('LOCK'), 'create')).close();
    await expect(lock.verify()).rejects.toBeInstanceOf(LockedError);
    await lock.release();
  });

  test('needs a directory', async () => {
    await (await fs.open(at('a'), 'create')).close();
    await expectErrno(fs.lockDirectory(at('none')), 'ENOENT');
    await expectErrno(fs.lockDirectory(at('a')), 'ENOTDIR');
    await fs.makeDirectory(at('d', 'LOCK'));
    await expectErrno(fs.lockDirectory(at('d')), 'EISDIR');
  });
});
