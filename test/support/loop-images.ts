/**
 * Disks that are files: images with a real file system, mounted by way of a loop device.
 *
 * For root, in a mount namespace of its own (`unshare -m`), so that nothing stays mounted whatever
 * happens. A copy of the image of a mounted disk is what a power cut would leave on it: what the
 * kernel had not sent to the disk is not in it.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

export type DiskType = 'ext4' | 'ext4 data=writeback' | 'xfs';

interface DiskRecipe {
  readonly size: string;
  readonly mkfs: readonly [string, ...string[]];
  /** Without these a background commit could slip in; xfs needs to mount a copy of itself. */
  readonly mountOptions: string;
}

/** No blocks kept for root: the tests are root, and want a full disk to be full. */
const MKFS_EXT4 = ['mkfs.ext4', '-q', '-F', '-b', '4096', '-m', '0'] as const;
const RECIPES: Readonly<Record<DiskType, DiskRecipe>> = {
  ext4: { size: '64M', mkfs: [...MKFS_EXT4], mountOptions: 'loop,commit=600' },
  'ext4 data=writeback': {
    size: '64M',
    mkfs: [...MKFS_EXT4],
    mountOptions: 'loop,commit=600,data=writeback',
  },
  xfs: { size: '300M', mkfs: ['mkfs.xfs', '-q', '-f'], mountOptions: 'loop,nouuid' },
};

/** sync_file_range(2): wait before, write, wait after. Node has no call for it. */
const SYNC_FILE_RANGE: Readonly<Partial<Record<NodeJS.Architecture, number>>> = {
  x64: 277,
  arm64: 84,
};
const SYNC_FLAGS = 7;

/** Runs a tool of the system to its end. @throws Error when it fails */
export function run(command: string, ...args: readonly string[]): void {
  const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'], env: { PATH } });
}

/** Null when this process may mount loop images, and the tools for it are there. */
export function whyNoLoopImages(): string | null {
  if (process.platform !== 'linux') return 'not Linux';
  if (process.getuid?.() !== 0) return 'not root';
  const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;
  const script = 'for tool in mkfs.ext4 mkfs.xfs perl fallocate; do command -v $tool; done | wc -l';
  try {
    const args = ['-m', 'sh', '-c', `mount -t tmpfs tmpfs /mnt && ${script}`];
    const count = execFileSync('unshare', args, {
      env: { PATH },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return String(count).trim() === '4'
      ? null
      : 'mkfs.ext4, mkfs.xfs, perl or fallocate is missing';
  } catch (error) {
    return `no mount namespace: ${String(error)}`;
  }
}

/** What runs a program of this Node.js in a mount namespace of its own: `unshare` with these. */
export function inMountNamespace(script: string, ...args: readonly string[]): readonly string[] {
  return ['-m', '--propagation', 'private', process.execPath, script, ...args];
}

/** Mounts memory of at most `size` (as mount(8) has it) at `directory`, which is created. */
export function mountMemory(directory: string, size: string): void {
  mkdirSync(directory, { recursive: true });
  run('mount', '-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', directory);
}

/** Makes an image with an empty file system. @returns its path */
export function makeImage(directory: string, type: DiskType): string {
  const image = join(directory, 'disk.img');
  const { size, mkfs } = RECIPES[type];
  const [command, ...args] = mkfs;
  run('truncate', '-s', size, image);
  run(command, ...args, image);
  return image;
}

/** Mounts an image at `directory`, which is created. */
export function mountImage(image: string, directory: string, type: DiskType): void {
  mkdirSync(directory, { recursive: true });
  run('mount', '-o', RECIPES[type].mountOptions, image, directory);
}

export function copyImage(image: string, copy: string): void {
  run('cp', '--sparse=always', '--reflink=never', image, copy);
}

export interface ByteRange {
  readonly start: number;
  readonly length: number;
}

/** Lets the kernel write a range of a file back, as it may at any time, and nothing else. */
export function writeBack(path: string, range: ByteRange): void {
  const number = SYNC_FILE_RANGE[process.arch];
  if (number === undefined) throw new Error(`no system call number for ${process.arch}`);
  const call = `syscall(${number}, fileno(F), ${range.start}, ${range.length}, ${SYNC_FLAGS})`;
  run('perl', '-e', `open(F, "+<", $ARGV[0]) or die $!; ${call} == 0 or die $!`, path);
}
