/** The socket of a store's owner: where it stands, who may use it, and what no client can do to it. */
import { once } from 'node:events';
import { chmod, lstat, mkdir, readdir, readlink, symlink, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { dirname, join } from 'node:path';

import { describe, expect, onTestFinished, test } from 'vitest';

import { ManualClock } from '../../../src/core/clock.ts';
import { askControl } from '../../../src/io/control-client.ts';
import {
  CLIENT_MS_MAX,
  FAREWELL_MS_MAX,
  REQUEST_BYTES_MAX,
  RequestRoom,
  REQUESTS_BYTES_MAX,
} from '../../../src/io/control-connection.ts';
import { CONNECTION_COUNT_MAX, openControlEndpoint } from '../../../src/io/control-endpoint.ts';
import type { ControlEndpoint, ControlOptions } from '../../../src/io/file-system.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const MODE_BITS = 0o777;
const waiting = { signal: new AbortController().signal };

/** Answers with what it was asked. */
const echo: ControlOptions['answer'] = async (request) => new TextDecoder().decode(request);

/** An answer that is given when the test says so. */
function heldAnswer() {
  let begin = (): void => {};
  let finish = (_answer: string): void => {};
  const begun = new Promise<void>((resolve) => (begin = resolve));
  const answered = new Promise<string>((resolve) => (finish = resolve));
  const answer = (_request: Uint8Array): Promise<string> => {
    begin();
    return answered;
  };
  return { begun, answer, finish };
}

interface Listening {
  readonly path: string;
  readonly clock: ManualClock;
  readonly endpoint: ControlEndpoint;
}

async function listening(
  answer: ControlOptions['answer'] = echo,
  path?: string,
  farewell?: string,
): Promise<Listening> {
  const directory = path ?? (await temporaryDirectory());
  const clock = new ManualClock();
  const endpoint = await openControlEndpoint(directory, { answer, farewell, clock });
  onTestFinished(() => endpoint.close());
  return { path: directory, clock, endpoint };
}

async function client({ path }: Listening): Promise<Socket> {
  const socket = connect({ path: join(path, 'control.sock'), allowHalfOpen: true });
  socket.on('error', () => socket.destroy());
  await once(socket, 'connect');
  onTestFinished(() => void socket.destroy());
  return socket;
}

/** What it is sent until the other side ends. */
async function receivedBy(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  if (!socket.readableEnded && !socket.destroyed) {
    await Promise.race([once(socket, 'end'), once(socket, 'close')]);
  }
  return text;
}

function nextTurn(): Promise<null> {
  return new Promise((resolve) => setImmediate(() => resolve(null)));
}

/** A directory whose path no socket can have. */
async function deepDirectory(): Promise<string> {
  const path = join(await temporaryDirectory(), 'd'.repeat(120));
  await mkdir(path);
  return path;
}

function ask(path: string, request = 'hello'): Promise<string | null> {
  return askControl(path, request, waiting);
}

describe('the socket', () => {
  test('is for its owner alone, and gone after close', async () => {
    const { path, endpoint } = await listening();
    expect(await readdir(path)).toEqual(['control.sock']);
    const found = await lstat(join(path, 'control.sock'));
    expect(found.isSocket()).toBe(true);
    expect(found.mode & MODE_BITS).toBe(0o600);
    expect(await ask(path)).toBe('hello');
    await endpoint.close();
    await endpoint.close(); // Idempotent.
    expect(await readdir(path)).toEqual([]);
    expect(await ask(path)).toBeNull();
  });

  test('has its mode before anybody can reach it', async () => {
    const path = await temporaryDirectory();
    const before = process.umask(0);
    onTestFinished(() => void process.umask(before));
    const seen = new Set<number>();
    const opening = listening(echo, path);
    for (let opened: Listening | null = null; opened === null;) {
      const names = ['control.sock', 'control.new'];
      const found = await Promise.all(
        names.map((name) => lstat(join(path, name)).catch(() => null)),
      );
      for (const one of found) if (one !== null) seen.add(one.mode & 0o077);
      opened = await Promise.race([opening, nextTurn()]);
    }
    seen.add((await lstat(join(path, 'control.sock'))).mode & 0o077);
    expect([...seen]).toEqual([0]);
  });

  test('where the path is too long, it stands in a directory of its own', async () => {
    const path = await deepDirectory();
    const { endpoint } = await listening(echo, path);
    const target = await readlink(join(path, 'control.sock'));
    expect((await lstat(target)).mode & MODE_BITS).toBe(0o600);
    expect((await lstat(dirname(target))).mode & MODE_BITS).toBe(0o700);
    expect(await ask(path)).toBe('hello');
    await endpoint.close();
    expect(await readdir(path)).toEqual([]);
    await expect(lstat(dirname(target))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('a link to a directory that others may enter is not followed', async () => {
    const path = await deepDirectory();
    const { endpoint } = await listening(echo, path);
    const target = await readlink(join(path, 'control.sock'));
    await chmod(dirname(target), 0o755);
    expect(await ask(path)).toBeNull();
    await chmod(dirname(target), 0o700);
    expect(await ask(path)).toBe('hello');
    await endpoint.close();
  });

  test('a copy of the directory has no owner, and its opener does no harm to the first', async () => {
    const path = await deepDirectory();
    await listening(echo, path);
    const copy = join(path, '..', 'e'.repeat(120));
    await mkdir(copy);
    const target = await readlink(join(path, 'control.sock'));
    await symlink(target, join(copy, 'control.sock'));
    expect(await ask(copy)).toBeNull();
    const { endpoint } = await listening(async () => 'the copy', copy);
    expect(await ask(copy)).toBe('the copy');
    await endpoint.close();
    expect(await ask(path)).toBe('hello');
  });

  test.each([
    ['beside it', temporaryDirectory],
    ['elsewhere', deepDirectory],
  ])('one that a dead owner left %s is replaced', async (_where, directory) => {
    const path = await directory();
    const first = await listening(echo, path);
    const stale = (await lstat(join(path, 'control.sock'))).isSymbolicLink()
      ? await readlink(join(path, 'control.sock'))
      : null;
    // As after a kill: nobody unlinked it. (This one still listens, which nobody can find out.)
    const second = await listening(async () => 'second', path);
    expect(await ask(path)).toBe('second');
    await first.endpoint.close();
    expect(await ask(path)).toBe('second'); // Not its own any more.
    if (stale !== null) await expect(lstat(stale)).rejects.toMatchObject({ code: 'ENOENT' });
    await second.endpoint.close();
    expect(await readdir(path)).toEqual([]);
  });

  test('what died while it was made is removed', async () => {
    const path = await temporaryDirectory();
    await mkdir(join(path, 'control.new'));
    await writeFile(join(path, 'control.new', 's'), '');
    await listening(echo, path);
    expect(await readdir(path)).toEqual(['control.sock']);
  });

  test.each([
    ['a file in its place', 'control.sock', 'mine'],
    ['a file where it is made', 'control.new', 'mine'],
  ])('%s is left alone', async (_what, name, content) => {
    const path = await temporaryDirectory();
    await writeFile(join(path, name), content);
    await expect(listening(echo, path)).rejects.toMatchObject({ code: 'ERR_VARVE_IO' });
    expect(await readdir(path)).toEqual([name]);
  });

  test('a directory with files in it where it is made is left alone', async () => {
    const path = await temporaryDirectory();
    await mkdir(join(path, 'control.new'));
    await writeFile(join(path, 'control.new', 'notes.txt'), 'mine');
    await expect(listening(echo, path)).rejects.toMatchObject({
      details: { operation: 'listen', errno: 'ENOTEMPTY' },
    });
    expect(await readdir(join(path, 'control.new'))).toEqual(['notes.txt']);
  });
});

test('the room for requests is given back', () => {
  const room = new RequestRoom();
  expect(room.take(REQUESTS_BYTES_MAX)).toBe(true);
  expect(room.take(1)).toBe(false);
  room.give(1);
  expect(room.take(1)).toBe(true);
  expect(room.take(1)).toBe(false);
});

describe('a client', () => {
  test('may end its side behind the request, and send it in pieces', async () => {
    const owner = await listening();
    const socket = await client(owner);
    socket.write('one ');
    await nextTurn();
    socket.end('two\nignored');
    expect(await receivedBy(socket)).toBe('one two\n');
  });

  test('gets no answer to half a request', async () => {
    const owner = await listening();
    const socket = await client(owner);
    socket.end('half');
    expect(await receivedBy(socket)).toBe('');
    expect(await ask(owner.path)).toBe('hello');
  });

  test('may send as much as the limit, and not a byte more', async () => {
    let sizeBytes = 0;
    const owner = await listening(async (request) => {
      sizeBytes = request.length;
      return 'taken';
    });
    expect(await ask(owner.path, 'x'.repeat(REQUEST_BYTES_MAX))).toBe('taken');
    expect(sizeBytes).toBe(REQUEST_BYTES_MAX);
    const socket = await client(owner);
    socket.write('x'.repeat(REQUEST_BYTES_MAX + 1));
    expect(await receivedBy(socket)).toBe('');
    await expect(ask(owner.path, 'x'.repeat(REQUEST_BYTES_MAX + 1))).rejects.toMatchObject({
      details: { errno: 'ECONNRESET' },
    });
    expect(await ask(owner.path)).toBe('taken');
  });

  test('is turned away where the requests of all of them would take too much', async () => {
    const held = heldAnswer();
    let askedCount = 0;
    let onBoth = (): void => {};
    const both = new Promise<void>((resolve) => (onBoth = resolve));
    const owner = await listening((request) => {
      askedCount++;
      if (askedCount === 2) onBoth();
      return held.answer(request);
    });
    const request = 'x'.repeat(REQUEST_BYTES_MAX);
    const first = ask(owner.path, request);
    const second = ask(owner.path, request); // And with these two the room is taken.
    await both;
    await expect(ask(owner.path)).rejects.toMatchObject({ details: { errno: 'ECONNRESET' } });
    held.finish('done');
    expect(await Promise.all([first, second])).toEqual(['done', 'done']);
    expect(await ask(owner.path)).toBe('done');
  });

  test('that says nothing, or never reads its answer, is let go after a while', async () => {
    const owner = await listening();
    const silent = await client(owner);
    const slow = await client(owner);
    slow.write('hello\n');
    await once(slow, 'readable');
    owner.clock.advance(CLIENT_MS_MAX - 1);
    expect(owner.clock.pendingTimerCount).toBe(2);
    owner.clock.advance(1);
    expect(await receivedBy(silent)).toBe('');
    expect(await ask(owner.path)).toBe('hello');
    expect(owner.clock.pendingTimerCount).toBeLessThan(2);
  });

  test('that goes away in the middle harms nobody, and what it asked for is done', async () => {
    let doneCount = 0;
    const held = heldAnswer();
    const owner = await listening(async (request) => {
      const answer = await held.answer(request);
      doneCount++;
      return answer;
    });
    const socket = await client(owner);
    socket.write('change\n');
    await held.begun;
    socket.destroy();
    await once(socket, 'close');
    held.finish('x'.repeat(1_000_000)); // More than the kernel takes at once.
    await owner.endpoint.close();
    expect(doneCount).toBe(1);
    expect(owner.clock.pendingTimerCount).toBe(0);
  });

  test('is turned away when there are too many', async () => {
    const owner = await listening();
    const idle: Socket[] = [];
    for (let number = 0; number < CONNECTION_COUNT_MAX; number++) idle.push(await client(owner));
    await expect(ask(owner.path)).rejects.toMatchObject({ details: { errno: 'ECONNRESET' } });
    idle[0]?.destroy();
    owner.clock.advance(CLIENT_MS_MAX);
    await Promise.all(idle.map((socket) => receivedBy(socket)));
    expect(await ask(owner.path)).toBe('hello');
  });

  test('whose answer cannot be told is cut off', async () => {
    const owner = await listening(() => Promise.reject(new Error('a bug')));
    await expect(ask(owner.path)).rejects.toMatchObject({ details: { errno: 'ECONNRESET' } });
  });

  test('may stop waiting, with its own reason', async () => {
    const held = heldAnswer();
    const owner = await listening(held.answer);
    const controller = new AbortController();
    const { signal } = controller;
    const asking = askControl(owner.path, 'hello', { signal });
    await held.begun;
    const reason = new Error('enough');
    controller.abort(reason);
    await expect(asking).rejects.toBe(reason);
    await expect(askControl(owner.path, 'hello', { signal })).rejects.toBe(reason);
    held.finish('too late');
  });
});

describe('close', () => {
  test('waits for what is being done, answers it, and drops who asks nothing', async () => {
    const held = heldAnswer();
    const owner = await listening(held.answer);
    const idle = await client(owner);
    const asking = ask(owner.path);
    await held.begun;
    let isClosed = false;
    const closing = owner.endpoint.close().then(() => (isClosed = true));
    expect(await receivedBy(idle)).toBe('');
    expect(await ask(owner.path)).toBeNull(); // No new ones.
    expect(isClosed).toBe(false);
    held.finish('done');
    expect(await asking).toBe('done');
    await closing;
    expect(owner.clock.pendingTimerCount).toBe(0);
  });

  test('tells who has not asked by then that nothing was done', async () => {
    const owner = await listening(echo, undefined, 'closing');
    const idle = await client(owner);
    const half = await client(owner);
    half.write('half');
    const asking = ask(owner.path, 'x'.repeat(REQUEST_BYTES_MAX)); // Too much for one turn.
    const received = Promise.all([receivedBy(idle), receivedBy(half)]);
    const closing = owner.endpoint.close();
    expect(await received).toEqual(['closing\n', 'closing\n']);
    idle.end();
    half.end('of it\n'); // Too late.
    expect(['closing', null]).toContain(await asking);
    await closing;
    expect(owner.clock.pendingTimerCount).toBe(0);
  });

  test('takes who connected before, and waits for nobody longer than a while', async () => {
    const owner = await listening(echo, undefined, 'closing');
    const socket = connect({ path: join(owner.path, 'control.sock'), allowHalfOpen: true });
    onTestFinished(() => void socket.destroy());
    const closing = once(socket, 'connect').then(() => owner.endpoint.close());
    expect(await receivedBy(socket)).toBe('closing\n');
    owner.clock.advance(FAREWELL_MS_MAX); // It never ends its side.
    await closing;
    expect(owner.clock.pendingTimerCount).toBe(0);
  });
});
