/**
 * Data that several sides of a contest read, made by the first that opens its job: over the very
 * same bytes, and one copy of them in the page cache. Sides are opened one after another.
 */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * @param directory  the job's own; its parent belongs to the contest and is removed with it
 * @param name       of the data, parameters included
 * @param fill       makes the data in an empty directory
 */
export async function sharedDirectory(
  directory: string,
  name: string,
  fill: (path: string) => Promise<void>,
): Promise<string> {
  const path = join(dirname(directory), name);
  if (existsSync(path)) return path;
  const unfinished = `${path}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished);
  await fill(unfinished);
  renameSync(unfinished, path);
  return path;
}
