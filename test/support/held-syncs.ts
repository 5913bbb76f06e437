/** Syncs that wait until they are let go: what is written is then ahead of what is durable. */
import type { FileSystem } from '../../src/io/file-system.ts';
import { HeldCalls } from './held-calls.ts';

export class HeldSyncs extends HeldCalls {
  /** Of files opened from now on whose path holds `part`. */
  constructor(fileSystem: FileSystem, part: string) {
    super();
    const open = fileSystem.open.bind(fileSystem);
    fileSystem.open = async (path, mode) => {
      const file = await open(path, mode);
      const datasync = file.datasync.bind(file);
      file.datasync = async () => {
        if (this.areHeld && path.includes(part)) await this.wait(path);
        return datasync();
      };
      return file;
    };
  }
}
