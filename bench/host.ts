/** What the figures depend on: machine, disk, and the versions of everything. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync, statfsSync } from 'node:fs';
import { arch, availableParallelism, cpus, loadavg, platform, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { packageRoot, packageVersion } from '../tools/package-root.ts';
import type { HostFacts } from './core/report.ts';

/** @param directory  an existing directory on the disk that is measured */
export function hostFacts(directory: string): HostFacts {
  const { bavail, bsize } = statfsSync(directory);
  const mount = mountOf(realpathSync(directory));
  return {
    date: new Date().toISOString(),
    varve: packageVersion(),
    commit: gitCommit(),
    node: process.versions.node,
    v8: process.versions.v8,
    kernel: `${platform()} ${release()} ${arch()}`,
    cpu: cpus()[0]?.model.trim() ?? null,
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    loadAverage: loadavg()
      .map((load) => load.toFixed(2))
      .join(' '),
    fileSystem: mount?.type ?? null,
    mountOptions: mount?.options ?? null,
    freeBytes: bavail * bsize,
  };
}

/** The commit of the checkout, with `-dirty` where files were changed; null when there is none. */
function gitCommit(): string | null {
  const root = packageRoot();
  if (!existsSync(join(root, '.git'))) return null; // Installed: a repository around it is not ours.
  const arguments_ = ['describe', '--always', '--dirty', '--abbrev=40', '--exclude=*'];
  const { status, stdout } = spawnSync('git', arguments_, { cwd: root, encoding: 'utf8' });
  return status === 0 ? stdout.trim() : null;
}

export interface Mount {
  readonly path: string;
  readonly type: string;
  readonly options: string;
}

/** The mount that holds `path`; null where the system does not say. */
function mountOf(path: string): Mount | null {
  try {
    return findMount(readFileSync('/proc/self/mountinfo', 'utf8'), path);
  } catch {
    return null; // Not Linux.
  }
}

/** The last of the longest mount points above `path`, from the lines of Linux's mountinfo. */
export function findMount(mountinfo: string, path: string): Mount | null {
  let found: Mount | null = null;
  for (const line of mountinfo.split('\n')) {
    const mount = parseMount(line);
    if (mount === null || !isWithin(path, mount.path)) continue;
    if (found === null || mount.path.length >= found.path.length) found = mount;
  }
  return found;
}

/** `36 35 98:0 /root /mount/point rw,noatime master:1 - ext3 /dev/root rw,errors=continue` */
function parseMount(line: string): Mount | null {
  const [own = '', superBlock = ''] = line.split(' - ');
  const [, , , , path, options] = own.split(' ');
  const [type, , superOptions] = superBlock.split(' ');
  if (path === undefined || options === undefined || type === undefined) return null;
  const all = new Set([...options.split(','), ...(superOptions?.split(',') ?? [])]);
  return { path: unescaped(path), type, options: [...all].join(',') };
}

/** Blanks in paths are octal: `\040`. */
function unescaped(path: string): string {
  return path.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

function isWithin(path: string, folder: string): boolean {
  return folder === '/' || path === folder || path.startsWith(`${folder}/`);
}
