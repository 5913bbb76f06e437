/** Errors, short writes, full disks and failed syncs of the faulty twin; damage. */
import { describe, expect, test } from 'vitest';

import { AssertionError } from '../../../src/core/assert.ts';
import { DiskFullError, IoError } from '../../../src/core/errors.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import type { File } from '../../../src/io/file-system.ts';
import {
  contentOf,
  copySector,
  cut,
  flipBit,
  swapFiles,
  zeroSector,
} from '../../support/disk-damage.ts';
import { OPERATIONS } from '../../support/fault-plan.ts';
import type { FaultRule, Operation } from '../../support/fault-plan.ts';
import { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import type { FaultyFileSystemOptions } from '../../support/faulty-file-system.ts';

function make(options: Partial<FaultyFileSystemOptions> = {}): FaultyFileSystem {
  return new FaultyFileSystem({ random: new SeededRandom(1), ...options });
}

async function opened(plan: readonly FaultRule[] = []): Promise<[FaultyFileSystem, File]> {
  const fs = make();
  const file = await fs.open('/a', 'create');
  await file.write(Buffer.from('old'), 0);
  await file.datasync();
  await fs.syncDirectory('/');
  for (const rule of plan) fs.addFault(rule);
  return [fs, file];
}

function text(fs: FaultyFileSystem): string {
  return Buffer.from(contentOf(fs, '/a')).toString();
}

function errnoOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'none',
    (error: unknown) => (error instanceof IoError ? error.details.errno : String(error)),
  );
}

/** One call of every operation, in an order in which each can succeed. */
const CALLS: Readonly<Record<Operation, (fs: FaultyFileSystem, file: File) => Promise<unknown>>> = {
  realPath: (fs) => fs.realPath('/a'),
  makeDirectory: (fs) => fs.makeDirectory('/d'),
  removeDirectory: (fs) => fs.removeDirectory('/d'),
  list: (fs) => fs.list('/'),
  stat: (fs) => fs.stat('/a'),
  open: async (fs) => (await fs.open('/a', 'read')).close(),
  create: async (fs) => (await fs.open('/new', 'create')).close(),
  rename: (fs) => fs.rename('/a', '/b'),
  unlink: (fs) => fs.unlink('/a'),
  syncDirectory: (fs) => fs.syncDirectory('/'),
  space: (fs) => fs.space('/'),
  lockDirectory: async (fs) => (await fs.lockDirectory('/')).release(),
  verifyLock: async (fs) => (await fs.lockDirectory('/')).verify(),
  releaseLock: async (fs) => (await fs.lockDirectory('/')).release(),
  lockState: (fs) => fs.lockState('/'),
  read: (_fs, file) => file.read(new Uint8Array(3), 0),
  write: (_fs, file) => file.write(Buffer.from('new'), 0),
  datasync: (_fs, file) => file.datasync(),
  truncate: (_fs, file) => file.truncate(1),
  statFile: (_fs, file) => file.stat(),
  close: (_fs, file) => file.close(),
};

