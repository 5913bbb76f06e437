/**
 * Removes logs from the disk, for good: what is ours by its name, and nothing else.
 *
 * The decision is durable before: a removal that a crash cut short is begun again and goes on with
 * what is left, whatever that is.
 */
import { dirname, join } from 'node:path';
import { isIoError } from '../core/errors.ts';
import { CHECKPOINT_FILE, QUARANTINE_DIRECTORY } from '../format/file-names.ts';
import type { FileStat, FileSystem } from '../io/file-system.ts';
import { readCheckpoint } from './checkpoint-file.ts';
import { isOwnFileName, LogDirectory } from './log-directory.ts';
import { replacedNumber } from './log-replacement.ts';
import { isKeptName, isUnfinishedCopy } from './quarantine.ts';

/** What a removal did. */
export interface LogRemoval {
  /** Bytes of the files that went. */
  readonly deletedBytes: number;
  /** What is not ours: it is still there, and so are the directories above it. */
  readonly keptPaths: readonly string[];
}

const NUMBER = /^(?:0|[1-9]\d{0,5})$/;

/**
 * Removes a directory of logs, each in a directory that is named by its number. The logs are closed.
 *
 * @param path    need not be there
 * @param logIds  of the logs, by number: another one in the place of a log is not ours
 * @returns when it is gone for good
 * @throws IoError; what is left then goes with the next try
 */
export async function removeLogs(
  fileSystem: FileSystem,
  path: string,
  logIds: readonly number[],
): Promise<LogRemoval> {
  const remover = new LogRemover(fileSystem);
  await remover.removeTree(path, logIds);
  return remover;
}

/** Removes one entry of a directory. @returns false when it is not ours */
type Removal = (path: string, name: string, stat: FileStat) => Promise<boolean>;

class LogRemover implements LogRemoval {
  deletedBytes = 0;
  readonly keptPaths: string[] = [];
  readonly #fileSystem: FileSystem;

  constructor(fileSystem: FileSystem) {
    this.#fileSystem = fileSystem;
  }

  async removeTree(path: string, logIds: readonly number[]): Promise<void> {
    await this.#removeDirectory(path, async (child, name, { kind }) => {
      if (kind !== 'directory') return false;
      const replaced = replacedNumber(name);
      if (replaced !== null) {
        const logId = logIds[replaced] ?? null;
        await this.#removeDirectory(child, (log) => this.#removeLog(log, logId));
        return true;
      }
      if (!NUMBER.test(name)) return false;
      // One that the journal does not know was being made for this topic when a crash came.
      return this.#removeLog(child, logIds[Number(name)] ?? null);
    });
    await this.#sync(dirname(path));
  }

  async #removeLog(path: string, logId: number | null): Promise<boolean> {
    const { checkpoint } = await readCheckpoint(new LogDirectory(this.#fileSystem, path));
    if (checkpoint !== null && logId !== null && checkpoint.logId !== logId) return false;
    await this.#removeDirectory(path, async (child, name, stat) => {
      if (name === QUARANTINE_DIRECTORY && stat.kind === 'directory') {
        await this.#removeDirectory(child, (file, fileName, fileStat) => {
          const isOurs = isKeptName(fileName) || isUnfinishedCopy(fileName);
          return this.#unlink(file, fileStat, isOurs);
        });
        return true;
      }
      return this.#unlink(child, stat, isOwnFileName(name));
    });
    return true;
  }

  /** Removes what is in a directory, then the directory, unless something stays in it. */
  async #removeDirectory(path: string, remove: Removal): Promise<void> {
    const keptBefore = this.keptPaths.length;
    for (const name of await this.#list(path)) {
      const child = join(path, name);
      const stat = await this.#stat(child);
      if (stat === null || (await remove(child, name, stat))) continue;
      this.keptPaths.push(child);
    }
    const isEmpty = this.keptPaths.length === keptBefore;
    if (isEmpty) await this.#tolerate(this.#fileSystem.removeDirectory(path));
    else await this.#sync(path);
  }

  async #unlink(path: string, { kind, sizeBytes }: FileStat, isOurs: boolean): Promise<boolean> {
    if (!isOurs || kind !== 'file') return false; // A link or a directory may stand for data.
    await this.#tolerate(this.#fileSystem.unlink(path));
    this.deletedBytes += sizeBytes;
    return true;
  }

  /** The checkpoint last: it says which log this is, should a crash come before the end. */
  async #list(path: string): Promise<readonly string[]> {
    const names = (await this.#tolerate(this.#fileSystem.list(path))) ?? [];
    const others = names.filter((name) => name !== CHECKPOINT_FILE).toSorted();
    return names.includes(CHECKPOINT_FILE) ? [...others, CHECKPOINT_FILE] : others;
  }

  #stat(path: string): Promise<FileStat | null> {
    return this.#tolerate(this.#fileSystem.stat(path));
  }

  async #sync(path: string): Promise<void> {
    await this.#tolerate(this.#fileSystem.syncDirectory(path));
  }

  /** Gone is what we want. */
  async #tolerate<T>(pending: Promise<T>): Promise<T | null> {
    try {
      return await pending;
    } catch (error) {
      if (isIoError(error, 'ENOENT')) return null;
      throw error;
    }
  }
}
