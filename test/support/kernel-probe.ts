/**
 * Shows what this machine's kernel does, as JSON: run from dist as root in a mount namespace of
 * its own (`unshare -m`), so that nothing stays mounted whatever happens.
 *
 * A power cut is a copy of the live disk image: what the kernel had not sent to the disk is not
 * in it. Arguments: an empty directory, and `tmpfs`, `ext4`, `xfs` or `failing-sync`.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';

import { nodeFileSystem } from '../../src/io/node-file-system.ts';
import { failSync, fillDisk, isSaved, POWER_CUT_SCENARIOS } from './kernel-scenarios.ts';
import type { Snapshot, Stage } from './kernel-scenarios.ts';
import {
  copyImage,
  makeImage,
  mountImage,
  mountMemory,
  run,
  writeBack,
  type DiskType,
} from './loop-images.ts';

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

async function powerCuts(directory: string, type: DiskType): Promise<Record<string, Snapshot>> {
  const disk = join(directory, 'memory');
  mountMemory(disk, '900m');
  const image = makeImage(disk, type);
  const [live, copy] = [join(disk, 'live'), join(disk, 'copy')];
  mountImage(image, live, type);
  const found: Record<string, Snapshot> = {};
  for (const [index, [name, scenario]] of Object.entries(POWER_CUT_SCENARIOS).entries()) {
    const stage = stageAt(join(live, `s${index}`));
    run('sync', '-f', live);
    await scenario(stage);
    copyImage(image, join(disk, 'copy.img'));
    mountImage(join(disk, 'copy.img'), copy, type);
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
  mkdirSync(live);
  mountMemory(disk, '24m');
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
  mountMemory(directory, '4m');
  return fillDisk(stageAt(join(directory, 's')));
}

const [, , directory = '', what = ''] = process.argv;
const answer =
  what === 'tmpfs'
    ? await full(directory)
    : what === 'failing-sync'
      ? await failingSync(directory)
      : await powerCuts(directory, what === 'xfs' ? 'xfs' : 'ext4');
process.stdout.write(JSON.stringify(answer));