describe('an error', () => {
  test.each(OPERATIONS)('hits a chosen operation: %s', async (operation) => {
    const [fs, file] = await opened([{ errno: 'EIO', operations: [operation] }]);
    const before = fs.disk.clone();
    const error: unknown = await CALLS[operation](fs, file).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'ERR_VARVE_IO', details: { errno: 'EIO' } });
    // Nothing happened, but that LOCK may have been made by the call before.
    const names = [...fs.disk.tree.root.entries.keys()].filter((name) => name !== 'LOCK');
    expect(names).toEqual([...before.tree.root.entries.keys()]);
    expect(text(fs)).toBe('old');
  });

  test.each(['EIO', 'EMFILE', 'EROFS', 'EACCES'])(
    'has the name that was asked: %s',
    async (errno) => {
      const [, file] = await opened([{ errno }]);
      expect(await errnoOf(file.read(new Uint8Array(1), 0))).toBe(errno);
    },
  );

  test.each(['ENOSPC', 'EDQUOT', 'EFBIG'])('%s is a full disk', async (errno) => {
    const [, file] = await opened([{ errno }]);
    await expect(file.write(Buffer.from('x'), 0)).rejects.toBeInstanceOf(DiskFullError);
  });

  test('hits call n, whatever it is, once', async () => {
    const [fs, file] = await opened();
    fs.addFault({ errno: 'EIO', fromCall: fs.callCount + 2 });
    const answers = [file.stat(), fs.stat('/a'), file.stat()].map(errnoOf);
    expect(await Promise.all(answers)).toEqual(['none', 'EIO', 'none']);
  });

  test('stays from call n on, until it is cleared', async () => {
    const [fs, file] = await opened();
    fs.addFault({ errno: 'EIO', fromCall: fs.callCount + 2, times: Number.POSITIVE_INFINITY });
    expect(await errnoOf(file.stat())).toBe('none');
    for (let i = 0; i < 3; i += 1) expect(await errnoOf(file.stat())).toBe('EIO');
    fs.clearFaults();
    expect(await errnoOf(file.stat())).toBe('none');
  });

  test('hits a path only, after letting some calls through, a number of times', async () => {
    const [fs, file] = await opened();
    const other = await fs.open('/other', 'create');
    fs.addFault({ errno: 'EIO', path: '/a', operations: ['stat', 'statFile'], skip: 1, times: 2 });
    const answers: string[] = [];
    for (let i = 0; i < 4; i += 1) answers.push(await errnoOf(file.stat()));
    expect(answers).toEqual(['none', 'EIO', 'EIO', 'none']);
    expect(await errnoOf(other.stat())).toBe('none');
    fs.addFault({ errno: 'EIO', path: /other$/ });
    expect(await errnoOf(file.stat())).toBe('none');
    expect(await errnoOf(other.stat())).toBe('EIO');
  });

  test('hits the calls on the calling thread too', async () => {
    const [fs, file] = await opened([{ errno: 'EIO', operations: ['read'] }]);
    expect(() => file.readSync(new Uint8Array(1), 0)).toThrow('EIO');
    fs.addFault({ errno: 'ENOSPC', operations: ['write'] });
    expect(() => file.writeSync(new Uint8Array(1), 0)).toThrow(DiskFullError);
  });

  test('a close that fails has closed', async () => {
    const [fs, file] = await opened([{ errno: 'EIO', operations: ['close'] }]);
    expect(await errnoOf(file.close())).toBe('EIO');
    expect(fs.openFileCount).toBe(0);
    expect(await errnoOf(file.stat())).toBe('EBADF');
  });

  test('of a directory sync leaves the names unsynced, for a later one', async () => {
    const fs = make({ plan: [{ errno: 'EIO', operations: ['syncDirectory'] }] });
    await (await fs.open('/a', 'create')).close();
    expect(await errnoOf(fs.syncDirectory('/'))).toBe('EIO');
    expect(await fs.crashImage({ names: 'none' }).list('/')).toEqual([]);
    await fs.syncDirectory('/');
    expect(await fs.crashImage({ names: 'none' }).list('/')).toEqual(['a']);
  });
});

describe('a short write', () => {
  test('reports the count without an error; the next write of the file gets it', async () => {
    const [fs, file] = await opened([{ errno: 'ENOSPC', operations: ['write'], shortBytes: 2 }]);
    const other = await fs.open('/other', 'create');
    expect(await file.write(Buffer.from('abcdef'), 3)).toBe(2);
    expect(text(fs)).toBe('oldab');
    await file.datasync(); // Says OK, as the kernel does.
    expect(await other.write(Buffer.from('x'), 0)).toBe(1);
    expect(await errnoOf(file.write(Buffer.from('cdef'), 5))).toBe('ENOSPC');
    expect(await file.write(Buffer.from('cdef'), 5)).toBe(4);
    expect(text(fs)).toBe('oldabcdef');
  });

  test('takes half, and of a single byte nothing', async () => {
    const rule = { errno: 'ENOSPC', operations: ['write'], shortBytes: 'half', times: 2 } as const;
    const [fs, file] = await opened([rule]);
    expect(file.writeSync(Buffer.from('abcdef'), 0)).toBe(3);
    expect(await errnoOf(file.write(Buffer.from('x'), 0))).toBe('ENOSPC');
    expect(await errnoOf(file.write(Buffer.from('x'), 0))).toBe('ENOSPC');
    expect(text(fs)).toBe('abc');
  });
});

