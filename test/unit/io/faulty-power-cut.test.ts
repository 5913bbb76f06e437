/** What a power cut may leave of a file's data. */
import { describe, expect, test } from 'vitest';

import { SeededRandom } from '../../../src/core/random.ts';
import type { File } from '../../../src/io/file-system.ts';
import type { CrashChoice } from '../../support/crash-choice.ts';
import { contentOf } from '../../support/disk-damage.ts';
import { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import type { FaultyFileSystemOptions } from '../../support/faulty-file-system.ts';

const SECTOR = 512;

/** A file `/a` whose name and first `content` are durable. */
async function durableFile(
  content: string,
  options: Partial<FaultyFileSystemOptions> = {},
): Promise<{ readonly fs: FaultyFileSystem; readonly file: File }> {
  const fs = new FaultyFileSystem({ random: new SeededRandom(1), ...options });
  const file = await fs.open('/a', 'create');
  await put(file, content, 0);
  await file.datasync();
  await fs.syncDirectory('/');
  return { fs, file };
}

/** One letter is one sector: `put(file, 'AAB', 2)` writes three sectors from sector 2 on. */
async function put(file: File, letters: string, sector: number): Promise<void> {
  await file.write(Buffer.from(sectors(letters)), sector * SECTOR);
}

function sectors(letters: string): string {
  return letters.replaceAll(/./g, (letter) => letter.repeat(SECTOR));
}

/** The content as runs: `A512 .100 B50`, zeros as dots. */
function runs(content: Uint8Array): string {
  const parts = Buffer.from(content)
    .toString('latin1')
    .replaceAll('\0', '.')
    .match(/(.)\1*/gs);
  return (parts ?? []).map((part) => `${part.charAt(0)}${part.length}`).join(' ');
}

function after(fs: FaultyFileSystem, choice: CrashChoice): string {
  return runs(contentOf(fs.crashImage(choice), '/a'));
}

/** Every content that random power cuts now leave, in 400 tries. */
function outcomes(fs: FaultyFileSystem): Set<string> {
  const random = new SeededRandom(7);
  return new Set(Array.from({ length: 400 }, () => after(fs, { random })));
}

function idOf(fs: FaultyFileSystem, index: number): number {
  return fs.unsynced()[index]?.id ?? 0;
}

describe('unsynced writes', () => {
  test('are lost or kept; what was synced stays', async () => {
    const { fs, file } = await durableFile('AB');
    await put(file, 'CD', 1);
    expect(after(fs, { data: 'none' })).toBe('A512 B512');
    expect(after(fs, { data: 'all' })).toBe('A512 C512 D512');
    expect(outcomes(fs)).toEqual(
      new Set([
        'A512 B512',
        'A512 C512',
        'A512 C512 D512',
        'A512 B512 D512', // The later sector alone.
        'A512 C512 .512', // The size without the data.
        'A512 B512 .512',
      ]),
    );
  });

  test('leave a hole of zeros before later data', async () => {
    const { fs, file } = await durableFile('A');
    await put(file, 'B', 1);
    await put(file, 'C', 2);
    expect(after(fs, { data: { only: idOf(fs, 1) } })).toBe('A512 .512 C512');
    expect(after(fs, { data: { without: idOf(fs, 1) } })).toBe('A512 B512');
    expect(after(fs, { data: { without: idOf(fs, 1) }, sizes: 'all' })).toBe('A512 B512 .512');
  });

  test('reach the disk by the sector, with what was before in the same sector', async () => {
    const { fs, file } = await durableFile('A');
    await file.write(Buffer.from('b'.repeat(100)), 100);
    await file.write(Buffer.from('c'.repeat(100)), 200);
    expect(outcomes(fs)).toEqual(
      new Set(['A512', 'A100 b100 A312', 'A100 b100 c100 A212']), // Never c without b.
    );
    expect(after(fs, { data: { only: idOf(fs, 1) } })).toBe('A100 b100 c100 A212');
  });

  test('are torn at a sector, from either end', async () => {
    const { fs, file } = await durableFile('A');
    await put(file, 'BCD', 1);
    const torn = idOf(fs, 0);
    const tear = (sectorCount: number, end: 'head' | 'tail'): string =>
      after(fs, { data: { torn, sectors: sectorCount, end, rest: 'none' } });
    expect(tear(1, 'head')).toBe('A512 B512');
    expect(tear(2, 'head')).toBe('A512 B512 C512');
    expect(tear(1, 'tail')).toBe('A512 .1024 D512');
    expect(tear(2, 'tail')).toBe('A512 .512 C512 D512');
  });

  test('a torn write keeps the writes before it, or not', async () => {
    const { fs, file } = await durableFile('A');
    await put(file, 'B', 1);
    await put(file, 'CD', 2);
    await put(file, 'E', 4);
    const torn = idOf(fs, 1);
    const choice = { torn, sectors: 1, end: 'head' } as const;
    expect(after(fs, { data: { ...choice, rest: 'before' } })).toBe('A512 B512 C512');
    expect(after(fs, { data: { ...choice, rest: 'none' } })).toBe('A512 .512 C512');
  });

  test('sectors of 4096 bytes tear only there', async () => {
    const { fs, file } = await durableFile('AAAAAAAA', { sectorBytes: 4096 });
    await put(file, 'BBBBBBBB', 4);
    expect(fs.unsynced()[0]).toMatchObject({ sectorCount: 2, sectorsAt: 0 });
    for (const outcome of outcomes(fs)) {
      expect(outcome).toMatch(
        /^(A4096|A4096 \.\d+|A2048 B2048|A2048 B2048 \.\d+|A4096 B2048|A2048 B4096)$/,
      );
    }
    expect(outcomes(fs)).toContain('A4096 B2048');
  });

  test('overwritten twice: each sector at any of its versions', async () => {
    const { fs, file } = await durableFile('AA');
    await put(file, 'BB', 0);
    await put(file, 'CC', 0);
    const pairs = 'A B C'.split(' ').flatMap((x) => 'A B C'.split(' ').map((y) => x + y));
    expect(outcomes(fs)).toEqual(new Set(pairs.map((pair) => runs(Buffer.from(sectors(pair))))));
  });

  test('written on the calling thread are no different', async () => {
    const { fs, file } = await durableFile('A');
    file.writeSync(Buffer.from(sectors('B')), SECTOR);
    expect(after(fs, { data: 'none' })).toBe('A512');
    await file.datasync();
    expect(after(fs, { data: 'none' })).toBe('A512 B512');
  });
});

describe('datasync', () => {
  test('makes durable what had settled before the call', async () => {
    const { fs, file } = await durableFile('A');
    await put(file, 'B', 1);
    await file.datasync();
    expect(fs.unsynced()).toEqual([]);
    expect([...outcomes(fs)]).toEqual(['A512 B512']);
  });

  test('not what was in flight when it was called', async () => {
    const { fs, file } = await durableFile('A');
    const write = put(file, 'B', 1);
    const sync = file.datasync();
    await Promise.all([write, sync]);
    expect(after(fs, { data: 'none' })).toBe('A512');
    expect(fs.unsynced()).toHaveLength(1);
    await file.datasync();
    expect(after(fs, { data: 'none' })).toBe('A512 B512');
  });

  test('not what was called after it', async () => {
    const { fs, file } = await durableFile('A');
    await put(file, 'B', 1);
    const sync = file.datasync();
    await put(file, 'C', 2);
    await sync;
    expect(after(fs, { data: 'none' })).toBe('A512 B512');
    expect(after(fs, { data: 'all' })).toBe('A512 B512 C512');
  });

  test('two at once cover each what had settled before it', async () => {
    const { fs, file } = await durableFile('A');
    await put(file, 'B', 1);
    const first = file.datasync();
    await put(file, 'C', 2);
    await Promise.all([first, file.datasync()]);
    expect(after(fs, { data: 'none' })).toBe('A512 B512 C512');
  });

  test('of one file says nothing of another', async () => {
    const { fs, file } = await durableFile('A');
    const other = await fs.open('/b', 'create');
    await put(file, 'B', 1);
    await other.datasync();
    expect(after(fs, { data: 'none', names: 'all' })).toBe('A512');
  });
});

describe('truncate', () => {
  test('is lost or kept', async () => {
    const { fs, file } = await durableFile('AAAAAAAAAA');
    await file.truncate(8 * SECTOR);
    expect(outcomes(fs)).toEqual(new Set(['A5120', 'A4096']));
    await file.datasync();
    expect(outcomes(fs)).toEqual(new Set(['A4096']));
  });

  test('in the middle of a block may zero the rest of the block and be lost', async () => {
    const { fs, file } = await durableFile('A'.repeat(10));
    await file.truncate(7 * SECTOR + 100);
    expect(outcomes(fs)).toEqual(new Set(['A5120', 'A3684', 'A3684 .412 A1024']));
  });

  test('lost: what was written beyond the cut is lost with it', async () => {
    const { fs, file } = await durableFile('A'.repeat(16));
    await file.truncate(8 * SECTOR);
    await put(file, 'BB', 8);
    expect(after(fs, { data: { without: idOf(fs, 0) } })).toBe('A8192');
    expect(after(fs, { data: { only: idOf(fs, 1) } })).toBe('A4096 B1024');
    expect(outcomes(fs)).toEqual(
      new Set([
        'A8192',
        'A4096',
        'A4096 B512',
        'A4096 B1024',
        'A4096 .512',
        'A4096 .1024',
        'A4096 .512 B512',
        'A4096 B512 .512',
      ]),
    );
  });

  test('lost: what was written in the block of the cut may be there', async () => {
    const { fs, file } = await durableFile('A'.repeat(16));
    await file.truncate(6 * SECTOR);
    await put(file, 'B', 6);
    expect(after(fs, { data: { without: idOf(fs, 0) } })).toBe('A3072 B512 A4608');
  });

  test('kept: nothing of what it cut comes back when the file grows again', async () => {
    const { fs, file } = await durableFile('A'.repeat(16));
    await put(file, 'BBBB', 8);
    await file.truncate(8 * SECTOR);
    await put(file, 'C', 12);
    const kept = [...outcomes(fs)].filter((outcome) => !/ A\d+$|^A8192$/.test(outcome));
    expect(kept.toSorted()).toEqual(['A4096', 'A4096 .2048 C512', 'A4096 .2560']);
  });

  test('kept: in the block of the cut, old bytes come back when the file grows again', async () => {
    const { fs, file } = await durableFile('A'.repeat(16));
    await file.truncate(6 * SECTOR);
    await put(file, 'BBBB', 6); // Sectors 6 and 7 are in the block of the cut, 8 and 9 are not.
    const [cut, write] = [idOf(fs, 0), idOf(fs, 1)];
    const torn = { torn: write, sectors: 2, end: 'tail', rest: 'none' } as const;
    expect(after(fs, { data: torn })).toBe('A4096 B1024'); // Seen on xfs.
    expect(after(fs, { data: { ...torn, rest: 'before' } })).toBe('A3072 .1024 B1024');
    expect(after(fs, { data: { only: cut } })).toBe('A3072');
    await file.datasync();
    expect(after(fs, { data: 'none' })).toBe('A3072 B2048');
  });

  test('kept: those bytes wait past the end, over a power cut too, until they are synced', async () => {
    const { fs, file } = await durableFile('A'.repeat(8));
    await file.truncate(6 * SECTOR);
    const cut = idOf(fs, 0);
    const image = fs.crashImage({ data: { torn: cut + 1, sectors: 0, end: 'head', rest: 'none' } });
    expect(runs(contentOf(image, '/a'))).toBe('A3072');
    const again = await image.open('/a', 'write');
    await put(again, 'BBBB', 6);
    const write = idOf(image, 0); // Of whole blocks now: sectors 0 to 15.
    const torn = { torn: write, sectors: 8, end: 'tail', rest: 'none' } as const;
    expect(after(image, { data: torn })).toBe('A4096 B1024');
    await again.datasync();
    expect(outcomes(image)).toEqual(new Set(['A3072 B2048']));
  });

  test('extends by zeros', async () => {
    const { fs, file } = await durableFile('A');
    await file.truncate(2 * SECTOR);
    expect(outcomes(fs)).toEqual(new Set(['A512', 'A512 .512']));
  });
});

describe('a crash image', () => {
  test('is a disk at rest: a second power cut changes nothing', async () => {
    const { fs, file } = await durableFile('A');
    await put(file, 'BCDEF', 1);
    await file.truncate(3 * SECTOR);
    const image = fs.crashImage();
    expect(image.unsynced()).toEqual([]);
    const content = runs(contentOf(image, '/a'));
    expect(outcomes(image)).toEqual(new Set([content]));
  });

  test('does not change what it was made of, and goes its own way', async () => {
    const { fs, file } = await durableFile('A');
    await put(file, 'B', 1);
    const image = fs.crashImage({ data: 'all' });
    const copy = await image.open('/a', 'write');
    await put(copy, 'Z', 0);
    await copy.datasync();
    expect(runs(contentOf(image, '/a'))).toBe('Z512 B512');
    expect(runs(contentOf(fs, '/a'))).toBe('A512 B512');
    expect(after(fs, { data: 'none' })).toBe('A512');
    await put(file, 'Y', 0);
    expect(runs(contentOf(image, '/a'))).toBe('Z512 B512');
  });

  test('has no open files and no locks, and the same identities', async () => {
    const { fs } = await durableFile('A');
    const lock = await fs.lockDirectory('/');
    const { identity } = await fs.stat('/a');
    const image = fs.crashImage();
    expect(image.openFileCount).toBe(0);
    expect((await image.stat('/a')).identity).toBe(identity);
    await (await image.lockDirectory('/')).release();
    await lock.release();
  });

  test('keeps the capacity, and counts what is on the disk', async () => {
    const { fs, file } = await durableFile('A');
    fs.capacityBytes = 10 * SECTOR;
    await put(file, 'BC', 1);
    const image = fs.crashImage({ data: 'none' });
    expect((await image.space('/')).freeBytes).toBe(9 * SECTOR);
    expect((await fs.space('/')).freeBytes).toBe(7 * SECTOR);
  });
});
