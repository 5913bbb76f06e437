/**
 * Shows what this machine's kernel does, as JSON: run from dist as root in a mount namespace of
 * its own (`unshare -m`), so that nothing stays mounted whatever happens.
 *
 * A power cut is a copy of the live disk image: what the kernel had not sent to the disk is not
 * in it. Arguments: an empty directory, and `tmpfs`, `ext4`, `xfs` or `failing-sync`.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';

import { nodeFileSystem } from '../../src/io/node-file-system.ts';
import { failSync, fillDisk, isSaved, POWER_CUT_SCENARIOS } from './kernel-scenarios.ts';
import type { Snapshot, Stage } from './kernel-scenarios.ts';

/** sync_file_range(2): wait before, write, wait after. Node has no call for it. */
const SYNC_FILE_RANGE: Readonly<Partial<Record<NodeJS.Architecture, number>>> = {
  x64: 277,
  arm64: 84,
};
const SYNC_FLAGS = 7;

const IMAGE_SIZE: Readonly<Record<string, string>> = { ext4: '64M', xfs: '300M' };
const MKFS: Readonly<Record<string, readonly string[]>> = {
  ext4: ['mkfs.ext4', '-q', '-F', '-b', '4096'],
  xfs: ['mkfs.xfs', '-q', '-f'],
};
/** Without these a background commit could slip in; xfs needs to mount a copy of itself. */
const MOUNT_OPTIONS: Readonly<Record<string, string>> = {
  ext4: 'loop,commit=600',
  xfs: 'loop,nouuid',
};

function run(command: string, ...args: readonly string[]): void {
  const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'], env: { PATH } });
}

function writeBack(path: string, range: { start: number; length: number }): void {
  const number = SYNC_FILE_RANGE[process.arch];
  if (number === undefined) throw new Error(`no system call number for ${process.arch}`);
  const call = `syscall(${number}, fileno(F), ${range.start}, ${range.length}, ${SYNC_FLAGS})`;
  run('perl', '-e', `open(F, "+<", $ARGV[0]) or die $!; ${call} == 0 or die $!`, path);
}

function stageAt(root: string): Stage {
  mkdirSync(root);
  return { fileSystem: nodeFileSystem, root, writeBack };
}

function snapshot(root: string): Snapshot {
  const found: Record<string, string> = {};
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const name = relative(root, path);
    if (entry.isDirectory()) found[`${name}/`] = '';
    else found[name] = readFileSync(path).toString('hex');
  }
  return found;
}

function makeImage(directory: string, type: string): string {
  const image = join(directory, 'disk.img');
  const [mkfs = '', ...args] = MKFS[type] ?? [];
  run('truncate', '-s', IMAGE_SIZE[type] ?? '', image);
  run(mkfs, ...args, image);
  return image;
}

async function powerCuts(directory: string, type: string): Promise<Record<string, Snapshot>> {
  const disk = join(directory, 'memory');
  mkdirSync(disk);
  run('mount', '-t', 'tmpfs', '-o', 'size=900m', 'tmpfs', disk);
  const image = makeImage(disk, type);
  const [live, copy] = [join(disk, 'live'), join(disk, 'copy')];
  mkdirSync(live);
  mkdirSync(copy);
  run('mount', '-o', MOUNT_OPTIONS[type] ?? '', image, live);
  const found: Record<string, Snapshot> = {};
  for (const [index, [name, scenario]] of Object.entries(POWER_CUT_SCENARIOS).entries()) {
    const stage = stageAt(join(live, `s${index}`));
    run('sync', '-f', live);
    await scenario(stage);
    run('cp', '--sparse=always', image, join(disk, 'copy.img'));
    run('mount', '-o', MOUNT_OPTIONS[type] ?? '', join(disk, 'copy.img'), copy);
    found[name] = snapshot(join(copy, `s${index}`));
    run('umount', copy);
    rmSync(join(disk, 'copy.img'));
  }
  return found;
}

/** A disk that runs out behind the file system's back: writeback fails, long after write(2). */
async function failingSync(directory: string): Promise<unknown> {
  const disk = join(directory, 'memory');
  const live = join(directory, 'live');
  mkdirSync(disk);
  mkdirSync(live);
  run('mount', '-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', disk);
  const image = makeImage(disk, 'ext4');
  run('fallocate', '-l', '8M', join(disk, 'ballast'));
  run('mount', '-o', 'loop', image, live);
  const result = await failSync(stageAt(join(live, 's')));
  run('umount', live);
  rmSync(join(disk, 'ballast'));
  run('mount', '-o', 'loop', image, live);
  return { ...result, isSaved: isSaved(readFileSync(join(live, 's', 'a')), result) };
}

async function full(directory: string): Promise<unknown> {
  run('mount', '-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', directory);
  return fillDisk(stageAt(join(directory, 's')));
}

const [, , directory = '', what = ''] = process.argv;
const answer =
  what === 'tmpfs'
    ? await full(directory)
    : what === 'failing-sync'
      ? await failingSync(directory)
      : await powerCuts(directory, what);
process.stdout.write(JSON.stringify(answer));
