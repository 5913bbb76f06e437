/** The lock of a directory between processes, threads and mechanisms. */
import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, stat, symlink, unlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { Worker } from 'node:worker_threads';

import { describe, expect, onTestFinished, test } from 'vitest';

import { IoError, LockedError, LockUnavailableError } from '../../../src/core/errors.ts';
import { takeDirectoryLock } from '../../../src/io/directory-lock.ts';
import { flockMechanism, socketMechanism } from '../../../src/io/lock-mechanisms.ts';
import type { LockAttempt, LockMechanism } from '../../../src/io/lock-mechanisms.ts';
import { currentOwner, decodeOwner, encodeOwner } from '../../../src/io/lock-owner.ts';
import type { LockOwner } from '../../../src/io/lock-owner.ts';
import { distPath } from '../../support/run-cli.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const isLinux = process.platform === 'linux';
/** The addon is compiled for one Node.js; on another the socket is alone. */
const hasFlock = canRequire('fs-ext');
const ALL = hasFlock ? 'flock+socket' : 'socket';
const HOLDER = distPath('test', 'support', 'lock-holder.js');

function canRequire(name: string): boolean {
  try {
    createRequire(import.meta.url)(name);
    return true;
  } catch {
    return false;
  }
}

interface Holder {
  readonly pid: number;
  readonly answer: { readonly held?: string; readonly refused?: unknown };
  readonly child: ChildProcessByStdio<Writable, Readable, null>;
}

/** Starts another process that tries to lock `path`, and waits for its answer. */
async function startHolder(path: string, mechanisms = 'all'): Promise<Holder> {
  const child = spawn(process.execPath, [HOLDER, path, mechanisms], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout });
  const [line] = await once(lines, 'line');
  return { pid: child.pid ?? 0, answer: JSON.parse(String(line)), child };
}

async function end(holder: Holder, signal: NodeJS.Signals | null): Promise<void> {
  const exited = once(holder.child, 'exit');
  if (signal === null) holder.child.stdin.end();
  else holder.child.kill(signal);
  await exited;
}

async function refusalOf(promise: Promise<unknown>): Promise<LockedError> {
  const error: unknown = await promise.catch((e: unknown) => e);
  if (!(error instanceof LockedError)) throw new Error('was not refused', { cause: error });
  return error;
}

async function recordAt(path: string): Promise<LockOwner | null> {
  return decodeOwner(await readFile(join(path, 'LOCK')));
}

/** A mechanism of the test's own, which counts what is released. */
function fake(name: string, attempt: 'held' | 'unavailable' | 'ok' | Error) {
  const counts = { taken: 0, released: 0 };
  const mechanism: LockMechanism = {
    name,
    async take(): Promise<LockAttempt> {
      if (attempt instanceof Error) throw attempt;
      if (attempt !== 'ok') return attempt;
      counts.taken += 1;
      return { name, release: async () => void (counts.released += 1) };
    },
  };
  return { mechanism, counts };
}

