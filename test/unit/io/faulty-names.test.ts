/** What a power cut may leave of names. */
import { describe, expect, test } from 'vitest';

import { SeededRandom } from '../../../src/core/random.ts';
import type { NameChoice } from '../../support/crash-choice.ts';
import { contentOf } from '../../support/disk-damage.ts';
import { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import type { DirectoryMode } from '../../support/name-image.ts';

function make(directoryMode: DirectoryMode = 'strict'): FaultyFileSystem {
  return new FaultyFileSystem({ random: new SeededRandom(1), directoryMode });
}

async function create(fs: FaultyFileSystem, path: string, content = path): Promise<void> {
  const file = await fs.open(path, 'create');
  await file.write(Buffer.from(content), 0);
  await file.close();
}

/** Creates files whose names and data are durable. */
async function durable(fs: FaultyFileSystem, ...paths: string[]): Promise<void> {
  for (const path of paths) {
    const file = await fs.open(path, 'create');
    await file.write(Buffer.from(path), 0);
    await file.datasync();
    await file.close();
  }
  await fs.syncDirectory('/');
}

/** Every name with its content: `/a=/b` is what was created as `/b` and is now `/a`. */
function tree(fs: FaultyFileSystem): string {
  const found: string[] = [];
  const visit = (path: string): void => {
    const node = fs.disk.tree.find({ operation: 'test', path });
    if (node.kind === 'file') {
      found.push(`${path}=${Buffer.from(contentOf(fs, path)).toString()}`);
      return;
    }
    if (path !== '/') found.push(`${path}/`);
    for (const name of node.entries.keys()) visit(path === '/' ? `/${name}` : `${path}/${name}`);
  };
  visit('/');
  return found.toSorted().join(' ');
}

function after(fs: FaultyFileSystem, names: NameChoice): string {
  return tree(fs.crashImage({ names, data: 'all' }));
}

/** Every tree that random power cuts now leave, in 500 tries; all data kept. */
function outcomes(fs: FaultyFileSystem): string[] {
  const random = new SeededRandom(3);
  const trees = Array.from({ length: 500 }, () =>
    tree(fs.crashImage({ names: 'random', data: 'all', random })),
  );
  return [...new Set(trees)].toSorted();
}

describe('names', () => {
  test('are durable after a sync of their directory, not before', async () => {
    const fs = make();
    await create(fs, '/a');
    await create(fs, '/b');
    expect(outcomes(fs)).toEqual(['', '/a=/a', '/a=/a /b=/b', '/b=/b']);
    await fs.syncDirectory('/');
    await create(fs, '/c');
    expect(after(fs, 'none')).toBe('/a=/a /b=/b');
  });

  test('a sync covers what had settled before the call', async () => {
    const fs = make();
    const opening = fs.open('/a', 'create');
    await fs.syncDirectory('/');
    await opening;
    expect(after(fs, 'none')).toBe('');
    const sync = fs.syncDirectory('/');
    await create(fs, '/b');
    await sync;
    expect(after(fs, 'none')).toBe('/a=');
  });

  test('without the data synced the file is empty', async () => {
    const fs = make();
    await create(fs, '/a');
    await fs.syncDirectory('/');
    expect(tree(fs.crashImage({ data: 'none' }))).toBe('/a=');
  });

  test('a datasync of a new file does not keep its name in strict mode', async () => {
    const fs = make('strict');
    const file = await fs.open('/a', 'create');
    await file.datasync();
    expect(after(fs, 'none')).toBe('');
  });

  test('in linux mode it does, with the new directories above it', async () => {
    const fs = make('linux');
    await fs.makeDirectory('/d/e');
    await create(fs, '/d/other');
    const file = await fs.open('/d/e/a', 'create');
    expect(after(fs, 'none')).toBe('');
    await file.datasync();
    expect(after(fs, 'none')).toBe('/d/ /d/e/ /d/e/a=');
  });

  test('in linux mode a sync of a new directory keeps the directory too', async () => {
    for (const [mode, expected] of [
      ['linux', '/d/ /d/a=/d/a'],
      ['strict', ''],
    ] as const) {
      const fs = make(mode);
      await fs.makeDirectory('/d');
      await create(fs, '/d/a');
      await fs.syncDirectory('/d');
      expect(after(fs, 'none')).toBe(expected);
    }
  });

  test('in linux mode a datasync does not keep a rename of an old file', async () => {
    const fs = make('linux');
    await durable(fs, '/a');
    await fs.rename('/a', '/b');
    const file = await fs.open('/b', 'write');
    await file.write(Buffer.from('new'), 0);
    await file.datasync();
    expect(after(fs, 'none')).toBe('/a=new');
    expect(after(fs, 'all')).toBe('/b=new');
  });

  test('a lost directory takes its files with it', async () => {
    const fs = make();
    await fs.makeDirectory('/d');
    await create(fs, '/d/a');
    await fs.syncDirectory('/d');
    expect(outcomes(fs)).toEqual(['', '/d/ /d/a=/d/a']);
    await fs.syncDirectory('/');
    expect(after(fs, 'none')).toBe('/d/ /d/a=/d/a');
  });
});

describe('rename', () => {
  test('is there or not there, never both names and never none', async () => {
    const fs = make();
    await durable(fs, '/a', '/b');
    await fs.rename('/a', '/b');
    expect(outcomes(fs)).toEqual(['/a=/a /b=/b', '/b=/a']);
  });

  test('of a new file brings its creation along', async () => {
    const fs = make();
    await durable(fs, '/a');
    await create(fs, '/a.tmp', 'new');
    await fs.rename('/a.tmp', '/a');
    expect(outcomes(fs)).toEqual(['/a.tmp=new /a=/a', '/a=/a', '/a=new']);
    expect(tree(fs.crashImage({ names: 'all', data: 'none' }))).toBe('/a='); // xfs, btrfs.
  });

  test('a chain of renames leaves the file one name', async () => {
    const fs = make();
    await durable(fs, '/a');
    await fs.rename('/a', '/b');
    await fs.rename('/b', '/c');
    expect(outcomes(fs)).toEqual(['/a=/a', '/b=/a', '/c=/a']);
    expect(after(fs, { only: fs.unsynced()[1]?.id ?? 0 })).toBe('/c=/a');
  });

  test('a swap never loses one of the two files', async () => {
    const fs = make();
    await durable(fs, '/a', '/b');
    await fs.rename('/a', '/t');
    await fs.rename('/b', '/a');
    await fs.rename('/t', '/b');
    expect(outcomes(fs)).toEqual(['/a=/a /b=/b', '/a=/b /b=/a', '/a=/b /t=/a', '/b=/b /t=/a']);
  });

  test('between directories: strict waits for both, linux for one', async () => {
    for (const [mode, expected] of [
      ['linux', '/d/ /d/a=/a'],
      ['strict', '/a=/a /d/'],
    ] as const) {
      const fs = make(mode);
      await fs.makeDirectory('/d');
      await durable(fs, '/a');
      await fs.rename('/a', '/d/a');
      await fs.syncDirectory('/d');
      expect(after(fs, 'none')).toBe(expected);
      await fs.syncDirectory('/');
      expect(after(fs, 'none')).toBe('/d/ /d/a=/a');
    }
  });

  test('of directories into each other never makes a ring', async () => {
    const fs = make();
    await fs.makeDirectory('/a/b');
    await fs.syncDirectory('/a');
    await fs.syncDirectory('/');
    await fs.rename('/a/b', '/b');
    await fs.rename('/a', '/b/a');
    expect(outcomes(fs)).toEqual(['/a/ /a/b/', '/a/ /b/', '/b/ /b/a/']);
  });
});

describe('unlink', () => {
  test('is lost or kept, each by itself', async () => {
    const fs = make();
    await durable(fs, '/a', '/b');
    await fs.unlink('/a');
    await fs.unlink('/b');
    expect(outcomes(fs)).toEqual(['', '/a=/a', '/a=/a /b=/b', '/b=/b']);
    await fs.syncDirectory('/');
    expect(outcomes(fs)).toEqual(['']);
  });

  test('and a new file of the name: old, none, or new', async () => {
    const fs = make();
    await durable(fs, '/a');
    await fs.unlink('/a');
    await create(fs, '/a', 'new');
    expect(outcomes(fs)).toEqual(['', '/a=/a', '/a=new']);
  });

  test('lost: the file is back with what was durable of it', async () => {
    const fs = make();
    await durable(fs, '/a');
    const file = await fs.open('/a', 'write');
    await file.write(Buffer.from('xx'), 0);
    await fs.unlink('/a');
    await file.close();
    expect(tree(fs.crashImage({ names: 'none', data: 'none' }))).toBe('/a=/a');
    expect(tree(fs.crashImage({ names: 'none', data: 'all' }))).toBe('/a=xx');
  });
});

describe('removeDirectory', () => {
  test('is lost or kept, and kept only with all that emptied the directory', async () => {
    const fs = make();
    await fs.makeDirectory('/d');
    await durable(fs, '/d/a', '/d/b');
    await fs.syncDirectory('/d');
    await fs.unlink('/d/a');
    await fs.unlink('/d/b');
    await fs.removeDirectory('/d');
    expect(outcomes(fs)).toEqual([
      '',
      '/d/',
      '/d/ /d/a=/d/a',
      '/d/ /d/a=/d/a /d/b=/d/b',
      '/d/ /d/b=/d/b',
    ]);
    await fs.syncDirectory('/');
    expect(outcomes(fs)).toEqual(['']);
  });
});

describe('a choice', () => {
  test('without: neither the change nor what stands on it', async () => {
    const fs = make();
    await create(fs, '/a');
    await create(fs, '/b');
    await fs.rename('/a', '/c');
    expect(after(fs, { without: fs.unsynced()[0]?.id ?? 0 })).toBe('/b=/b');
  });

  test('upTo: a prefix, as a journal leaves it', async () => {
    const fs = make();
    for (const path of ['/a', '/b', '/c']) await create(fs, path);
    const ids = fs.unsynced().flatMap(({ id, kind }) => (kind === 'create' ? [id] : []));
    expect(after(fs, { upTo: ids[1] ?? 0 })).toBe('/a=/a /b=/b');
  });
});
