/** A file that appears whole or not at all: written beside its name, synced, then renamed. */
import { open, rename, stat, unlink, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CommandError, UsageError } from './command-error.ts';
import { ExitCode } from './exit-codes.ts';

export class AtomicFile {
  readonly #path: string;
  readonly #temporary: string;
  readonly #handle: FileHandle;

  private constructor(path: string, temporary: string, handle: FileHandle) {
    this.#path = path;
    this.#temporary = temporary;
    this.#handle = handle;
  }

  /**
   * Creates the temporary file, `<path>.tmp-<pid>`, readable by its owner only.
   *
   * @throws UsageError where no file can get the name; CommandError when it cannot be created
   */
  static async create(path: string): Promise<AtomicFile> {
    await checkPlace(path);
    const temporary = `${path}.tmp-${process.pid}`;
    try {
      return new AtomicFile(path, temporary, await open(temporary, 'w', 0o600));
    } catch (error) {
      throw cannotWrite(path, error);
    }
  }

  async write(text: string): Promise<void> {
    await this.#handle.writeFile(text);
  }

  /** Makes the file durable and gives it its name, in place of what has it. */
  async commit(): Promise<void> {
    await this.#handle.sync();
    await this.#handle.close();
    await rename(this.#temporary, this.#path);
    const directory = await open(dirname(this.#path), 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  }

  /** Leaves nothing behind. */
  async discard(): Promise<void> {
    await this.#handle.close();
    await unlink(this.#temporary);
  }
}

/** A rename puts a file in place of whatever has the name: of a device or a pipe, too. */
async function checkPlace(path: string): Promise<void> {
  let isFile: boolean;
  try {
    const stats = await stat(path);
    if (stats.isDirectory()) throw new UsageError(`cannot write ${path}: it is a directory`);
    isFile = stats.isFile();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    throw error instanceof UsageError ? error : cannotWrite(path, error);
  }
  if (!isFile) throw new UsageError(`cannot write ${path}: it is no regular file`);
}

/** Names the path that was given, not the temporary one. */
function cannotWrite(path: string, error: unknown): Error {
  const code = codeOf(error);
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new UsageError(`cannot write ${path}: ${dirname(path)} is no directory`);
  }
  const hint = 'check who owns its directory, its mode, and the free space';
  return new CommandError(ExitCode.failure, `cannot write ${path}: ${code}`, hint);
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown failure';
}
