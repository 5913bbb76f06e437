/** Verbs that change a store while another process has it open: that process does it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cp, link, lstat, mkdir, readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { text as textOf } from 'node:stream/consumers';

import { describe, expect, onTestFinished, test } from 'vitest';

import { nodeFileSystem } from '../../src/io/node-file-system.ts';
import { ExitCode } from '../../tools/exit-codes.ts';
import { linesOf } from '../support/cli-logs.ts';
import { orders, varve } from '../support/cli-stores.ts';
import { distPath, runCli, type CliResult } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const OWNER = distPath('test', 'support', 'store-owner.js');
const BEFORE = { topics: [{ name: 'orders', partitionCount: 2 }], committed: [3, null] };

/** In this process: it is not the owner. */
function cli(...args: readonly string[]): Promise<CliResult> {
  return runCli(args);
}

class Owner {
  readonly path: string;
  readonly #child: ChildProcess;
  readonly #lines: Interface;

  constructor(path: string) {
    this.path = path;
    this.#child = spawn(process.execPath, [OWNER, path], { stdio: ['pipe', 'pipe', 'inherit'] });
    const { stdout } = this.#child;
    if (stdout === null) throw new Error('it has an output');
    this.#lines = createInterface({ input: stdout });
    onTestFinished(() => void this.#child.kill('SIGKILL'));
  }

  /** What it knows, after it did what the line says. */
  async say(line = 'look'): Promise<unknown> {
    this.#child.stdin?.write(`${line}\n`);
    return this.heard();
  }

  async heard(): Promise<unknown> {
    const [line] = await once(this.#lines, 'line');
    return JSON.parse(String(line));
  }

  /** Stops it, or lets it go on. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Lets it close the store (null), or kills it. */
  async end(signal: NodeJS.Signals | null): Promise<void> {
    const exited = once(this.#child, 'exit');
    if (signal === null) this.#child.stdin?.end();
    else this.#child.kill(signal);
    await exited;
  }
}

async function owner(at?: string): Promise<Owner> {
  const path = at ?? join(await temporaryDirectory(), 'store');
  const process = new Owner(path);
  expect(await process.heard()).toEqual(BEFORE);
  return process;
}

async function isNoSpecialFile(path: string): Promise<boolean> {
  const isLinked = path.endsWith('/LOCK') || path.endsWith('/control.sock');
  return !isLinked && !(await lstat(path)).isSocket();
}

describe('while another process has the store open', () => {
  test('a topic is created in that process', async () => {
    const process = await owner();
    const create = ['topics', 'create', process.path, 'clicks', '-p', '3', '--durability', 'os'];
    const dryRun = await varve(...create);
    expect(dryRun).toMatchObject({ exitCode: ExitCode.ok, stderr: '' });
    expect(await process.say()).toEqual(BEFORE);
    const done = await varve(...create, '--yes');
    expect(done).toMatchObject({ exitCode: ExitCode.ok, stderr: '' });
    expect(done.stdout).toContain('created topic clicks with 3 partitions');
    expect(await process.say()).toEqual({
      ...BEFORE,
      topics: [{ name: 'clicks', partitionCount: 3 }, ...BEFORE.topics],
    });
    const again = await varve(...create, '--yes');
    expect(again).toMatchObject({ exitCode: ExitCode.failure, stdout: '' });
    expect(again.stderr).toContain(`there is a topic clicks in ${process.path} already`);
    await process.end(null);
    const listed = await varve('topics', 'ls', process.path, '--ndjson');
    expect(linesOf(listed.stdout)).toMatchObject([
      { name: 'clicks', partitionCount: 3, durability: 'os' },
      { name: 'orders', partitionCount: 2, durability: 'sync' },
    ]);
  });

  test('its topics are altered, lose records, get partitions, and are deleted there', async () => {
    const process = await owner();
    const topics = (verb: string, ...rest: readonly string[]): Promise<CliResult> =>
      cli('topics', verb, process.path, 'orders', ...rest, '--yes');
    const altered = await topics('alter', '--retention', '7d', '--segment-age', 'none');
    expect(altered).toMatchObject({ exitCode: ExitCode.ok, stderr: '' });
    const described = await cli('topics', 'describe', process.path, 'orders', '--json');
    expect(JSON.parse(described.stdout)).toMatchObject({
      options: { retentionMs: 604_800_000, segmentAgeMsMax: null },
    });
    const below = ['delete-records', process.path, 'orders', '--before', '0:3', '--yes'];
    expect(await cli(...below)).toMatchObject({ exitCode: ExitCode.ok, stderr: '' });
    const left = await cli('groups', 'describe', process.path, 'billing', '--json');
    expect(JSON.parse(left.stdout)).toMatchObject({
      partitions: [{ startOffset: 3 }, { startOffset: 0 }],
    });
    expect((await topics('add-partitions', '3')).exitCode).toBe(ExitCode.ok);
    expect(await process.say()).toEqual({
      topics: [{ name: 'orders', partitionCount: 3 }],
      committed: [3, null, null],
    });
    const deleted = await topics('delete', '--json');
    expect(JSON.parse(deleted.stdout)).toMatchObject({ isDryRun: false, groups: ['billing'] });
    expect(await process.say()).toEqual({ topics: [], committed: null });
    expect(await readdir(join(process.path, 'topics'))).toEqual([]);
    const gone = await topics('delete');
    expect(gone.exitCode).toBe(ExitCode.notFound);
  });

  test('a dry run tells what that process knows: a group that only has members', async () => {
    const process = await owner();
    await cli('groups', 'delete', process.path, 'billing', '--yes');
    await process.say('join');
    const groups = { groups: ['billing'], isDryRun: true };
    const dryRun = await cli('topics', 'delete', process.path, 'orders', '--json');
    expect(JSON.parse(dryRun.stdout)).toMatchObject({ ...groups, offsetCount: 4 });
    await process.say('leave');
    const later = await cli('topics', 'delete', process.path, 'orders', '--json');
    expect(JSON.parse(later.stdout)).toMatchObject({ groups: [], isDryRun: true });
  });

  test('a group is reset and deleted there, but not under its members', async () => {
    const process = await owner();
    const reset = ['groups', 'reset', process.path, 'billing', '--to-earliest'];
    const remove = ['groups', 'delete', process.path, 'billing'];
    await process.say('join');
    const described = await cli('groups', 'describe', process.path, 'billing', '--json');
    expect(JSON.parse(described.stdout)).toMatchObject({
      lag: 1,
      members: [{ id: expect.any(String), partitions: [0, 1] }],
    });
    const text = await cli('groups', 'describe', process.path, 'billing');
    expect(text.stdout).toMatch(/\nmember .+ reads partitions 0, 1\n1 offset behind\n$/);
    for (const change of [reset, remove]) {
      const refused = await cli(...change, '--yes');
      expect(refused).toMatchObject({ exitCode: ExitCode.failure, stdout: '' });
      expect(refused.stderr).toMatch(/stored 1 member,.*\nhint: its members must leave first/);
    }
    expect(await process.say('leave')).toEqual(BEFORE);
    expect((await cli(...reset)).stdout).toMatch(/\n +0 +3 +0 +-3\n.*\n.*nothing was changed/);
    expect(await process.say()).toEqual(BEFORE);
    expect((await cli(...reset, '--yes')).stdout).toMatch(/billing of topic orders is reset\n$/);
    expect(await process.say()).toEqual({ ...BEFORE, committed: [0, 0] });
    expect((await cli(...remove, '--yes')).stdout).toMatch(/^deleted group billing of topic/);
    expect(await process.say()).toEqual({ ...BEFORE, committed: null });
    const gone = await cli(...remove, '--yes');
    expect(gone.exitCode).toBe(ExitCode.notFound);
    expect(gone.stderr).toMatch(/there is no consumer group billing in .*\nhint: varve groups ls/);
  });

  test('stats have figures that only that process knows', async () => {
    const process = await owner();
    await process.say('join');
    const json = await cli('stats', process.path, '--json');
    expect(JSON.parse(json.stdout)).toMatchObject({
      topicCount: 1,
      groupCount: 1,
      memberCount: 1,
      health: { status: 'ok', problems: [] },
      offsetCount: 4,
      lock: { state: 'held' },
    });
    expect((await cli('stats', process.path)).stdout).toContain('1 with 1 member\n');
    await process.end(null);
    const closed = await cli('stats', process.path, '--json');
    expect(JSON.parse(closed.stdout)).toMatchObject({ memberCount: null, offsetCount: 4 });
  });

  test('works by whatever path it is reached, and where it is too long for a socket', async () => {
    const path = join(await temporaryDirectory(), 'd'.repeat(120), 'store');
    const process = await owner(path);
    expect((await lstat(join(path, 'control.sock'))).isSymbolicLink()).toBe(true);
    const done = await cli('topics', 'create', join(path, '..', 'store'), 'clicks', '--yes');
    expect(done).toMatchObject({ exitCode: ExitCode.ok, stderr: '' });
    expect(await process.say()).toMatchObject({ topics: [{ name: 'clicks' }, { name: 'orders' }] });
    await process.end(null); // Else it leaves its socket where temporary files are.
  });

  test('that does not listen: exit 5, and a dry run shows what is on disk', async () => {
    const process = await owner();
    await unlink(join(process.path, 'control.sock'));
    const reset = ['groups', 'reset', process.path, 'billing', '--to-earliest'];
    expect(await cli(...reset)).toMatchObject({ exitCode: ExitCode.ok, stderr: '' });
    const refused = await cli(...reset, '--yes');
    expect(refused).toMatchObject({ exitCode: ExitCode.locked, stdout: '' });
    expect(refused.stderr).toMatch(
      /^error: .* is locked by process \d+ .*\nhint: that process does not listen on control\.sock/,
    );
    expect(await process.say()).toEqual(BEFORE);
  });

  test('a copy made of hard links is not the store that it has open', async () => {
    const process = await owner();
    const copy = join(process.path, '..', 'copy');
    await mkdir(copy);
    for (const name of ['LOCK', 'control.sock']) {
      await link(join(process.path, name), join(copy, name));
    }
    await cp(process.path, copy, { recursive: true, filter: isNoSpecialFile });
    const create = await cli('topics', 'create', copy, 'clicks', '--yes');
    expect(create).toMatchObject({ exitCode: ExitCode.locked, stdout: '' });
    const reset = await cli('groups', 'reset', copy, 'billing', '--to-earliest');
    expect(reset).toMatchObject({ exitCode: ExitCode.ok, stderr: '' });
    expect(await process.say()).toEqual(BEFORE);
  });

  test('that is stopped: a look is told by what is on disk, after a while', async () => {
    const process = await owner();
    process.signal('SIGSTOP');
    const stats = await cli('stats', process.path, '--json');
    process.signal('SIGCONT');
    expect(stats.exitCode).toBe(ExitCode.ok);
    expect(stats.stderr).toContain('does not answer; this is what is on disk');
    expect(JSON.parse(stats.stdout)).toMatchObject({ groupCount: 1, memberCount: null });
    expect(await process.say()).toEqual(BEFORE);
  });
});

describe('after a kill', () => {
  test('its socket is left, and the verb takes the lock; then the next owner listens', async () => {
    const first = await owner();
    const { path } = first;
    await first.end('SIGKILL');
    expect(await readdir(path)).toContain('control.sock');
    const reset = ['groups', 'reset', path, 'billing', '--shift-by', '-1'];
    const dryRun = await cli(...reset);
    expect(dryRun).toMatchObject({ exitCode: ExitCode.ok, stderr: '' });
    expect(dryRun.stdout).toMatch(/\n +0 +3 +2 +-1\n/);
    expect(await readdir(path)).toContain('control.sock'); // A look changes nothing.
    const done = await cli('topics', 'create', path, 'clicks', '--yes');
    expect(done).toMatchObject({ exitCode: ExitCode.ok, stderr: '' });
    expect(await readdir(path)).not.toContain('control.sock');
    const second = new Owner(path);
    expect(await second.heard()).toMatchObject({ committed: [3, null] });
    expect((await cli(...reset, '--yes')).exitCode).toBe(ExitCode.ok);
    expect(await second.say()).toMatchObject({ committed: [2, 0] });
  });

  test('nothing of it stays where temporary files are', async () => {
    const path = join(await temporaryDirectory(), 'd'.repeat(120), 'store');
    const first = await owner(path);
    const target = await nodeFileSystem.realPath(join(path, 'control.sock'));
    await first.end('SIGKILL');
    expect((await cli('topics', 'create', path, 'clicks', '--yes')).exitCode).toBe(ExitCode.ok);
    await expect(lstat(join(target, '..'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

test('neither the socket nor a client on it keeps a process alive', async () => {
  const path = join(await temporaryDirectory(), 'store');
  const program = `
    import { once } from 'node:events';
    import { connect } from 'node:net';
    import { openStore } from ${JSON.stringify(distPath('src', 'index.js'))};
    const store = await openStore(${JSON.stringify(path)});
    const client = connect(store.path + '/control.sock');
    await once(client, 'connect');
    client.unref();
    process.stdout.write('open');
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [said, [code]] = await Promise.all([textOf(child.stdout), once(child, 'exit')]);
  expect({ said, code }).toEqual({ said: 'open', code: 0 });
  expect(await readdir(path)).toContain('control.sock'); // It never closed the store.
});

test('a closed store has no socket, and its verbs take the lock', async () => {
  const path = await orders();
  const before = await readdir(path);
  const done = await cli('groups', 'reset', path, 'billing', '--to-earliest', '--yes');
  expect(done).toMatchObject({ exitCode: ExitCode.ok, stderr: '' });
  expect(await readdir(path)).toEqual(before);
});
