import { describe, expect, test } from 'vitest';

import { SeededRandom } from '../../../src/core/random.ts';
import { HandleCache } from '../../../src/log/handle-cache.ts';
import { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import { rejectionOf, settle } from '../../support/log-fixture.ts';

async function filesNamed(...paths: readonly string[]): Promise<FaultyFileSystem> {
  const fileSystem = new FaultyFileSystem({ random: new SeededRandom(1) });
  for (const path of paths) {
    const file = await fileSystem.open(path, 'create');
    await file.write(Buffer.from(path), 0);
    await file.close();
  }
  return fileSystem;
}

async function readAll(file: { read(into: Uint8Array, at: number): Promise<number> }) {
  const bytes = Buffer.alloc(10);
  return bytes.subarray(0, await file.read(bytes, 0)).toString();
}

describe('HandleCache', () => {
  test('shares one open file between users, and keeps it for the next', async () => {
    const fileSystem = await filesNamed('/a');
    const cache = new HandleCache(fileSystem, 4);
    const [one, two] = await Promise.all([cache.acquire('/a'), cache.acquire('/a')]);
    expect(two.file).toBe(one.file);
    one.release();
    two.release();
    expect(fileSystem.openFileCount).toBe(1);
    expect((await cache.acquire('/a')).file).toBe(one.file);
    await cache.close();
  });

  test('keeps at most so many open, and closes the one used longest ago', async () => {
    const fileSystem = await filesNamed('/a', '/b', '/c');
    const cache = new HandleCache(fileSystem, 2);
    for (const path of ['/a', '/b', '/c']) (await cache.acquire(path)).release();
    await settle();
    expect(fileSystem.openFileCount).toBe(2);
    const { callCount } = fileSystem;
    (await cache.acquire('/b')).release();
    (await cache.acquire('/c')).release();
    expect(fileSystem.callCount).toBe(callCount);
    (await cache.acquire('/a')).release();
    expect(fileSystem.callCount).toBeGreaterThan(callCount);
    await cache.close();
    expect(fileSystem.openFileCount).toBe(0);
  });

  test('a file in use is not closed: not when it is evicted, not when it is forgotten', async () => {
    const fileSystem = await filesNamed('/a', '/b');
    const cache = new HandleCache(fileSystem, 1);
    const a = await cache.acquire('/a');
    const b = await cache.acquire('/b'); // Evicts /a.
    cache.forget('/b');
    await fileSystem.unlink('/b');
    await settle();
    expect(await readAll(a.file)).toBe('/a');
    expect(await readAll(b.file)).toBe('/b');
    a.release();
    b.release();
    await settle();
    expect(fileSystem.openFileCount).toBe(0);
    await cache.close();
  });

  test('after forget the next user opens the file anew', async () => {
    const fileSystem = await filesNamed('/a');
    const cache = new HandleCache(fileSystem, 4);
    const old = await cache.acquire('/a');
    cache.forget('/a');
    const fresh = await cache.acquire('/a');
    expect(fresh.file).not.toBe(old.file);
    old.release();
    fresh.release();
    await cache.close();
    expect(fileSystem.openFileCount).toBe(0);
  });

  test('releasing twice counts once', async () => {
    const fileSystem = await filesNamed('/a');
    const cache = new HandleCache(fileSystem, 4);
    const one = await cache.acquire('/a');
    const two = await cache.acquire('/a');
    one.release();
    one.release();
    cache.forget('/a');
    await settle();
    expect(await readAll(two.file)).toBe('/a');
    two.release();
    await cache.close();
    expect(fileSystem.openFileCount).toBe(0);
  });

  test('a failure to open reaches every caller, and the next one tries again', async () => {
    const fileSystem = await filesNamed('/a');
    const cache = new HandleCache(fileSystem, 4);
    fileSystem.addFault({ errno: 'EMFILE', operations: ['open'], path: '/a' });
    const errors = await Promise.all([
      rejectionOf(cache.acquire('/a')),
      rejectionOf(cache.acquire('/a')),
    ]);
    for (const error of errors) expect(error).toMatchObject({ details: { errno: 'EMFILE' } });
    const lease = await cache.acquire('/a');
    expect(await readAll(lease.file)).toBe('/a');
    lease.release();
    await cache.close();
    expect(fileSystem.openFileCount).toBe(0);
  });
});
