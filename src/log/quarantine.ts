/**
 * What a repair cuts off is kept: copied or moved to `quarantine/` before the log changes.
 * Nothing in there is ever deleted unasked.
 */
import { basename, join } from 'node:path';
import { isIoError } from '../core/errors.ts';
import { READ_WINDOW_BYTES } from '../core/limits.ts';
import { checksum } from '../format/checksum.ts';
import { TEMPORARY_SUFFIX } from '../format/file-names.ts';
import type { File } from '../io/file-system.ts';
import { writeFully } from '../io/transfer.ts';
import type { LogDirectory } from './log-directory.ts';

/** Names that `Quarantine.copy` gives to a copy that is not finished. */
const UNFINISHED_COPY = /^\d{20}\.log@\d+-[0-9a-f]{8}\.cut\.tmp$/;
/** Those of what is kept: a segment's name, and where its bytes were. */
const KEPT_NAME = /^\d{20}\.log(?:@\d+-[0-9a-f]{8}\.cut|-\d+)$/;

/** Whether recovery or repair gave this name to a file in `quarantine/`. */
export function isKeptName(name: string): boolean {
  return KEPT_NAME.test(name);
}

/** Whether it is a copy that was not finished. */
export function isUnfinishedCopy(name: string): boolean {
  return UNFINISHED_COPY.test(name);
}

/** Copies that an earlier process did not finish. @throws IoError */
export async function unfinishedCopies(directory: LogDirectory): Promise<string[]> {
  const names = await directory.fileSystem.list(directory.quarantinePath);
  return names.filter(isUnfinishedCopy).map((name) => join(directory.quarantinePath, name));
}

/** Bytes of all that was cut off and kept. @throws IoError */
export async function quarantineBytes({
  fileSystem,
  quarantinePath,
}: LogDirectory): Promise<number> {
  let sizeBytes = 0;
  try {
    for (const name of await fileSystem.list(quarantinePath)) {
      const file = await fileSystem.stat(join(quarantinePath, name));
      sizeBytes += file.sizeBytes;
    }
  } catch (error) {
    if (!isIoError(error, 'ENOENT')) throw error; // There is nothing.
  }
  return sizeBytes;
}

export class Quarantine {
  readonly #directory: LogDirectory;

  constructor(directory: LogDirectory) {
    this.#directory = directory;
  }

  /**
   * Copies `file[position, endPosition)` and makes the copy durable.
   *
   * The name carries the position and a checksum of the bytes, so a recovery that was killed and
   * runs again makes the same file, and no other bytes ever replace it. All zeros are not copied.
   *
   * @returns the copy's path, or null when there was nothing but zeros
   */
  async copy(file: File, position: number, endPosition: number): Promise<string | null> {
    const digest = await this.#digest(file, position, endPosition);
    if (digest === null) return null;
    await this.#ensureDirectory();
    const name = `${basename(file.path)}@${position}-${digest}.cut`;
    const path = join(this.#directory.quarantinePath, name);
    if (await this.#exists(path))
      await this.#directory.fileSystem.syncDirectory(this.#directory.quarantinePath);
    else await this.#write(path, file, position, endPosition);
    return path;
  }

  /** Moves a whole file here and makes the move durable in both directories. One that was kept before keeps its name. */
  async move(path: string): Promise<string> {
    await this.#ensureDirectory();
    await this.#sync(path);
    const name = basename(path);
    const own = join(this.#directory.quarantinePath, name);
    const keepsName = isKeptName(name) && !(await this.#exists(own));
    const target = keepsName ? own : await this.#unusedName(name);
    await this.#directory.fileSystem.rename(path, target);
    await this.#directory.fileSystem.syncDirectory(this.#directory.quarantinePath);
    await this.#directory.sync();
    return target;
  }

  /** A file that is moved because it was never synced would be empty after a power cut. */
  async #sync(path: string): Promise<void> {
    const file = await this.#directory.fileSystem.open(path, 'write');
    try {
      await file.datasync();
    } finally {
      await file.close();
    }
  }

  async #ensureDirectory(): Promise<void> {
    const { fileSystem, quarantinePath } = this.#directory;
    if (!(await this.#exists(quarantinePath))) await fileSystem.makeDirectory(quarantinePath);
    await this.#directory.sync(); // Also when it is there: an earlier process may have been killed.
  }

  async #unusedName(name: string): Promise<string> {
    for (let number = 1; ; number++) {
      const path = join(this.#directory.quarantinePath, `${name}-${number}`);
      if (!(await this.#exists(path))) return path;
    }
  }

  async #exists(path: string): Promise<boolean> {
    try {
      await this.#directory.fileSystem.stat(path);
      return true;
    } catch (error) {
      if (isIoError(error, 'ENOENT')) return false;
      throw error;
    }
  }

  /** Checksums of the windows, chained; null when every byte is zero. */
  async #digest(file: File, position: number, endPosition: number): Promise<string | null> {
    const window = Buffer.allocUnsafe(Math.min(READ_WINDOW_BYTES, endPosition - position));
    let digest = 0;
    let hasContent = false;
    for (let at = position; at < endPosition; at += window.length) {
      const bytesRead = await file.read(window.subarray(0, endPosition - at), at);
      const bytes = window.subarray(0, bytesRead);
      hasContent ||= bytes.some((byte) => byte !== 0);
      digest = (Math.imul(digest, 31) + checksum(bytes, 0, bytes.length)) >>> 0;
      if (bytesRead === 0) break;
    }
    return hasContent ? digest.toString(16).padStart(8, '0') : null;
  }

  async #write(path: string, file: File, position: number, endPosition: number): Promise<void> {
    const { fileSystem, quarantinePath } = this.#directory;
    const temporary = path + TEMPORARY_SUFFIX;
    if (await this.#exists(temporary)) await fileSystem.unlink(temporary);
    const copy = await fileSystem.open(temporary, 'create');
    try {
      const window = Buffer.allocUnsafe(Math.min(READ_WINDOW_BYTES, endPosition - position));
      for (let at = position; at < endPosition;) {
        const bytesRead = await file.read(window.subarray(0, endPosition - at), at);
        if (bytesRead === 0) break;
        await writeFully(copy, window.subarray(0, bytesRead), at - position);
        at += bytesRead;
      }
      await copy.datasync();
    } finally {
      await copy.close();
    }
    await fileSystem.rename(temporary, path);
    await fileSystem.syncDirectory(quarantinePath);
  }
}
