/** Writes that wait until they are let go: what is encoded is then ahead of what is written. */
import type { FileSystem } from '../../src/io/file-system.ts';

export class HeldWrites {
  #held: Promise<void> | null = null;
  #release: () => void = () => undefined;

  /** Of files opened from now on; small ones, on the calling thread, pass. */
  constructor(fileSystem: FileSystem) {
    const open = fileSystem.open.bind(fileSystem);
    fileSystem.open = async (path, mode) => {
      const file = await open(path, mode);
      const write = file.write.bind(file);
      file.write = async (from, position) => {
        await this.#held;
        return write(from, position);
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
