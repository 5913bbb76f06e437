/** What only a real file system has: links, fifos, modes, processes. */
import { execFileSync } from 'node:child_process';
import { link, lstat, mkdir, readdir, readlink, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import { nodeFileSystem as fs } from '../../../src/io/node-file-system.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const isWindows = process.platform === 'win32';

describe.skipIf(isWindows)('the real file system', () => {
  test('new files have mode 0600, new directories 0700, parents too', async () => {
    const root = await temporaryDirectory();
    await fs.makeDirectory(join(root, 'a', 'b'));
    const file = await fs.open(join(root, 'a', 'b', 'f'), 'create');
    await file.close();
    expect((await lstat(join(root, 'a'))).mode & 0o777).toBe(0o700);
    expect((await lstat(join(root, 'a', 'b'))).mode & 0o777).toBe(0o700);
    expect((await lstat(join(root, 'a', 'b', 'f'))).mode & 0o777).toBe(0o600);
  });

  test.runIf(process.platform === 'linux')('a directory that cannot be is an error', async () => {
    for (const path of ['/proc/varve', '/proc/varve/store']) {
      await expect(fs.makeDirectory(path)).rejects.toMatchObject({ details: { errno: 'ENOENT' } });
    }
  });

  test('a directory by way of a link is there', async () => {
    const root = await temporaryDirectory();
    await fs.makeDirectory(join(root, 'a'));
    await symlink(join(root, 'a'), join(root, 'link'));
    await fs.makeDirectory(join(root, 'link'));
    await fs.makeDirectory(join(root, 'link', 'b'));
    expect(await readdir(join(root, 'a'))).toEqual(['b']);
  });

  test('no mode follows a symbolic link at the last component', async () => {
    const root = await temporaryDirectory();
    await writeFile(join(root, 'target'), 'abc');
    await symlink(join(root, 'target'), join(root, 'link'));
    await symlink(join(root, 'nowhere'), join(root, 'dangling'));
    for (const mode of ['read', 'write'] as const) {
      await expect(fs.open(join(root, 'link'), mode)).rejects.toMatchObject({
        details: { errno: 'ELOOP' },
      });
    }
    await expect(fs.open(join(root, 'dangling'), 'create')).rejects.toMatchObject({
      details: { errno: 'EEXIST' },
    });
    expect(await fs.stat(join(root, 'link'))).toMatchObject({ kind: 'other' });
    expect(await readdir(root)).not.toContain('nowhere');
  });

  test('a link above the last component is followed, and realPath resolves it', async () => {
    const root = await fs.realPath(await temporaryDirectory());
    await mkdir(join(root, 'd'));
    await writeFile(join(root, 'd', 'f'), 'abc');
    await symlink(join(root, 'd'), join(root, 'link'));
    const file = await fs.open(join(root, 'link', 'f'), 'read');
    expect((await file.stat()).sizeBytes).toBe(3);
    await file.close();
    expect(await fs.realPath(join(root, 'link', 'f'))).toBe(join(root, 'd', 'f'));
  });

  test('two names of one file have one identity', async () => {
    const root = await temporaryDirectory();
    await writeFile(join(root, 'a'), 'abc');
    await link(join(root, 'a'), join(root, 'b'));
    const [a, b] = [await fs.stat(join(root, 'a')), await fs.stat(join(root, 'b'))];
    expect(a).toEqual(b);
    expect(a.linkCount).toBe(2);
  });

  test('a fifo or socket is refused, without waiting for its other end', async () => {
    const root = await temporaryDirectory();
    execFileSync('mkfifo', [join(root, 'fifo')]);
    const server = createServer();
    await new Promise<void>((resolve) => {
      server.listen(join(root, 'socket'), resolve);
    });
    for (const mode of ['read', 'write'] as const) {
      await expect(fs.open(join(root, 'fifo'), mode)).rejects.toMatchObject({
        details: { errno: 'EINVAL' },
      });
    }
    await expect(fs.open(join(root, 'socket'), 'read')).rejects.toMatchObject({
      details: { errno: 'ENXIO' },
    });
    expect(await fs.stat(join(root, 'fifo'))).toMatchObject({ kind: 'other' });
    server.close();
  });

  test('the error keeps what the platform said as its cause', async () => {
    const path = join(await temporaryDirectory(), 'none');
    const error: unknown = await fs.open(path, 'read').catch((e: unknown) => e);
    expect(error).toMatchObject({ message: `open of ${path} failed: ENOENT` });
    expect(error).toHaveProperty('cause.syscall', 'open');
  });

  test.skipIf(process.platform !== 'linux')('nothing stays open, also when refused', async () => {
    const root = await temporaryDirectory();
    await mkdir(join(root, 'd'));
    const before = (await openPaths(root)).length;
    const file = await fs.open(join(root, 'a'), 'create');
    expect(await openPaths(root)).toHaveLength(before + 1);
    await fs.open(join(root, 'd'), 'read').catch(() => {});
    await fs.syncDirectory(root);
    const lock = await fs.lockDirectory(root);
    await fs.lockDirectory(root).catch(() => {});
    expect(await openPaths(root)).toHaveLength(before + 2);
    await lock.release();
    await file.close();
    expect(await openPaths(root)).toHaveLength(before);
  });

  test('an operation after close does not touch the file that got its number', async () => {
    const root = await temporaryDirectory();
    const stale = await fs.open(join(root, 'a'), 'create');
    await stale.close();
    const fresh = await fs.open(join(root, 'b'), 'create');
    await expect(stale.write(new Uint8Array(10), 0)).rejects.toMatchObject({
      details: { errno: 'EBADF' },
    });
    expect(() => stale.writeSync(new Uint8Array(10), 0)).toThrow('EBADF');
    expect((await fresh.stat()).sizeBytes).toBe(0);
    await fresh.close();
  });
});

async function openPaths(root: string): Promise<string[]> {
  const numbers = await readdir('/proc/self/fd');
  const links = numbers.map((number) => readlink(`/proc/self/fd/${number}`).catch(() => ''));
  return (await Promise.all(links)).filter((path) => path.startsWith(root));
}
