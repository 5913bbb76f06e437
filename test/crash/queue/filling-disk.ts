/** The disk, with times at which no log may grow: what a file system says when it is full. */
import type { File, OpenMode } from '../../../src/io/file-system.ts';
import { ioError } from '../../../src/io/io-error.ts';
import { NodeFileSystem } from '../../../src/io/node-file-system.ts';

export class FillingDisk extends NodeFileSystem {
  readonly #isFull: () => boolean;

  constructor(isFull: () => boolean) {
    super();
    this.#isFull = isFull;
  }

  override async open(path: string, mode: OpenMode): Promise<File> {
    const isLog = path.endsWith('.log');
    if (isLog && mode === 'create') this.#checkRoom('open', path);
    const file = await super.open(path, mode);
    if (isLog && mode !== 'read') await this.#bound(file);
    return file;
  }

  /** What is written over what is there needs no room. */
  async #bound(file: File): Promise<void> {
    let { sizeBytes } = await file.stat();
    const grow = (endPosition: number): void => {
      if (endPosition > sizeBytes) this.#checkRoom('write', file.path);
      sizeBytes = Math.max(sizeBytes, endPosition);
    };
    const write = file.write.bind(file);
    file.write = async (from, position) => {
      grow(position + from.length);
      return write(from, position);
    };
    const writeSync = file.writeSync.bind(file);
    file.writeSync = (from, position) => {
      grow(position + from.length);
      return writeSync(from, position);
    };
    const truncate = file.truncate.bind(file);
    file.truncate = async (newBytes) => {
      await truncate(newBytes);
      sizeBytes = newBytes;
    };
  }

  #checkRoom(operation: string, path: string): void {
    if (this.#isFull()) throw ioError('ENOSPC', { operation, path });
  }
}