describe('a full disk', () => {
  test('takes what fits; room can be made', async () => {
    const [fs, file] = await opened();
    fs.capacityBytes = 10;
    expect((await fs.space('/')).freeBytes).toBe(7);
    expect(await file.write(Buffer.from('0123456789'), 3)).toBe(7);
    expect(await errnoOf(file.write(Buffer.from('789'), 10))).toBe('ENOSPC');
    await file.datasync();
    expect(await file.write(Buffer.from('in place'), 0)).toBe(8);
    await (await fs.open('/empty', 'create')).close(); // As on ext4.
    fs.capacityBytes = 20;
    expect(await file.write(Buffer.from('789'), 10)).toBe(3);
  });

  test('refuses new names too, where the file system does', async () => {
    const fs = make({ capacityBytes: 3, newNamesNeedSpace: true });
    await fs.makeDirectory('/d');
    const file = await fs.open('/a', 'create');
    await file.write(Buffer.from('abc'), 0);
    expect(await errnoOf(fs.open('/b', 'create'))).toBe('ENOSPC');
    expect(await errnoOf(fs.makeDirectory('/e'))).toBe('ENOSPC');
    await fs.makeDirectory('/d'); // Exists.
    await fs.rename('/a', '/b');
    await file.truncate(0);
    await fs.unlink('/b');
  });
});

describe('a failed datasync', () => {
  test('loses the unsynced changes, while reads and the next sync say all is well', async () => {
    const [fs, file] = await opened([{ errno: 'EIO', operations: ['datasync'] }]);
    await file.write(Buffer.from('new data'), 0);
    expect(await errnoOf(file.datasync())).toBe('EIO');
    expect(text(fs)).toBe('new data');
    expect(fs.unsynced()).toEqual([]);
    await file.datasync();
    expect(text(fs.crashImage({ data: 'all' }))).toBe('old');
    expect(text(fs.killImage())).toBe('new data'); // The cache lives on, as clean as it was.
    expect(text(fs.killImage().crashImage({ data: 'all' }))).toBe('old');
  });

  test('whatever its errno', async () => {
    const [fs, file] = await opened([{ errno: 'ENOSPC', operations: ['datasync'] }]);
    await file.write(Buffer.from('new'), 0);
    const error: unknown = await file.datasync().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'ERR_VARVE_IO', details: { errno: 'ENOSPC' } });
    expect(error).toMatchObject({ retryable: false }); // It is not the next write that failed.
    expect(text(fs.crashImage({ data: 'all' }))).toBe('old');
  });

  test('what is written again afterwards is durable again', async () => {
    const [fs, file] = await opened([{ errno: 'EIO', operations: ['datasync'] }]);
    await file.write(Buffer.from('new data'), 0);
    expect(await errnoOf(file.datasync())).toBe('EIO');
    await file.write(Buffer.from('new data'), 0); // The same bytes: a rewrite of the tail.
    await file.datasync();
    expect(text(fs.crashImage({ data: 'none' }))).toBe('new data');
  });

  test('later writes leave a hole where the lost ones were, but for shared blocks', async () => {
    const [fs, file] = await opened([{ errno: 'EIO', operations: ['datasync'] }]);
    await file.write(Buffer.alloc(2 * 4096 - 3, 'L'), 3);
    expect(await errnoOf(file.datasync())).toBe('EIO');
    await file.write(Buffer.alloc(512, 'N'), 2 * 4096);
    await file.write(Buffer.from('n'), 100); // Its block is written again, whole.
    await file.datasync();
    const content = Buffer.from(contentOf(fs.crashImage({ data: 'none' }), '/a')).toString();
    const first = `old${'L'.repeat(97)}n${'L'.repeat(4096 - 101)}`;
    expect(content).toBe(`${first}${'\0'.repeat(4096)}${'N'.repeat(512)}`);
  });

  test('loses a truncate as well, and nothing cuts the old end off afterwards', async () => {
    const [fs, file] = await opened([{ errno: 'EIO', operations: ['datasync'] }]);
    await file.truncate(1);
    expect(await errnoOf(file.datasync())).toBe('EIO');
    expect(text(fs)).toBe('o');
    expect(text(fs.crashImage({ data: 'all' }))).toBe('old');
    await file.datasync();
    expect(text(fs.crashImage({ data: 'all' }))).toBe('old');
  });

  test('may have written some of it, when asked', async () => {
    const contents = new Set<string>();
    for (let seed = 0; seed < 60; seed += 1) {
      const fs = make({ random: new SeededRandom(seed) });
      const file = await fs.open('/a', 'create');
      await fs.syncDirectory('/');
      fs.addFault({ errno: 'EIO', operations: ['datasync'], lost: 'random' });
      await file.write(Buffer.alloc(512, 'A'), 0);
      await file.write(Buffer.alloc(512, 'B'), 512);
      expect(await errnoOf(file.datasync())).toBe('EIO');
      const image = contentOf(fs.crashImage({ data: 'all' }), '/a');
      contents.add(`${image[0] ?? '-'} ${image[512] ?? '-'}`);
    }
    expect([...contents].toSorted()).toEqual(
      ['- -', '0 -', '0 0', '0 66', '65 -', '65 0', '65 66'].toSorted(),
    );
  });
});

