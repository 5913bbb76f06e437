/**
 * Open files for reading, shared and kept for the next reader; bounded by count.
 *
 * While another file is put under the name of one (`pin`), whoever asks gets the one that was there.
 */
import { LRUCache } from 'lru-cache';
import type { File, FileSystem } from '../io/file-system.ts';

class Handle {
  readonly file: Promise<File>;
  /** The file once it is open. */
  opened: File | null = null;
  users = 0;
  isEvicted = false;
  #identity: Promise<string> | null = null;

  constructor(file: Promise<File>) {
    this.file = file;
  }

  identity(): Promise<string> {
    this.#identity ??= this.file.then(async (file) => (await file.stat()).identity);
    return this.#identity;
  }

  closeIfUnused(): Promise<void> | null {
    if (this.users > 0 || !this.isEvicted) return null;
    return this.file.then(
      (file) => file.close(),
      () => undefined, // It was never open.
    );
  }
}

/** A file in use. Release it once. */
export interface FileLease {
  readonly file: File;
  /** Of the file, as `FileStat.identity`. @throws IoError */
  identity(): Promise<string>;
  release(): void;
}

export class HandleCache {
  readonly #fileSystem: FileSystem;
  readonly #handles: LRUCache<string, Handle>;
  /** Those that are being opened: also one that is evicted meanwhile is the one of its name. */
  readonly #opening = new Map<string, Handle>();
  readonly #pins = new Map<string, { readonly handle: Handle; readonly end: () => void }>();
  readonly #closing = new Set<Promise<void>>();
  #isClosed = false;

  constructor(fileSystem: FileSystem, openFilesMax: number) {
    this.#fileSystem = fileSystem;
    this.#handles = new LRUCache({
      max: openFilesMax,
      dispose: (handle) => {
        handle.isEvicted = true;
        this.#close(handle);
      },
    });
  }

  /** Opens the file or takes the open one. @throws IoError */
  async acquire(path: string): Promise<FileLease> {
    const handle = this.#take(path);
    const release = this.#releaseOf(handle);
    try {
      const file = await this.#opened(path, handle);
      return { file, identity: () => handle.identity(), release };
    } catch (error) {
      release();
      throw error;
    }
  }

  /**
   * Opens the file or takes the open one, and gives it to whoever asks for its name, also when another file
   * stands under that by now. One at a time for a name.
   *
   * @returns ends it: who comes next opens what is there then; those who have the file keep it
   * @throws IoError
   */
  async pin(path: string): Promise<() => void> {
    const handle = this.#take(path);
    const release = this.#releaseOf(handle);
    const end = () => {
      this.#pins.delete(path);
      this.forget(path);
      release();
    };
    this.#pins.set(path, { handle, end });
    try {
      await this.#opened(path, handle);
      return end;
    } catch (error) {
      end();
      throw error;
    }
  }

  /** The file, if it is open, for use within this turn: nobody closes it before; null = `acquire` it. */
  openFile(path: string): File | null {
    return this.#kept(path)?.opened ?? null;
  }

  /** Drops the file of a deleted segment; those who use it keep it until they release it. */
  forget(path: string): void {
    this.#opening.delete(path);
    this.#handles.delete(path);
  }

  /** Files that are kept. */
  get openCount(): number {
    return this.#handles.size;
  }

  /** Keeps none of them any longer. */
  clear(): void {
    this.#handles.clear();
  }

  /** Closes all files, each when its last user is done; what is opened later is not kept. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { end } of this.#pins.values()) end();
    this.clear();
    await Promise.allSettled(this.#closing);
  }

  #kept(path: string): Handle | undefined {
    return this.#pins.get(path)?.handle ?? this.#handles.get(path);
  }

  /** The handle of that name, with one user more. */
  #take(path: string): Handle {
    let handle = this.#kept(path) ?? this.#opening.get(path);
    if (handle === undefined) {
      handle = new Handle(this.#fileSystem.open(path, 'read'));
      this.#opening.set(path, handle);
      if (this.#isClosed) handle.isEvicted = true;
      else this.#handles.set(path, handle);
    }
    handle.users++;
    return handle;
  }

  async #opened(path: string, handle: Handle): Promise<File> {
    try {
      handle.opened = await handle.file;
      return handle.opened;
    } catch (error) {
      if (this.#handles.peek(path) === handle) this.#handles.delete(path);
      throw error;
    } finally {
      if (this.#opening.get(path) === handle) this.#opening.delete(path);
    }
  }

  #releaseOf(handle: Handle): () => void {
    let isReleased = false;
    return () => {
      if (isReleased) return;
      isReleased = true;
      handle.users--;
      this.#close(handle);
    };
  }

  #close(handle: Handle): void {
    const closing = handle.closeIfUnused();
    if (closing !== null) void this.#track(closing);
  }

  /** Nothing was written through the file: a close that fails loses nothing. */
  async #track(closing: Promise<void>): Promise<void> {
    this.#closing.add(closing);
    await Promise.allSettled([closing]);
    this.#closing.delete(closing);
  }
}
