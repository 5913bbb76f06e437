/** Reads that wait until they are let go: what is asked meanwhile happens before they are answered. */
import type { FileSystem } from '../../src/io/file-system.ts';
import { ioError } from '../../src/io/io-error.ts';

export class HeldReads {
  /** Files that are to be read, in the order in which they came. */
  readonly waiting: string[] = [];
  #held: Promise<void> | null = null;
  #release: () => void = () => undefined;

  /** Of files opened from now on whose path holds `part`. */
  constructor(fileSystem: FileSystem, part: string) {
    const open = fileSystem.open.bind(fileSystem);
    fileSystem.open = async (path, mode) => {
      const file = await open(path, mode);
      const read = file.read.bind(file);
      file.read = async (into, position) => {
        if (this.#held !== null && path.includes(part)) {
          this.waiting.push(path);
          await this.#held;
        }
        return read(into, position);
      };
      // The calling thread cannot wait: it leaves them to the thread pool.
      const readSync = file.readSync.bind(file);
      file.readSync = (into, position) => {
        if (this.#held === null || !path.includes(part)) return readSync(into, position);
        throw ioError('EAGAIN', { operation: 'read', path, position });
      };
      return file;
    };
  }

  hold(): void {
    this.#held = new Promise((resolve) => {
      this.#release = resolve;
    });
  }

  release(): void {
    this.#release();
    this.#held = null;
  }
}
