/**
 * The facts that the model of a disk rests on, on this machine's kernel: each state that a real
 * file system was left in must be one that the model can leave.
 *
 * Needs root (it mounts small images, in a namespace of their own): elsewhere it skips, and with
 * REQUIRE_ROOT_TESTS=1 a skip is a failure.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { beforeAll, describe, expect, test } from 'vitest';

import { SeededRandom } from '../../src/core/random.ts';
import type { MemoryNode } from '../../src/io/memory-tree.ts';
import { crashStates } from '../support/crash-states.ts';
import { contentOf } from '../support/disk-damage.ts';
import { FaultyFileSystem } from '../support/faulty-file-system.ts';
import type { FaultyFileSystemOptions } from '../support/faulty-file-system.ts';
import { failSync, fillDisk, isSaved, POWER_CUT_SCENARIOS } from '../support/kernel-scenarios.ts';
import type { FailedSync, FullDisk, Snapshot, Stage } from '../support/kernel-scenarios.ts';
import { inMountNamespace, whyNoLoopImages } from '../support/loop-images.ts';
import { isReachable } from '../support/reachable.ts';
import { distPath } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const isRequired = process.env['REQUIRE_ROOT_TESTS'] === '1';
const skipReason = whyNoLoopImages();
const RANDOM_IMAGES = 500;
const ROOT = '/s';

async function probe<T>(what: string): Promise<T> {
  const script = distPath('test', 'support', 'kernel-probe.js');
  const directory = await mkdtemp(join(tmpdir(), 'varve-test-'));
  try {
    const { stdout } = await promisify(execFile)(
      'unshare',
      inMountNamespace(script, directory, what),
    );
    return JSON.parse(stdout) as T; // The probe prints what it is asked for.
  } finally {
    await rm(directory, { recursive: true, force: true }); // The mounts were the probe's alone.
  }
}

async function modelStage(
  options: Partial<FaultyFileSystemOptions> = {},
): Promise<Stage & { readonly fileSystem: FaultyFileSystem }> {
  const random = new SeededRandom(1);
  const fileSystem = new FaultyFileSystem({ random, directoryMode: 'linux', ...options });
  await fileSystem.makeDirectory(ROOT);
  await fileSystem.syncDirectory('/');
  return { fileSystem, root: ROOT, writeBack: () => {} };
}

/** Nodes by path below the root, as the probe names them. */
function nodesOf(fileSystem: FaultyFileSystem): Map<string, MemoryNode> {
  const found = new Map<string, MemoryNode>();
  const visit = (node: MemoryNode, prefix: string): void => {
    if (node.kind === 'file') return;
    for (const [name, child] of node.entries) {
      found.set(`${prefix}${name}${child.kind === 'directory' ? '/' : ''}`, child);
      visit(child, `${prefix}${name}/`);
    }
  };
  visit(fileSystem.disk.tree.find({ operation: 'test', path: ROOT }), '');
  return found;
}

/** Whether a power cut of the model now can leave exactly this. */
function canLeave(fileSystem: FaultyFileSystem, snapshot: Snapshot): boolean {
  const names = Object.keys(snapshot).toSorted().join(' ');
  const isLike = (image: FaultyFileSystem): boolean => {
    const nodes = nodesOf(image);
    if ([...nodes.keys()].toSorted().join(' ') !== names) return false;
    return [...nodes].every(([name, { id }]) => {
      const file = fileSystem.disk.files.get(id); // What may be left of it, not this image's try.
      return file === undefined || isReachable(file, Buffer.from(snapshot[name] ?? '', 'hex'));
    });
  };
  if (crashStates(fileSystem).some(({ choice }) => isLike(fileSystem.crashImage(choice))))
    return true;
  return Array.from({ length: RANDOM_IMAGES }).some(() => isLike(fileSystem.crashImage()));
}

function text(snapshot: Snapshot | undefined, name: string): string | null {
  const content = snapshot?.[name];
  return content === undefined ? null : Buffer.from(content, 'hex').toString();
}

test.skipIf(skipReason === null || !isRequired)('REQUIRE_ROOT_TESTS: nothing may skip', () => {
  expect(skipReason).toBeNull();
});

