/** Where the quickstart writes: lines to stdout, directories below segments/local. */
import { existsSync, mkdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { packageRoot } from '../package-root.ts';

export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** A path as a reader would type it here. */
export function shown(path: string): string {
  return relative(process.cwd(), path) || path;
}

/** A path that does not exist yet, under the folder that git ignores. */
export function freshDirectory(name: string): string {
  const parent = join(packageRoot(), 'segments', 'local');
  mkdirSync(parent, { recursive: true });
  let path = join(parent, name);
  for (let number = 2; existsSync(path); number++) path = join(parent, `${name}-${number}`);
  return path;
}