describe.skipIf(!isLinux)('between processes', () => {
  test('the second is refused and told who holds it, and how', async () => {
    const path = await temporaryDirectory();
    const holder = await startHolder(path);
    expect(holder.answer).toEqual({ held: ALL });
    const { message, details } = await refusalOf(takeDirectoryLock(path));
    expect(details).toEqual({
      path,
      holder: { pid: holder.pid, host: hostname(), mechanism: ALL },
    });
    expect(message).toContain(`process ${holder.pid} on ${hostname()} (${ALL})`);
  });

  test('it is free after a release', async () => {
    const path = await temporaryDirectory();
    const lock = await takeDirectoryLock(path);
    const { answer } = await startHolder(path);
    expect(answer).toMatchObject({ refused: { pid: process.pid } });
    await lock.release();
    const second = await startHolder(path);
    expect(second.answer).toEqual({ held: ALL });
    await end(second, null);
    expect(await recordAt(path)).toMatchObject({ pid: second.pid, released: true });
    await (await takeDirectoryLock(path)).release();
  });

  test.each(hasFlock ? ['all', 'socket', 'flock'] : ['all', 'socket'])(
    'it is free after SIGKILL: %s',
    async (mechanisms) => {
      const path = await temporaryDirectory();
      const holder = await startHolder(path, mechanisms);
      await refusalOf(takeDirectoryLock(path));
      await end(holder, 'SIGKILL');
      expect(await recordAt(path)).toMatchObject({ pid: holder.pid, released: false });
      const lock = await takeDirectoryLock(path);
      expect(await recordAt(path)).toMatchObject({ pid: process.pid, released: false });
      await lock.release();
    },
  );

  test.skipIf(!hasFlock).each([
    ['socket', flockMechanism],
    ['flock', socketMechanism],
  ])('a live %s holder is seen through its record alone', async (theirs, ours) => {
    const path = await temporaryDirectory();
    const holder = await startHolder(path, theirs);
    const refusal = await refusalOf(takeDirectoryLock(path, { mechanisms: [ours] }));
    expect(refusal.details.holder).toMatchObject({ pid: holder.pid, mechanism: theirs });
    await end(holder, 'SIGKILL');
    await (await takeDirectoryLock(path, { mechanisms: [ours] })).release();
  });

  test('a worker thread is refused, and a dead one leaves nothing locked', async () => {
    const path = await temporaryDirectory();
    const lock = await takeDirectoryLock(path);
    const script = `
      const { parentPort, workerData } = require('node:worker_threads');
      import(workerData.module)
        .then(({ takeDirectoryLock }) => takeDirectoryLock(workerData.path))
        .then((lock) => lock.mechanism, (error) => error.code)
        .then((answer) => { parentPort.postMessage(answer); setInterval(() => {}, 1000); });`;
    const ask = async (): Promise<readonly [Worker, unknown]> => {
      const workerData = { path, module: distPath('src', 'io', 'directory-lock.js') };
      const worker = new Worker(script, { eval: true, workerData });
      const [answer] = await once(worker, 'message');
      return [worker, answer];
    };
    const [refused, answer] = await ask();
    expect(answer).toBe('ERR_VARVE_LOCKED');
    await refused.terminate();
    await lock.release();
    const [holder, mechanism] = await ask();
    expect(mechanism).toBe(ALL);
    await refusalOf(takeDirectoryLock(path));
    await holder.terminate();
    await (await takeDirectoryLock(path)).release();
  });
});

describe('within a process', () => {
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
});

describe('LOCK', () => {
  test('holds one record of 512 bytes, overwritten in place', async () => {
    const path = await temporaryDirectory();
    const inodes: number[] = [];
    for (let i = 0; i < 3; i += 1) {
      const lock = await takeDirectoryLock(path);
      inodes.push((await stat(join(path, 'LOCK'))).ino);
      await lock.release();
    }
    expect(new Set(inodes).size).toBe(1);
    const bytes = await readFile(join(path, 'LOCK'));
    expect(bytes).toHaveLength(512);
    expect(bytes.toString()).toMatch(/^\{.*\} *\n$/);
  });

  test('must be a regular file', async () => {
    const path = await temporaryDirectory();
    await writeFile(join(path, 'target'), '');
    await symlink(join(path, 'target'), join(path, 'LOCK'));
    await expect(takeDirectoryLock(path)).rejects.toMatchObject({ details: { errno: 'ELOOP' } });
  });

  test.each([
    ['empty', () => new Uint8Array(0)],
    ['not ours', () => Buffer.from('hello')],
    ['of a released owner', () => record({ released: true })],
    ['of another boot', () => record({ bootId: 'another' })],
    ['of a process that is gone', () => record({ pid: 2 ** 22 + 1 })],
    ['of an earlier process of that pid', () => record({ processStartTime: 1 })],
    ['of this process, from a thread that died', () => record({ pid: process.pid })],
  ])('may be %s', async (_name, make) => {
    const path = await temporaryDirectory();
    await writeFile(join(path, 'LOCK'), make());
    const lock = await takeDirectoryLock(path);
    expect(await recordAt(path)).toMatchObject({ pid: process.pid, released: false });
    await lock.release();
  });

  test.skipIf(!isLinux)(
    'of a live process with a mechanism that we cannot see refuses',
    async () => {
      const path = await temporaryDirectory();
      const parent = record({ pid: process.ppid, processStartTime: await startOf(process.ppid) });
      await writeFile(join(path, 'LOCK'), parent);
      const { details } = await refusalOf(takeDirectoryLock(path));
      expect(details.holder).toEqual({ pid: process.ppid, host: hostname(), mechanism: 'other' });
      expect(await readFile(join(path, 'LOCK'))).toEqual(Buffer.from(parent));
    },
  );

  function record(change: Partial<LockOwner>): Uint8Array {
    return encodeOwner({ ...currentOwner('other'), ...change });
  }

  async function startOf(pid: number): Promise<number> {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8');
    return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[19]);
  }
});

