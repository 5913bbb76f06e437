import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import type { FileSystem } from '../../../src/io/file-system.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import { OverlayFileSystem } from '../../../src/io/overlay-file-system.ts';
import { readWhole } from '../../../src/io/transfer.ts';
import { expectErrno } from '../../support/errno.ts';
import { asyncPropertyOptions } from '../../support/property.ts';

const NAMES = ['/d/a', '/d/b', '/d/sub/c'] as const;

async function diskWithFiles(): Promise<MemoryFileSystem> {
  const disk = new MemoryFileSystem();
  await disk.makeDirectory('/d/sub');
  for (const [path, content] of [
    ['/d/a', 'the first file'],
    ['/d/sub/c', 'another one'],
  ] as const) {
    const file = await disk.open(path, 'create');
    await file.write(Buffer.from(content), 0);
    await file.close();
  }
  return disk;
}

/** Names and contents of all there is; null for a name that is not. */
async function everything(fileSystem: FileSystem): Promise<unknown> {
  const lists = [await fileSystem.list('/d'), await fileSystem.list('/d/sub')];
  const files: Record<string, unknown> = {};
  for (const path of NAMES) {
    const bytes = await readWhole(fileSystem, path).catch(() => null);
    const stat = await fileSystem.stat(path).catch(() => null);
    files[path] = bytes === null ? null : [Buffer.from(bytes).toString('hex'), stat?.sizeBytes];
  }
  return { lists: lists.map((names) => names.toSorted()), files };
}

const name = fc.constantFrom(...NAMES);
const position = fc.integer({ min: 0, max: 40 });
const action = fc.oneof(
  fc.record({ type: fc.constant('create' as const), name }),
  fc.record({ type: fc.constant('unlink' as const), name }),
  fc.record({ type: fc.constant('rename' as const), name, to: name }),
  fc.record({ type: fc.constant('truncate' as const), name, position }),
  fc.record({
    type: fc.constant('write' as const),
    name,
    position,
    bytes: fc.uint8Array({ minLength: 1, maxLength: 12 }),
  }),
);
type Action = typeof action extends fc.Arbitrary<infer A> ? A : never;

/** Does it and returns the errno of the failure, which both sides must share. */
async function perform(fileSystem: FileSystem, step: Action): Promise<string> {
  try {
    if (step.type === 'create') await (await fileSystem.open(step.name, 'create')).close();
    else if (step.type === 'unlink') await fileSystem.unlink(step.name);
    else if (step.type === 'rename') await fileSystem.rename(step.name, step.to);
    else {
      const file = await fileSystem.open(step.name, 'write');
      if (step.type === 'write') await file.write(step.bytes, step.position);
      else await file.truncate(step.position);
      await file.close();
    }
    return 'done';
  } catch (error) {
    return (error as { details: { errno: string } }).details.errno;
  }
}

test('shows what a disk would show after any steps, and the disk below never changes', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 12 }), async (steps) => {
      const below = await diskWithFiles();
      const untouched = await everything(below);
      const overlay = new OverlayFileSystem(below);
      const model = await diskWithFiles();
      for (const step of steps) {
        expect(await perform(overlay, step)).toBe(await perform(model, step));
        expect(await everything(overlay)).toEqual(await everything(model));
      }
      expect(await everything(below)).toEqual(untouched);
      expect(below.openFileCount).toBe(0);
    }),
    asyncPropertyOptions(),
  );
});

test('small reads and writes on the calling thread show the same bytes', async () => {
  const overlay = new OverlayFileSystem(await diskWithFiles());
  const file = await overlay.open('/d/a', 'write');
  expect(file.writeSync(Buffer.from('FIRST'), 4)).toBe(5);
  const into = Buffer.alloc(20);
  expect(file.readSync(into, 0)).toBe(14);
  expect(into.toString('utf8', 0, 14)).toBe('the FIRST file');
  await file.close();
});

test('a directory that was made is there, empty, and takes files', async () => {
  const below = await diskWithFiles();
  const overlay = new OverlayFileSystem(below);
  await overlay.makeDirectory('/d/new');
  await overlay.makeDirectory('/d/sub');
  expect(await overlay.list('/d/new')).toEqual([]);
  await (await overlay.open('/d/new/x', 'create')).close();
  expect(await overlay.list('/d/new')).toEqual(['x']);
  expect((await overlay.list('/d')).toSorted()).toEqual(['a', 'new', 'sub']);
  expect((await overlay.stat('/d/new')).kind).toBe('directory');
  await expectErrno(below.stat('/d/new'), 'ENOENT');
});

test('a directory that was removed is gone, and may be made again', async () => {
  const below = await diskWithFiles();
  const overlay = new OverlayFileSystem(below);
  await expectErrno(overlay.removeDirectory('/d/sub'), 'ENOTEMPTY');
  await expectErrno(overlay.removeDirectory('/d/a'), 'ENOTDIR');
  await expectErrno(overlay.removeDirectory('/d/none'), 'ENOENT');
  await overlay.unlink('/d/sub/c');
  await overlay.removeDirectory('/d/sub');
  expect(await overlay.list('/d')).toEqual(['a']);
  await expectErrno(overlay.list('/d/sub'), 'ENOENT');
  await expectErrno(overlay.stat('/d/sub'), 'ENOENT');
  await overlay.makeDirectory('/d/sub');
  expect(await overlay.list('/d/sub')).toEqual([]);
  expect(await below.list('/d/sub')).toEqual(['c']);
});

test('its lock excludes nobody, and takes none below', async () => {
  const below = await diskWithFiles();
  const overlay = new OverlayFileSystem(below);
  const first = await overlay.lockDirectory();
  const lock = await below.lockDirectory('/d');
  await first.verify();
  expect(await overlay.lockState('/d')).toEqual(await below.lockState('/d'));
  await first.release();
  await lock.release();
  expect(await overlay.space('/d')).toEqual(await below.space('/d'));
  expect(await overlay.realPath('/d')).toBe('/d');
});
