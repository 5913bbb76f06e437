import { join } from 'node:path';

import { beforeEach, describe, expect, test } from 'vitest';

import { AssertionError } from '../../../src/core/assert.ts';
import { IoError } from '../../../src/core/errors.ts';
import type { File, FileSystem } from '../../../src/io/file-system.ts';
import { expectErrno, withErrno } from '../../support/errno.ts';
import { FILE_SYSTEMS } from '../../support/file-systems.ts';

describe.each(Object.entries(FILE_SYSTEMS))('%s', (_name, make) => {
  let fs: FileSystem;
  let root: string;
  const at = (...names: string[]): string => join(root, ...names);

  beforeEach(async () => {
    ({ fileSystem: fs, root } = await make());
  });

  async function fileWith(path: string, content: string): Promise<File> {
    const file = await fs.open(path, 'create');
    await file.write(bytes(content), 0);
    return file;
  }

  async function contentOf(path: string): Promise<string> {
    const file = await fs.open(path, 'read');
    try {
      return await textOf(file);
    } finally {
      await file.close();
    }
  }

  describe('open', () => {
    test('create: a new, empty file that is read and written', async () => {
      const file = await fs.open(at('a'), 'create');
      expect(file.path).toBe(at('a'));
      expect((await file.stat()).sizeBytes).toBe(0);
      expect(await file.write(bytes('hello'), 0)).toBe(5);
      expect(await textOf(file)).toBe('hello');
      await file.close();
    });

    test('create: EEXIST when the name is taken, also by a directory', async () => {
      await (await fs.open(at('a'), 'create')).close();
      await fs.makeDirectory(at('d'));
      await expectErrno(fs.open(at('a'), 'create'), 'EEXIST');
      await expectErrno(fs.open(at('d'), 'create'), 'EEXIST');
    });

    test('write: an existing file, read and written', async () => {
      await (await fileWith(at('a'), 'hello')).close();
      const file = await fs.open(at('a'), 'write');
      await file.write(bytes('j'), 0);
      expect(await textOf(file)).toBe('jello');
      await file.close();
    });

    test('read: an existing file, never written', async () => {
      await (await fileWith(at('a'), 'hello')).close();
      const file = await fs.open(at('a'), 'read');
      expect(await textOf(file)).toBe('hello');
      await expectErrno(file.write(bytes('j'), 0), 'EBADF');
      expect(() => file.writeSync(bytes('j'), 0)).toThrow(withErrno('EBADF'));
      await expectErrno(file.truncate(1), 'EINVAL');
      await file.datasync();
      await file.close();
      expect(await contentOf(at('a'))).toBe('hello');
    });

    test('ENOENT, ENOTDIR, EISDIR, EINVAL, ENAMETOOLONG', async () => {
      await (await fs.open(at('file'), 'create')).close();
      await fs.makeDirectory(at('d'));
      await expectErrno(fs.open(at('none'), 'read'), 'ENOENT');
      await expectErrno(fs.open(at('none'), 'write'), 'ENOENT');
      await expectErrno(fs.open(at('none', 'a'), 'create'), 'ENOENT');
      await expectErrno(fs.open(at('file', 'a'), 'create'), 'ENOTDIR');
      await expectErrno(fs.open(at('file', 'a'), 'read'), 'ENOTDIR');
      await expectErrno(fs.open(at('d'), 'read'), 'EISDIR');
      await expectErrno(fs.open(at('d'), 'write'), 'EISDIR');
      await expectErrno(fs.open(at('a\0b'), 'create'), 'EINVAL');
      await expectErrno(fs.open(at('x'.repeat(256)), 'create'), 'ENAMETOOLONG');
      await expectErrno(fs.open(at('ä'.repeat(128)), 'create'), 'ENAMETOOLONG');
    });

    test('an error names the operation, the path and the errno', async () => {
      const error: unknown = await fs.open(at('none'), 'read').catch((e: unknown) => e);
      expect(error).toBeInstanceOf(IoError);
      expect(error).toMatchObject({
        code: 'ERR_VARVE_IO',
        details: { operation: 'open', path: at('none'), position: null, errno: 'ENOENT' },
      });
    });
  });

  describe('a file', () => {
    test('positions are explicit: there is no cursor and no append mode', async () => {
      const file = await fileWith(at('a'), 'abcdef');
      await file.write(bytes('X'), 1);
      await file.write(bytes('YZ'), 5);
      expect(await textOf(file)).toBe('aXcdeYZ');
      await file.close();
      const again = await fs.open(at('a'), 'write');
      await again.write(bytes('0'), 0);
      expect(await textOf(again)).toBe('0XcdeYZ');
      await again.close();
    });

    test('reads fewer bytes only at the end, where it is 0', async () => {
      const file = await fileWith(at('a'), 'abcdef');
      const into = new Uint8Array(4);
      expect([await file.read(into, 0), text(into)]).toEqual([4, 'abcd']);
      expect([await file.read(into, 4), text(into)]).toEqual([2, 'efcd']);
      expect(await file.read(into, 6)).toBe(0);
      expect(await file.read(into, 1000)).toBe(0);
      expect(await file.read(new Uint8Array(0), 0)).toBe(0);
      await file.close();
    });

    test('reads and writes on the calling thread do the same', async () => {
      const file = await fs.open(at('a'), 'create');
      expect(file.writeSync(bytes('abcdef'), 0)).toBe(6);
      expect(file.writeSync(bytes('X'), 8)).toBe(1);
      const into = new Uint8Array(20);
      expect([file.readSync(into, 3), text(into.subarray(0, 6))]).toEqual([6, 'def\0\0X']);
      expect(file.readSync(into, 9)).toBe(0);
      await file.close();
    });

    test('takes a view of a larger buffer, and only that', async () => {
      const file = await fs.open(at('a'), 'create');
      await file.write(bytes('--abc--').subarray(2, 5), 0);
      file.writeSync(Buffer.from('--def--').subarray(2, 5), 3);
      const whole = bytes('..........');
      expect(await file.read(whole.subarray(2, 8), 0)).toBe(6);
      expect(text(whole)).toBe('..abcdef..');
      await file.close();
    });

    test('a hole reads as zeros, and an empty write does nothing', async () => {
      const file = await fileWith(at('a'), 'a');
      await file.write(bytes('b'), 10_000);
      expect(await file.write(new Uint8Array(0), 20_000)).toBe(0);
      expect((await file.stat()).sizeBytes).toBe(10_001);
      const into = new Uint8Array(10_001);
      await file.read(into, 0);
      expect(into.findIndex((byte) => byte !== 0)).toBe(0);
      expect(into.subarray(1).findIndex((byte) => byte !== 0)).toBe(9999);
      await file.close();
    });

    test('truncate cuts and extends; what was cut does not come back', async () => {
      const file = await fileWith(at('a'), 'abcdef');
      await file.truncate(2);
      expect(await textOf(file)).toBe('ab');
      await file.truncate(5);
      expect(await textOf(file)).toBe('ab\0\0\0');
      await file.truncate(5);
      await file.write(bytes('X'), 7);
      expect(await textOf(file)).toBe('ab\0\0\0\0\0X');
      await file.close();
    });

    test('a mistaken position or size is a bug, not an operating condition', async () => {
      const file = await fileWith(at('a'), 'abcdef');
      await expect(file.read(new Uint8Array(1), -1)).rejects.toBeInstanceOf(AssertionError);
      await expect(file.write(bytes('X'), -1)).rejects.toBeInstanceOf(AssertionError);
      await expect(file.truncate(-1)).rejects.toBeInstanceOf(AssertionError);
      await expect(file.truncate(1.5)).rejects.toBeInstanceOf(AssertionError);
      expect(() => file.writeSync(bytes('X'), Number.NaN)).toThrow(AssertionError);
      expect(() => file.readSync(bytes('X'), 0.5)).toThrow(AssertionError);
      expect(await textOf(file)).toBe('abcdef');
      await file.close();
    });

    test('close waits for operations in flight', async () => {
      const file = await fs.open(at('a'), 'create');
      const write = file.write(new Uint8Array(1_000_000).fill(7), 0);
      const settled: string[] = [];
      const both = [write.then(() => settled.push('write')), file.close()];
      await Promise.all(both);
      expect(settled).toEqual(['write']);
      expect((await fs.stat(at('a'))).sizeBytes).toBe(1_000_000);
    });

    test('close is idempotent, and everything after it is EBADF', async () => {
      const file = await fileWith(at('a'), 'abc');
      const closing = file.close();
      await expectErrno(file.read(new Uint8Array(1), 0), 'EBADF'); // From the call on.
      await Promise.all([closing, file.close()]);
      await file.close();
      await expectErrno(file.read(new Uint8Array(1), 0), 'EBADF');
      await expectErrno(file.write(bytes('x'), 0), 'EBADF');
      await expectErrno(file.datasync(), 'EBADF');
      await expectErrno(file.truncate(0), 'EBADF');
      await expectErrno(file.stat(), 'EBADF');
      expect(() => file.readSync(new Uint8Array(1), 0)).toThrow(withErrno('EBADF'));
      expect(() => file.writeSync(bytes('x'), 0)).toThrow(withErrno('EBADF'));
      expect(await contentOf(at('a'))).toBe('abc');
    });

    test('many overlapping reads beside a write and a datasync', async () => {
      const file = await fileWith(at('a'), 'x'.repeat(10_000));
      const reads = Array.from({ length: 50 }, (_, index) => {
        const into = new Uint8Array(100);
        return file.read(into, index * 100).then((count) => [count, text(into)]);
      });
      const [written] = await Promise.all([file.write(bytes('y'), 10_000), file.datasync()]);
      expect(written).toBe(1);
      for (const read of await Promise.all(reads)) expect(read).toEqual([100, 'x'.repeat(100)]);
      await file.close();
    });
  });

  describe('stat', () => {
    test('tells kind, size and links', async () => {
      await (await fileWith(at('a'), 'abc')).close();
      await fs.makeDirectory(at('d'));
      expect(await fs.stat(at('a'))).toMatchObject({ kind: 'file', sizeBytes: 3, linkCount: 1 });
      expect(await fs.stat(at('d'))).toMatchObject({ kind: 'directory' });
      await expectErrno(fs.stat(at('none')), 'ENOENT');
      await expectErrno(fs.stat(at('a', 'b')), 'ENOTDIR');
    });

    test('identity follows the file, not the name', async () => {
      const file = await fileWith(at('a'), 'abc');
      const { identity } = await fs.stat(at('a'));
      expect(identity).toMatch(/^\d+:\d+$/);
      expect((await file.stat()).identity).toBe(identity);
      await fs.rename(at('a'), at('b'));
      expect((await fs.stat(at('b'))).identity).toBe(identity);
      await (await fs.open(at('a'), 'create')).close();
      expect((await fs.stat(at('a'))).identity).not.toBe(identity);
      await fs.unlink(at('b'));
      expect(await file.stat()).toMatchObject({ identity, linkCount: 0, sizeBytes: 3 });
      await file.close();
    });
  });

  describe('directories', () => {
    test('are made with their parents, and again without an error', async () => {
      await fs.makeDirectory(at('a', 'b', 'c'));
      await fs.makeDirectory(at('a', 'b', 'c'));
      await fs.makeDirectory(at('a'));
      expect(await fs.list(at('a'))).toEqual(['b']);
      await (await fs.open(at('file'), 'create')).close();
      await expectErrno(fs.makeDirectory(at('file')), 'EEXIST');
      await expectErrno(fs.makeDirectory(at('file', 'x')), 'ENOTDIR');
    });

    test('list their names, without . and ..', async () => {
      await fs.makeDirectory(at('d'));
      await (await fs.open(at('a'), 'create')).close();
      await (await fs.open(at('d', 'inner'), 'create')).close();
      expect((await fs.list(root)).sort()).toEqual(['a', 'd']);
      await expectErrno(fs.list(at('none')), 'ENOENT');
      await expectErrno(fs.list(at('a')), 'ENOTDIR');
    });

    test('are synced; a file is no directory', async () => {
      await (await fs.open(at('a'), 'create')).close();
      await fs.syncDirectory(root);
      await expectErrno(fs.syncDirectory(at('none')), 'ENOENT');
      await expectErrno(fs.syncDirectory(at('a')), 'ENOTDIR');
    });

    test('have an absolute path', async () => {
      await fs.makeDirectory(at('a', 'b'));
      expect(await fs.realPath(at('a', '..', 'a', '.', 'b'))).toBe(await fs.realPath(at('a/b')));
      expect(await fs.realPath(at('a/b'))).toMatch(/^\/.*\/a\/b$/);
      await expectErrno(fs.realPath(at('none')), 'ENOENT');
    });

    test('have free space', async () => {
      const { freeBytes, totalBytes } = await fs.space(root);
      expect(freeBytes).toBeGreaterThan(1_000_000);
      expect(totalBytes).toBeGreaterThanOrEqual(freeBytes);
      await expectErrno(fs.space(at('none')), 'ENOENT');
    });
  });

  describe('names', () => {
    test('rename replaces; an open file keeps what it had', async () => {
      const old = await fileWith(at('old'), 'old');
      await (await fileWith(at('new'), 'new')).close();
      await fs.rename(at('new'), at('old'));
      expect(await contentOf(at('old'))).toBe('new');
      expect(await textOf(old)).toBe('old');
      expect(await fs.list(root)).toEqual(['old']);
      await old.close();
    });

    test('rename into another directory, and of a directory', async () => {
      await fs.makeDirectory(at('d', 'e'));
      await (await fileWith(at('a'), 'abc')).close();
      await fs.rename(at('a'), at('d', 'e', 'b'));
      await fs.rename(at('d', 'e'), at('f'));
      expect(await contentOf(at('f', 'b'))).toBe('abc');
      expect(await fs.list(at('d'))).toEqual([]);
    });

    test('rename: ENOENT, EISDIR, ENOTDIR, ENOTEMPTY, EINVAL', async () => {
      await (await fs.open(at('a'), 'create')).close();
      await fs.makeDirectory(at('d', 'e'));
      await fs.makeDirectory(at('f'));
      await expectErrno(fs.rename(at('none'), at('x')), 'ENOENT');
      await expectErrno(fs.rename(at('a'), at('none', 'x')), 'ENOENT');
      await expectErrno(fs.rename(at('a'), at('d')), 'EISDIR');
      await expectErrno(fs.rename(at('d'), at('a')), 'ENOTDIR');
      await expectErrno(fs.rename(at('f'), at('d')), 'ENOTEMPTY');
      await expectErrno(fs.rename(at('d'), at('d', 'e', 'x')), 'EINVAL');
      await fs.rename(at('d', 'e'), at('f')); // Onto an empty directory it is allowed.
      await fs.rename(at('a'), at('a'));
      expect((await fs.list(root)).sort()).toEqual(['a', 'd', 'f']);
    });

    test('unlink removes the name; an open file stays readable', async () => {
      const file = await fileWith(at('a'), 'abc');
      await fs.unlink(at('a'));
      expect(await fs.list(root)).toEqual([]);
      await file.write(bytes('X'), 0);
      expect(await textOf(file)).toBe('Xbc');
      await file.close();
      await fs.makeDirectory(at('d'));
      await expectErrno(fs.unlink(at('a')), 'ENOENT');
      await expectErrno(fs.unlink(at('d')), 'EISDIR');
    });

    test('removeDirectory removes an empty directory, and nothing else', async () => {
      await fs.makeDirectory(at('d', 'e'));
      await (await fs.open(at('a'), 'create')).close();
      await expectErrno(fs.removeDirectory(at('d')), 'ENOTEMPTY');
      await expectErrno(fs.removeDirectory(at('a')), 'ENOTDIR');
      await expectErrno(fs.removeDirectory(at('none')), 'ENOENT');
      await expectErrno(fs.removeDirectory(at('none', 'x')), 'ENOENT');
      await fs.removeDirectory(at('d', 'e'));
      await fs.removeDirectory(at('d'));
      expect(await fs.list(root)).toEqual(['a']);
      await expectErrno(fs.list(at('d')), 'ENOENT');
      await fs.makeDirectory(at('d', 'f'));
      expect(await fs.list(at('d'))).toEqual(['f']);
    });
  });
});

function bytes(content: string): Uint8Array {
  return new TextEncoder().encode(content);
}

function text(content: Uint8Array): string {
  return new TextDecoder().decode(content);
}

async function textOf(file: File): Promise<string> {
  const { sizeBytes } = await file.stat();
  const into = new Uint8Array(sizeBytes);
  return text(into.subarray(0, await file.read(into, 0)));
}
