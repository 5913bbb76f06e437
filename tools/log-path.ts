/**
 * Looks at a path before a verb opens it, so that the answer to a slip is a sentence and an exit
 * code: a directory that is not there, is no log, or is a segment file.
 */
import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import {
  CHECKPOINT_FILE,
  JOURNAL_DIRECTORY,
  LOCK_FILE,
  parseSegmentFileName,
  STORE_FILE,
  TOPICS_DIRECTORY,
} from '../src/format/file-names.ts';
import { CommandError, UsageError } from './command-error.ts';
import { ExitCode } from './exit-codes.ts';

/** What stands at a path. `foreign` is a directory with files in it that is neither. */
export type PathKind = 'missing' | 'log' | 'store' | 'empty' | 'foreign' | 'file';

/** A segment file by its name, which states its base offset. */
export interface SegmentFile {
  readonly path: string;
  readonly name: string;
  readonly baseOffset: number;
  readonly sizeBytes: number;
}

/** Never writes. A log is a directory with a segment, a checkpoint or a lock file. */
export async function classifyPath(path: string): Promise<PathKind> {
  let names: string[];
  try {
    names = await readdir(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : '';
    if (code === 'ENOENT') return 'missing';
    if (code === 'ENOTDIR') return 'file';
    throw error;
  }
  if (names.includes(STORE_FILE)) return 'store'; // It has a lock, too.
  if (names.includes(CHECKPOINT_FILE) || names.includes(LOCK_FILE)) return 'log';
  if (names.some((name) => parseSegmentFileName(name) !== null)) return 'log';
  return names.length === 0 ? 'empty' : 'foreign';
}

/** @throws CommandError (exit code 3) unless a log is there; UsageError for a file */
export async function checkReadablePath(path: string): Promise<void> {
  const kind = await classifyPath(path);
  if (kind === 'log') return;
  if (kind === 'missing') {
    throw new CommandError(
      ExitCode.notFound,
      `there is no log at ${path}`,
      'varve ls . lists the logs below the current directory',
    );
  }
  if (kind === 'file') {
    throw new UsageError(
      `${path} is a file, not a log directory`,
      'varve dump reads single segment files',
    );
  }
  if (kind === 'store') throw storeForLog(path);
  throw new CommandError(
    ExitCode.notFound,
    `${path} is not a varve log: no segment and no checkpoint in it`,
    'a log directory holds files such as 00000000000000000000.log',
  );
}

/** @throws UsageError where a new log would mix with other files */
export async function checkWritablePath(path: string): Promise<void> {
  const kind = await classifyPath(path);
  if (kind === 'file') throw new UsageError(`${path} is a file, not a directory`);
  if (kind === 'store') throw storeForLog(path);
  if (kind === 'foreign') {
    throw new UsageError(
      `${path} is not a varve log, and it is not empty`,
      'give a log, an empty directory, or a path that does not exist yet',
    );
  }
}

function storeForLog(path: string): UsageError {
  return new UsageError(
    `${path} is a store, not a log`,
    'varve ls lists the logs in it, each a directory topics/<topic>/<partition>; ' +
      'cat, tail, export, append, import, info, dump, verify and repair take --topic',
  );
}

/** The logs of a store: its journal, then the partitions of its topics, by name and number. */
export async function listStoreLogs(store: string): Promise<string[]> {
  const topics = join(store, TOPICS_DIRECTORY);
  const paths = [join(store, JOURNAL_DIRECTORY)];
  for (const topic of await directoriesIn(topics)) {
    const partitions = await directoriesIn(topic);
    paths.push(...partitions.toSorted((one, two) => Number(basename(one)) - Number(basename(two))));
  }
  const kinds = await Promise.all(paths.map(classifyPath));
  return paths.filter((_path, index) => kinds[index] === 'log');
}

async function directoriesIn(path: string): Promise<string[]> {
  if ((await classifyPath(path)) === 'missing') return [];
  const entries = await readdir(path, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  return names.toSorted().map((name) => join(path, name));
}

/** The segment files of a log, by base offset. */
export async function listSegmentFiles(directory: string): Promise<SegmentFile[]> {
  const segments: SegmentFile[] = [];
  for (const name of await readdir(directory)) {
    const baseOffset = parseSegmentFileName(name);
    if (baseOffset === null) continue;
    const path = join(directory, name);
    const { size } = await stat(path);
    segments.push({ path, name, baseOffset, sizeBytes: size });
  }
  return segments.sort((a, b) => a.baseOffset - b.baseOffset);
}
