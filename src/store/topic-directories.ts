/** What the directories of topics say of themselves, for a repair that lost what the journal said. */
import { join } from 'node:path';
import { isIoError } from '../core/errors.ts';
import type { FileSystem } from '../io/file-system.ts';
import { readCheckpoint } from '../log/checkpoint-file.ts';
import { LogDirectory } from '../log/log-directory.ts';
import { topicIdOf, topicNameOf } from '../topic/topic-names.ts';

/** A partition as its own files have it. */
export interface FoundPartition {
  readonly logId: number;
  /** Records below are durable. */
  readonly syncedOffset: number;
}

export interface FoundTopic {
  /** Absolute. */
  readonly path: string;
  readonly topicId: number;
  /** Null when it does not stand in the directory's name in full. */
  readonly name: string | null;
  /** From 0 on; null where no checkpoint can be read. */
  readonly partitions: readonly (FoundPartition | null)[];
}

/** Directories of topics, by name; others are left out. @throws IoError */
export async function findTopics(fileSystem: FileSystem, path: string): Promise<FoundTopic[]> {
  const found: FoundTopic[] = [];
  for (const directoryName of (await namesIn(fileSystem, path)).toSorted()) {
    const topicId = topicIdOf(directoryName);
    if (topicId === null) continue;
    const topicPath = join(path, directoryName);
    const partitions = await findPartitions(fileSystem, topicPath);
    found.push({ path: topicPath, topicId, name: topicNameOf(directoryName), partitions });
  }
  return found;
}

async function findPartitions(
  fileSystem: FileSystem,
  path: string,
): Promise<(FoundPartition | null)[]> {
  const names = await namesIn(fileSystem, path);
  const count = Math.max(0, ...names.filter(isNumber).map((name) => Number(name) + 1));
  const partitions: (FoundPartition | null)[] = [];
  for (let number = 0; number < count && number <= names.length; number++) {
    const isThere = names.includes(String(number));
    partitions.push(isThere ? await findPartition(fileSystem, join(path, String(number))) : null);
  }
  return partitions;
}

async function findPartition(fileSystem: FileSystem, path: string): Promise<FoundPartition | null> {
  const { checkpoint } = await readCheckpoint(new LogDirectory(fileSystem, path));
  if (checkpoint === null) return null;
  const { logId, syncedOffset } = checkpoint;
  return { logId, syncedOffset };
}

function isNumber(name: string): boolean {
  return /^(?:0|[1-9]\d{0,3})$/.test(name);
}

async function namesIn(fileSystem: FileSystem, path: string): Promise<string[]> {
  try {
    return await fileSystem.list(path);
  } catch (error) {
    if (isIoError(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}
