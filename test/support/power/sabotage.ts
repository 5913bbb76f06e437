/**
 * Writers that break the promise on purpose: a harness that does not catch them proves nothing.
 *
 * Only the writer of the tests is sabotaged, through the seam; the engine is as it is.
 */
import type { File, FileSystem } from '../../../src/index.ts';
import { NodeFileSystem } from '../../../src/io/node-file-system.ts';

/** Which syncs say that they are done and do nothing: of files, of directories, of both. */
export type Sabotage = 'none' | 'files' | 'directories' | 'all';

/** The operating system's files, but for the syncs that `sabotage` names. */
export function sabotagedFileSystem(sabotage: Sabotage): FileSystem {
  return new SabotagedFileSystem(sabotage);
}

class SabotagedFileSystem extends NodeFileSystem {
  readonly #sabotage: Sabotage;

  constructor(sabotage: Sabotage) {
    super();
    this.#sabotage = sabotage;
  }

  override async open(...args: Parameters<FileSystem['open']>): Promise<File> {
    const file = await super.open(...args);
    if (this.#sabotage === 'files' || this.#sabotage === 'all') {
      file.datasync = () => Promise.resolve();
    }
    return file;
  }

  override syncDirectory(path: string): Promise<void> {
    if (this.#sabotage === 'directories' || this.#sabotage === 'all') return Promise.resolve();
    return super.syncDirectory(path);
  }
}
