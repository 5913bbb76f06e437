/** Syncs that wait until they are let go: what is written is then ahead of what is durable. */
import type { FileSystem } from '../../src/io/file-system.ts';

export class HeldSyncs {
  /** Files whose sync is held, in the order in which they came. */
  readonly waiting: string[] = [];
  #held: Promise<void> | null = null;
  #release: () => void = () => undefined;

  /** Of files opened from now on whose path holds `part`. */
  constructor(fileSystem: FileSystem, part: string) {
    const open = fileSystem.open.bind(fileSystem);
    fileSystem.open = async (path, mode) => {
      const file = await open(path, mode);
      const datasync = file.datasync.bind(file);
      file.datasync = async () => {
        if (this.#held !== null && path.includes(part)) {
          this.waiting.push(path);
          await this.#held;
        }
        return datasync();
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
    this.waiting.length = 0;
    this.#held = null;
  }
}