describe.skipIf(skipReason !== null)(`kernel states (skipped: ${skipReason ?? 'no'})`, () => {
  describe.each(['ext4', 'xfs'])('%s after a power cut', (type) => {
    let states: Readonly<Record<string, Snapshot>>;

    beforeAll(async () => {
      states = await probe(type);
    });

    test('unsynced data is absent, synced data is there', () => {
      expect(text(states['an unsynced append'], 'a')).toBe('A'.repeat(5000));
      expect(text(states['an unsynced overwrite'], 'a')).toBe('A'.repeat(3 * 4096));
      expect(states['a new file without any sync']).toEqual({});
    });

    test('a hole of zeros may stand before valid data', () => {
      const content = text(states['a later range written back before an earlier one'], 'a');
      expect(content).toBe('A'.repeat(8192) + '\0'.repeat(8192) + 'C'.repeat(8192));
    });

    test('a datasync of a new file keeps its name', () => {
      const state = states['a new file that was synced, its directory not'];
      expect(text(state, 'a')).toBe('A'.repeat(5000));
    });

    test('a rename without a sync of its directory is undone', () => {
      const state = states['a rename without a sync of the directory'];
      expect([text(state, 'a'), text(state, 'a.tmp')]).toEqual(['old', 'new']);
    });

    test('a file without a sync of its data is empty', () => {
      expect(text(states['a new file whose directory was synced, its data not'], 'a')).toBe('');
      const renamed = text(states['a rename without a sync of the data'], 'a');
      // The auto_da_alloc of ext4 begins to write the data at the rename, and waits for nothing.
      expect(renamed).toMatch(type === 'xfs' ? /^$/ : /^(?:new|\0{3})$/);
    });

    test('xfs shows what a truncate had cut from its block when the file grew again', () => {
      const state = states['a truncate in a block, and a later block written back'];
      const old = type === 'xfs' ? /^A{3996}$/ : /^[B\0]{3996}$/;
      const content = text(state, 'a') ?? '';
      expect(content.slice(0, 4196)).toBe('A'.repeat(4196));
      expect(content.slice(4196, 8192)).toMatch(old);
      expect(content.slice(8192)).toMatch(/^B+$/);
    });

    test.each(Object.entries(POWER_CUT_SCENARIOS))('in the model too: %s', async (name, run) => {
      for (const sectorBytes of [512, 4096] as const) {
        const stage = await modelStage({ sectorBytes });
        await run(stage);
        expect(canLeave(stage.fileSystem, states[name] ?? {}), `sectors of ${sectorBytes}`).toBe(
          true,
        );
      }
    });
  });

  test('a full tmpfs: a short write without an error, then ENOSPC; the model does the same', async () => {
    const found = await probe<FullDisk>('tmpfs');
    expect(found).toMatchObject({
      datasyncAfter: 'ok',
      nextWrite: 'ENOSPC',
      freeBytes: 0,
      overwriteInPlace: 'ok',
      lockAgain: 'ok',
    });
    expect(found.shortCount).toBeGreaterThan(0);
    expect(found.shortCount).toBeLessThan(300_000);
    const model = await fillDisk(await modelStage({ capacityBytes: 4 * 2 ** 20 }));
    expect({ ...model, shortCount: 0 }).toEqual({ ...found, shortCount: 0 });
    expect(model.shortCount).toBeLessThan(300_000);
  });

  test('a failed datasync: the next says OK, reads show the data, the disk has lost it', async () => {
    const expected = { isErrorSeen: true, retry: 'ok', isReadBack: true };
    const found = await probe<FailedSync & { readonly isSaved: boolean }>('failing-sync');
    expect(found).toMatchObject({ ...expected, isSaved: false });
    const stage = await modelStage();
    stage.fileSystem.addFault({ errno: 'EIO', operations: ['datasync'], skip: 3 });
    const model = await failSync(stage);
    expect(model).toMatchObject(expected);
    const image = stage.fileSystem.crashImage({ data: 'all', names: 'all' });
    expect(isSaved(contentOf(image, `${ROOT}/a`), model)).toBe(false);
  });
});

describe.skipIf(skipReason !== null)('a read-only file system', () => {
  test.each(['mounted', 'mounted/new', 'mounted/deep/new'])(
    'refuses %s by its name',
    async (at) => {
      const path = await temporaryDirectory();
      const script = 'mkdir mounted && mount -t tmpfs -o ro tmpfs mounted && exec "$@"';
      const cli = [process.execPath, distPath('tools', 'cli.js'), 'append', at];
      const args = ['-m', '--propagation', 'private', 'sh', '-c', script, 'sh', ...cli];
      const appending = promisify(execFile)('unshare', args, { cwd: path });
      appending.child.stdin?.end('a\n');
      await expect(appending).rejects.toMatchObject({ code: 1, stderr: /EROFS/ });
    },
  );
});

describe('what is reachable', () => {
  test('is not everything: a lost synced byte, an invented one, a half sector', async () => {
    const stage = await modelStage();
    await POWER_CUT_SCENARIOS['an unsynced append']?.(stage);
    const leaves = (content: string): boolean =>
      canLeave(stage.fileSystem, { a: Buffer.from(content).toString('hex') });
    const synced = 'A'.repeat(5000);
    expect(leaves(synced)).toBe(true);
    expect(leaves(synced + 'B'.repeat(5000))).toBe(true);
    expect(leaves(`${synced}${'\0'.repeat(120)}${'B'.repeat(4880)}`)).toBe(true);
    expect(leaves(synced.slice(1))).toBe(false);
    expect(leaves(`${synced}X`)).toBe(false);
    expect(leaves(`${synced}${'\0'.repeat(100)}${'B'.repeat(4900)}`)).toBe(false);
    expect(canLeave(stage.fileSystem, {})).toBe(false);
  });
});
