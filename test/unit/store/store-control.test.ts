/** When a store listens for other processes, and when it does not. */
import { lstat, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, onTestFinished, test } from 'vitest';

import { askControl } from '../../../src/io/control-client.ts';
import { nodeFileSystem } from '../../../src/io/node-file-system.ts';
import { openLog } from '../../../src/log/open-log.ts';
import { decodeAnswer, encodeRequest } from '../../../src/store/control-protocol.ts';
import { listTopics } from '../../../src/store/control-verbs.ts';
import { openStore } from '../../../src/store/open-store.ts';
import type { Store } from '../../../src/store/store.ts';
import type { StoreOptions } from '../../../src/store/store-options.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const SOCKET = 'control.sock';

async function open(path: string, options?: StoreOptions): Promise<Store> {
  const store = await openStore(path, options);
  onTestFinished(() => store.close());
  return store;
}

async function topicNamesAt(path: string): Promise<string[] | null> {
  const { signal } = new AbortController();
  const { identity } = await nodeFileSystem.stat(path);
  const line = await askControl(path, encodeRequest(listTopics, {}, identity), { signal });
  return line === null ? null : decodeAnswer(listTopics, line).map(({ name }) => name);
}

describe('a writer', () => {
  test('listens while the store is open, for its user alone', async () => {
    const path = await temporaryDirectory();
    const store = await open(path);
    await store.topic('orders');
    expect(store.controlProblem).toBeNull();
    expect((await lstat(join(path, SOCKET))).mode & 0o777).toBe(0o600);
    expect(await topicNamesAt(path)).toEqual(['orders']);
    await store.close();
    expect(await readdir(path)).not.toContain(SOCKET);
    expect(await topicNamesAt(path)).toBeNull();
  });

  test('is not disturbed by a second opener', async () => {
    const path = await temporaryDirectory();
    const store = await open(path);
    await expect(openStore(path)).rejects.toMatchObject({ code: 'ERR_VARVE_LOCKED' });
    const reader = await open(path, { readOnly: true });
    expect(reader.controlProblem).toBeNull();
    await reader.close();
    expect(await topicNamesAt(path)).toEqual([]);
    await store.close();
    await open(path); // And the next one listens again.
    expect(await topicNamesAt(path)).toEqual([]);
  });

  test('opens all the same where it cannot listen, and says why', async () => {
    const path = await temporaryDirectory();
    await writeFile(join(path, SOCKET), 'mine');
    const store = await open(path);
    await store.topic('orders');
    expect(store.controlProblem).toMatch(/^listen of .*control\.sock failed: EEXIST$/);
    await store.close();
    expect(await readdir(path)).toContain(SOCKET);
  });
});

describe('nobody listens', () => {
  test('for a store in memory', async () => {
    const store = await openStore({ memory: true });
    expect(store.controlProblem).toBeNull();
    await store.close();
  });

  test('for who only reads', async () => {
    const path = await temporaryDirectory();
    await (await open(path)).close();
    const before = await readdir(path);
    await open(path, { readOnly: true });
    expect(await readdir(path)).toEqual(before);
  });

  test('for a bare log', async () => {
    const path = await temporaryDirectory();
    const log = await openLog(path);
    expect(await readdir(path)).not.toContain(SOCKET);
    await log.close();
  });
});
