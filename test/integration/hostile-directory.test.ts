/** A log's directory on a real file system, with things in it that no writer of ours put there. */
import { execFile, execFileSync } from 'node:child_process';
import {
  chmod,
  lstat,
  mkdir,
  readFile,
  readdir,
  rename,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';

import { IoError, openLog, utf8, type Log } from '../../src/index.ts';
import { distPath } from '../support/run-cli.ts';
import { rejectionOf, textAt, textsFrom, valuesOf } from '../support/log-fixture.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const run = promisify(execFile);

const openAt = (path: string): Promise<Log<string>> =>
  openLog(path, { codec: utf8, segmentBytesMax: 4096, durability: 'os' });

/** A closed log of `count` records in a directory of its own. */
async function closedLog(count: number): Promise<string> {
  const path = join(await temporaryDirectory(), 'log');
  const log = await openAt(path);
  for (let n = 0; n < count; n++) await log.append({ value: textAt(n) });
  await log.close();
  return path;
}

const segmentNames = async (path: string): Promise<string[]> =>
  (await readdir(path)).filter((name) => name.endsWith('.log')).sort();

test('all that a log makes is for its owner alone', async () => {
  const path = await closedLog(100);
  const last = join(path, (await segmentNames(path)).at(-1) ?? '');
  await writeFile(last, 'torn', { flag: 'a' });
  await (await openAt(path)).close();
  const names = await readdir(path, { recursive: true });
  expect(names).toContain('quarantine');
  expect(names.length).toBeGreaterThan(6);
  for (const name of ['.', ...names]) {
    const stat = await lstat(join(path, name));
    expect(`${name} ${(stat.mode & 0o777).toString(8)}`).toBe(
      `${name} ${stat.isDirectory() ? '700' : '600'}`,
    );
  }
});

test('a directory that others may write to is remarked on, and its mode is left alone', async () => {
  const path = await closedLog(5);
  for (const [mode, isRemarked] of [
    [0o755, false],
    [0o770, true],
    [0o707, true],
  ] as const) {
    await chmod(path, mode);
    const log = await openAt(path);
    const remarks = log.recovery.notes.filter((text) => text.includes('writable by its group'));
    expect(remarks).toHaveLength(isRemarked ? 1 : 0);
    await log.close();
    expect((await lstat(path)).mode & 0o777).toBe(mode);
  }
});

test('a directory behind a symbolic link is the directory itself', async () => {
  const path = await closedLog(5);
  const link = join(path, '..', 'link');
  await symlink(path, link);
  const log = await openAt(link);
  expect(log.path).toBe(path);
  expect(await valuesOf(log)).toEqual(textsFrom(0, 5));
  expect(await rejectionOf(openAt(path))).toMatchObject({ code: 'ERR_VARVE_LOCKED' });
  await log.close();
});

describe('a symbolic link in place of', () => {
  test.each(['checkpoint', 'the last segment', 'LOCK'])(
    '%s is not followed, and its target is not touched',
    async (what) => {
      const path = await closedLog(30);
      const name = what === 'the last segment' ? ((await segmentNames(path)).at(-1) ?? '') : what;
      const target = join(path, '..', 'target');
      await rename(join(path, name), target);
      await symlink(target, join(path, name));
      const before = await readFile(target);
      const error = await rejectionOf(openAt(path));
      expect(error).toBeInstanceOf(IoError);
      expect(error).toMatchObject({ details: { errno: 'ELOOP', path: join(path, name) } });
      expect(Buffer.compare(await readFile(target), before)).toBe(0);
      expect((await lstat(join(path, name))).isSymbolicLink()).toBe(true);
    },
  );
});

describe('named like the next segment', () => {
  test.each<[string, (at: string) => Promise<unknown> | Buffer, string]>([
    ['a fifo', (at) => execFileSync('mkfifo', [at]), 'EINVAL'],
    ['a directory', (at) => mkdir(at), 'EISDIR'],
    ['a link to a device', (at) => symlink('/dev/zero', at), 'ELOOP'],
    ['a link to nothing', (at) => symlink('/nowhere/at/all', at), 'ELOOP'],
  ])('%s is an error at once, and is left where it is', async (_name, make, errno) => {
    const path = await closedLog(30);
    const name = `${'30'.padStart(20, '0')}.log`;
    await make(join(path, name));
    const names = await readdir(path);
    const before = await lstat(join(path, name), { bigint: true });
    const error = await rejectionOf(openAt(path));
    expect(error).toBeInstanceOf(IoError);
    expect(error).toMatchObject({ details: { errno } });
    expect((await lstat(join(path, name), { bigint: true })).ino).toBe(before.ino);
    expect(await readdir(path)).toEqual(names);
  });
});

test('thousands of foreign files are named, and not one is touched', async () => {
  const path = await closedLog(30);
  const foreign = Array.from({ length: 3000 }, (_, n) => `${n}.log.bak`);
  await Promise.all(foreign.map((name) => writeFile(join(path, name), name)));
  const log = await openAt(path);
  expect(log.recovery.notes).toHaveLength(foreign.length);
  expect(await valuesOf(log)).toEqual(textsFrom(0, 30));
  await log.deleteBefore(20);
  await log.close();
  const left = new Set(await readdir(path));
  expect(foreign.filter((name) => !left.has(name))).toEqual([]);
});

test('100 file descriptors are enough for every verb, however many segments there are', async () => {
  const path = await closedLog(0);
  const log = await openAt(path);
  await log.appendBatch(textsFrom(0, 5000).map((value) => ({ value })));
  await log.close();
  // Of which Node itself needs about 60 while it loads the modules of a verb.
  expect((await segmentNames(path)).length).toBeGreaterThan(120);
  for (const verb of ['cat', 'verify', 'info', 'dump']) {
    const cli = [process.execPath, distPath('tools', 'cli.js'), verb, path];
    const limited = run('prlimit', ['--nofile=100', ...cli], { maxBuffer: 64 * 1024 * 1024 });
    await expect(limited, verb).resolves.toMatchObject({ stderr: '' });
    const { stdout } = await limited;
    if (verb === 'cat') expect(stdout.trimEnd().split('\n')).toEqual(textsFrom(0, 5000));
    else expect(stdout).not.toBe('');
  }
});

test('40 file descriptors are enough for help: no module of a verb is loaded for it', async () => {
  for (const argv of [['--help'], ['--version'], ['queue', '--help']]) {
    const cli = [process.execPath, distPath('tools', 'cli.js'), ...argv];
    const { stdout, stderr } = await run('prlimit', ['--nofile=40', ...cli]);
    expect({ stderr, isShown: stdout !== '' }, argv.join(' ')).toEqual({
      stderr: '',
      isShown: true,
    });
  }
});
