/** Stops whoever uses a file system at one of its calls, before it takes effect or after, and lets others go on. */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { File, FileSystem } from '../../src/io/file-system.ts';
import { ioError } from '../../src/io/io-error.ts';
import { turns } from './log-fixture.ts';

/** Turns of the event loop in which whatever can go on has done so. */
const TURNS = 20;

/** One that uses the file system, and where it stops. */
export class Actor {
  /** Whether it has come there. */
  isStopped = false;
  readonly #stopAt: number;
  #places = 0;
  #release: () => void = () => undefined;

  /** @param stopAt  counted from 0: twice the number of the call, one more for behind it; null = nowhere */
  constructor(stopAt: number | null) {
    this.#stopAt = stopAt ?? -1;
  }

  /** Lets it go on. */
  resume(): void {
    this.#release();
  }

  async pass(): Promise<void> {
    if (this.#places++ !== this.#stopAt) return;
    this.isStopped = true;
    await new Promise<void>((resolve) => {
      this.#release = resolve;
    });
  }
}

/** One for all: each that there is costs every promise something. */
const actors = new AsyncLocalStorage<Actor>();

export class StoppedCalls {
  /** Takes over the calls of a file system, and of files opened from now on. */
  constructor(fileSystem: FileSystem) {
    const open = fileSystem.open.bind(fileSystem);
    const stat = fileSystem.stat.bind(fileSystem);
    const list = fileSystem.list.bind(fileSystem);
    const rename = fileSystem.rename.bind(fileSystem);
    const syncDirectory = fileSystem.syncDirectory.bind(fileSystem);
    fileSystem.open = async (...args) => this.#takeOver(await this.#call(() => open(...args)));
    fileSystem.stat = (...args) => this.#call(() => stat(...args));
    fileSystem.list = (...args) => this.#call(() => list(...args));
    fileSystem.rename = (...args) => this.#call(() => rename(...args));
    fileSystem.syncDirectory = (...args) => this.#call(() => syncDirectory(...args));
  }

  /** Begins work of an actor; resolves when it has stopped, has ended, or waits for another one. */
  async start<T>(actor: Actor, work: () => Promise<T>): Promise<{ readonly ended: Promise<T> }> {
    const ended = actors.run(actor, work);
    ended.catch(() => undefined); // Whoever waits for it is told.
    await turns(TURNS);
    return { ended };
  }

  #takeOver(file: File): File {
    const read = file.read.bind(file);
    const readSync = file.readSync.bind(file);
    const stat = file.stat.bind(file);
    file.read = (...args) => this.#call(() => read(...args));
    file.stat = () => this.#call(() => stat());
    // The calling thread cannot stop: an actor leaves them to the thread pool.
    file.readSync = (into, position) => {
      if (actors.getStore() === undefined) return readSync(into, position);
      throw ioError('EAGAIN', { operation: 'read', path: file.path, position });
    };
    return file;
  }

  async #call<T>(call: () => Promise<T>): Promise<T> {
    const actor = actors.getStore();
    await actor?.pass();
    const result = await call();
    await actor?.pass();
    return result;
  }
}