describe('mechanisms', () => {
  test('every one that works is taken, and named in order', async () => {
    const path = await temporaryDirectory();
    const [one, two, off] = [fake('b', 'ok'), fake('a', 'ok'), fake('c', 'unavailable')];
    const mechanisms = [one, off, two].map(({ mechanism }) => mechanism);
    const lock = await takeDirectoryLock(path, { mechanisms });
    expect(lock.mechanism).toBe('a+b');
    await lock.release();
    expect([one.counts, two.counts]).toEqual([
      { taken: 1, released: 1 },
      { taken: 1, released: 1 },
    ]);
  });

  test('none that works is an error that names what was tried', async () => {
    const path = await temporaryDirectory();
    const mechanisms = [fake('a', 'unavailable').mechanism, fake('b', 'unavailable').mechanism];
    const error: unknown = await takeDirectoryLock(path, { mechanisms }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(LockUnavailableError);
    expect(error).toMatchObject({ details: { path, tried: ['a', 'b'] } });
    await (await takeDirectoryLock(path)).release();
  });

  test.each([
    ['another holds the second', 'held', LockedError],
    ['the second fails', new IoError(ioDetails('EIO')), IoError],
  ] as const)('%s: the first is given back', async (_name, attempt, ErrorClass) => {
    const path = await temporaryDirectory();
    const first = fake('a', 'ok');
    const mechanisms = [first.mechanism, fake('b', attempt).mechanism];
    await expect(takeDirectoryLock(path, { mechanisms })).rejects.toBeInstanceOf(ErrorClass);
    expect(first.counts).toEqual({ taken: 1, released: 1 });
    await (await takeDirectoryLock(path)).release();
  });

  test('held by one who has not said so yet: the dead one before is not named', async () => {
    const path = await temporaryDirectory();
    const dead = encodeOwner({ ...currentOwner('a'), pid: 2 ** 22 + 1 });
    await writeFile(join(path, 'LOCK'), dead);
    const mechanisms = [fake('a', 'held').mechanism];
    const { details } = await refusalOf(takeDirectoryLock(path, { mechanisms }));
    expect(details.holder).toBeNull();
  });

  function ioDetails(errno: string): IoError['details'] {
    return { path: 'x', operation: 'lock', position: null, errno };
  }
});

describe('the owner record', () => {
  test('survives a round trip', () => {
    const owner = currentOwner('flock+socket');
    expect(decodeOwner(encodeOwner(owner))).toEqual(owner);
    const long = { ...owner, host: 'ä'.repeat(64) };
    expect(decodeOwner(encodeOwner(long))).toEqual(long);
  });

  test.each([
    '',
    '[]',
    'null',
    '{}',
    '{"pid":1}',
    '{"pid":"1","host":"h","mechanism":"m"}',
    '{"pid',
  ])('is nobody when it reads %s', (content) => {
    expect(decodeOwner(Buffer.from(content))).toBeNull();
  });
});
