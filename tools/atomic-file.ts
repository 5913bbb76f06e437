/** A file that appears whole or not at all: written beside its name, synced, then renamed. */
import { open, rename, unlink, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';

export class AtomicFile {
  readonly #path: string;
  readonly #temporary: string;
  readonly #handle: FileHandle;

  private constructor(path: string, temporary: string, handle: FileHandle) {
    this.#path = path;
    this.#temporary = temporary;
    this.#handle = handle;
  }

  /** Creates the temporary file, `<path>.tmp-<pid>`, readable by its owner only. */
  static async create(path: string): Promise<AtomicFile> {
    const temporary = `${path}.tmp-${process.pid}`;
    return new AtomicFile(path, temporary, await open(temporary, 'w', 0o600));
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
