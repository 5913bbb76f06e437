import { describe, expect, test } from 'vitest';

import { DiskFullError } from '../../../src/core/errors.ts';
import { GrowableBytes } from '../../../src/io/growable-bytes.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';

describe('a full memory file system', () => {
  test('takes what fits, then refuses; overwriting and cutting need no room', async () => {
    const fs = new MemoryFileSystem({ capacityBytes: 1000 });
    const file = await fs.open('/a', 'create');
    expect(await file.write(new Uint8Array(600), 0)).toBe(600);
    expect((await fs.space('/')).freeBytes).toBe(400);
    expect(await file.write(new Uint8Array(600), 600)).toBe(400);
    await expect(file.write(new Uint8Array(1), 1000)).rejects.toBeInstanceOf(DiskFullError);
    await expect(file.truncate(1001)).rejects.toMatchObject({ details: { errno: 'ENOSPC' } });
    expect(await file.write(new Uint8Array(600).fill(1), 400)).toBe(600);
    await file.truncate(500);
    expect((await fs.space('/')).freeBytes).toBe(500);
    await file.close();
  });

  test('a removed file gives its room back when it is closed', async () => {
    const fs = new MemoryFileSystem({ capacityBytes: 1000 });
    const file = await fs.open('/a', 'create');
    await file.write(new Uint8Array(1000), 0);
    await fs.unlink('/a');
    expect((await fs.space('/')).freeBytes).toBe(0);
    await file.close();
    expect((await fs.space('/')).freeBytes).toBe(1000);
    const other = await fs.open('/b', 'create');
    await other.write(new Uint8Array(700), 0);
    await other.close();
    const third = await fs.open('/c', 'create');
    await third.close();
    await fs.rename('/c', '/b');
    expect((await fs.space('/')).freeBytes).toBe(1000);
  });

  test('a file is at most 2 GiB', async () => {
    const fs = new MemoryFileSystem();
    const file = await fs.open('/a', 'create');
    await expect(file.write(new Uint8Array(1), 2 ** 31)).rejects.toMatchObject({
      code: 'ERR_VARVE_DISK_FULL',
      details: { errno: 'EFBIG', position: 2 ** 31 },
    });
    await expect(file.truncate(2 ** 31)).rejects.toMatchObject({ details: { errno: 'EFBIG' } });
    await file.close();
  });

  test('the capacity is checked', () => {
    expect(() => new MemoryFileSystem({ capacityBytes: -1 })).toThrow(RangeError);
    expect(() => new MemoryFileSystem({ capacityBytes: 1.5 })).toThrow(RangeError);
  });
});

describe('a memory file system', () => {
  test('counts its open files', async () => {
    const fs = new MemoryFileSystem();
    const file = await fs.open('/a', 'create');
    const again = await fs.open('/a', 'read');
    expect(fs.openFileCount).toBe(2);
    await Promise.all([file.close(), file.close(), again.close()]);
    expect(fs.openFileCount).toBe(0);
  });

  test('has its effects inside the call, and settles in a later microtask', async () => {
    const fs = new MemoryFileSystem();
    const file = await fs.open('/a', 'create');
    const from = new Uint8Array([1, 2, 3]);
    const write = file.write(from, 0);
    from.fill(9);
    expect(file.readSync(new Uint8Array(9), 0)).toBe(3);
    expect(await write).toBe(3);
    const into = new Uint8Array(3);
    file.readSync(into, 0);
    expect([...into]).toEqual([1, 2, 3]);
    await file.close();
  });

  test('its directories are independent of those of another', async () => {
    const [one, other] = [new MemoryFileSystem(), new MemoryFileSystem()];
    await one.makeDirectory('/d');
    await expect(other.list('/d')).rejects.toMatchObject({ details: { errno: 'ENOENT' } });
    const lock = await one.lockDirectory('/');
    await (await other.lockDirectory('/')).release();
    await lock.release();
  });
});

describe('growable bytes', () => {
  test('a copy and its original go their own ways', () => {
    const bytes = new GrowableBytes();
    bytes.write(new Uint8Array([1, 2, 3]), 0);
    const copy = bytes.clone();
    bytes.write(new Uint8Array([9]), 1);
    copy.write(new Uint8Array([7]), 5);
    expect(Array.from(bytes.slice(0, bytes.sizeBytes))).toEqual([1, 9, 3]);
    expect(Array.from(copy.slice(0, copy.sizeBytes))).toEqual([1, 2, 3, 0, 0, 7]);
    const second = copy.clone();
    copy.resize(0);
    expect(second.sizeBytes).toBe(6);
    second.resize(1);
    second.resize(3);
    expect(Array.from(second.slice(0, 4))).toEqual([1, 0, 0, 0]);
  });

  test('what is frozen stays as it is, and is not copied before something is written', () => {
    const bytes = new GrowableBytes();
    bytes.write(new Uint8Array([1, 2, 3]), 0);
    const before = bytes.frozen();
    expect(bytes.frozen().buffer).toBe(before.buffer);
    expect(bytes.clone().frozen().buffer).toBe(before.buffer);
    bytes.write(new Uint8Array([9]), 1);
    const after = bytes.frozen();
    bytes.resize(1);
    expect(Array.from(before)).toEqual([1, 2, 3]);
    expect(Array.from(after)).toEqual([1, 9, 3]);
    expect(Array.from(bytes.frozen())).toEqual([1]);
  });
});
