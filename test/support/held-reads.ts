/** Reads that wait until they are let go: what is asked meanwhile happens before they are answered. */
import type { FileSystem } from '../../src/io/file-system.ts';
import { ioError } from '../../src/io/io-error.ts';
import { HeldCalls } from './held-calls.ts';

export class HeldReads extends HeldCalls {
  /** Of files opened from now on whose path holds `part`. */
  constructor(fileSystem: FileSystem, part: string) {
    super();
    const open = fileSystem.open.bind(fileSystem);
    fileSystem.open = async (path, mode) => {
      const file = await open(path, mode);
      const read = file.read.bind(file);
      file.read = async (into, position) => {
        if (this.areHeld && path.includes(part)) await this.wait(path);
        return read(into, position);
      };
      // The calling thread cannot wait: it leaves them to the thread pool.
      const readSync = file.readSync.bind(file);
      file.readSync = (into, position) => {
        if (!this.areHeld || !path.includes(part)) return readSync(into, position);
        throw ioError('EAGAIN', { operation: 'read', path, position });
      };
      return file;
    };
  }
}
