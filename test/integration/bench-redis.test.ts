/** The Redis server of a job: its own, and never left behind. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { UnavailableError } from '../../bench/core/job.ts';
import { RedisServer } from '../../bench/jobs/redis-server.ts';
import { distPath } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** Sets variables of the environment until the test ends. */
function setEnvironment(variables: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(variables)) {
    const before = process.env[name];
    process.env[name] = value;
    onTestFinished(() => {
      if (before === undefined) delete process.env[name];
      else process.env[name] = before;
    });
  }
}

/** Has jobs start the stand-in, which refuses so often. @returns a directory for it, and its starts */
async function useFakeRedis(refuses = 0) {
  const root = await temporaryDirectory();
  const program = join(root, 'redis-server');
  const fake = distPath('test', 'support', 'fake-redis-server.js');
  writeFileSync(program, `#!/bin/sh\nexec '${process.execPath}' '${fake}' "$@"\n`, { mode: 0o755 });
  const starts = join(root, 'starts');
  setEnvironment({
    VARVE_REDIS_SERVER: program,
    FAKE_REDIS_STARTS: starts,
    FAKE_REDIS_REFUSES: String(refuses),
  });
  const pids = () => readFileSync(starts, 'utf8').trim().split('\n').map(Number);
  return { directory: join(root, 'data'), pids };
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** A connection whose end is the server's. */
async function connectTo(port: number) {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {}); // A reset is an end as well.
  await once(socket, 'connect');
  return socket;
}

test('it starts in its directory, tells its facts, and takes everything with it', async () => {
  const { directory, pids } = await useFakeRedis();
  const server = await RedisServer.start(directory, 'everysec');
  expect(existsSync(join(directory, 'appendonly.aof'))).toBe(true);
  expect(await server.facts()).toEqual({
    redis: '9.8.7',
    appendonly: 'yes',
    appendfsync: 'everysec',
  });
  await server.close();
  expect(pids().map(isAlive)).toEqual([false]);
  expect(existsSync(directory)).toBe(false);
});

test('it takes another port when one was taken meanwhile', async () => {
  const { directory, pids } = await useFakeRedis(2);
  const server = await RedisServer.start(directory, 'always');
  expect(await server.facts()).toMatchObject({ appendfsync: 'always' });
  await server.close();
  expect(pids()).toHaveLength(3);
});

test('one that never starts is an error with its complaint, and leaves nothing', async () => {
  const { directory, pids } = await useFakeRedis(Infinity);
  await expect(RedisServer.start(directory, 'always')).rejects.toThrow(
    'redis-server did not start: bind: Address already in use',
  );
  expect(pids().filter(isAlive)).toEqual([]);
  expect(existsSync(directory)).toBe(false);
});

test('it ends when its job is killed', async () => {
  const { directory, pids } = await useFakeRedis();
  const holder = spawn(
    process.execPath,
    [distPath('test', 'support', 'redis-holder.js'), directory],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  onTestFinished(() => void holder.kill('SIGKILL'));
  const [port] = await once(createInterface({ input: holder.stdout }), 'line');
  const socket = await connectTo(Number(port));
  // Not `once` of events, which rejects when the end is a reset.
  const closed = new Promise((resolve) => socket.once('close', resolve));
  expect(pids().map(isAlive)).toEqual([true]);
  holder.kill('SIGKILL');
  await closed;
});

test.each([{ VARVE_REDIS_SERVER: '/nowhere/redis-server' }, { VARVE_REDIS_SERVER: '', PATH: '' }])(
  'without a server it is unavailable: %o',
  async (environment) => {
    setEnvironment(environment);
    const directory = join(await temporaryDirectory(), 'data');
    const starting = RedisServer.start(directory, 'always');
    await expect(starting).rejects.toThrow(UnavailableError);
    await expect(starting).rejects.toThrow('no redis-server');
    expect(existsSync(directory)).toBe(false);
  },
);