describe('breaches of the contract by the program', () => {
  test('two writes of the same bytes in flight', async () => {
    const [fs, file] = await opened();
    const first = file.write(Buffer.from('a'), 0);
    const others = [file.write(Buffer.from('bc'), 0), file.truncate(0)];
    expect(() => file.writeSync(Buffer.from('c'), 0)).toThrow(AssertionError);
    for (const other of others) await expect(other).rejects.toBeInstanceOf(AssertionError);
    expect(await first).toBe(1);
    expect(fs.violations).toHaveLength(3);
    await file.write(Buffer.from('d'), 0);
    expect(text(fs)).toBe('dld');
  });

  test('and no breach: writes side by side', async () => {
    const [fs, file] = await opened();
    const first = file.write(Buffer.from('ab'), 0);
    const second = file.write(Buffer.from('cd'), 2);
    file.writeSync(Buffer.from('e'), 4);
    expect([await first, await second]).toEqual([2, 2]);
    expect(fs.violations).toEqual([]);
    expect(text(fs)).toBe('abcde');
  });

  test('bytes that change before the write has settled', async () => {
    const [fs, file] = await opened();
    const bytes = Buffer.from('a');
    const write = file.write(bytes, 0);
    bytes[0] = 0;
    await expect(write).rejects.toBeInstanceOf(AssertionError);
    expect(fs.violations).toHaveLength(1);
  });
});

describe('damage', () => {
  async function damaged(change: (fs: FaultyFileSystem) => void): Promise<string> {
    const fs = make();
    const file = await fs.open('/a', 'create');
    await file.write(Buffer.from('A'.repeat(512) + 'B'.repeat(512) + 'C'), 0);
    await (await fs.open('/b', 'create')).write(Buffer.from('other'), 0);
    const callCount = fs.callCount;
    change(fs);
    expect(fs.callCount).toBe(callCount);
    const after = fs.crashImage({ data: 'none', names: 'all' });
    expect(contentOf(after, '/a')).toEqual(contentOf(fs, '/a')); // On the disk as in the cache.
    return text(fs).replaceAll('\0', '.');
  }

  test('flips a bit, zeroes and copies sectors, cuts, swaps', async () => {
    const b = 'B'.repeat(512);
    expect(await damaged((fs) => flipBit(fs, '/a', { position: 0, bit: 1 }))).toMatch(/^CA{511}B/);
    expect(await damaged((fs) => zeroSector(fs, '/a', 0))).toBe(`${'.'.repeat(512)}${b}C`);
    expect(await damaged((fs) => copySector(fs, '/a', { from: 1, to: 0 }))).toBe(`${b}${b}C`);
    expect(await damaged((fs) => cut(fs, '/a', 3))).toBe('AAA');
    expect(await damaged((fs) => swapFiles(fs, '/a', '/b'))).toBe('other');
  });
});
