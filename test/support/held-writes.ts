/** Writes that wait until they are let go: what is encoded is then ahead of what is written. */
import type { FileSystem } from '../../src/io/file-system.ts';
import { HeldCalls } from './held-calls.ts';

export class HeldWrites extends HeldCalls {
  /** Of files opened from now on whose path holds `part`; small ones, on the calling thread, pass. */
  constructor(fileSystem: FileSystem, part = '') {
    super();
    const open = fileSystem.open.bind(fileSystem);
    fileSystem.open = async (path, mode) => {
      const file = await open(path, mode);
      const write = file.write.bind(file);
      file.write = async (from, position) => {
        if (this.areHeld && path.includes(part)) await this.wait(path);
        return write(from, position);
      };
      return file;
    };
  }
}
