/** Open files for reading, shared and kept for the next reader; bounded by count. */
import { LRUCache } from 'lru-cache';
import type { File, FileSystem } from '../io/file-system.ts';

class Handle {
  readonly file: Promise<File>;
  /** The file once it is open. */
  opened: File | null = null;
  users = 0;
  isEvicted = false;

  constructor(file: Promise<File>) {
    this.file = file;
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
  release(): void;
}

export class HandleCache {
  readonly #fileSystem: FileSystem;
  readonly #handles: LRUCache<string, Handle>;
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
    let handle = this.#handles.get(path);
    if (handle === undefined) {
      handle = new Handle(this.#fileSystem.open(path, 'read'));
      if (this.#isClosed) handle.isEvicted = true;
      else this.#handles.set(path, handle);
    }
    handle.users++;
    const lease = this.#lease(handle);
    try {
      handle.opened = await handle.file;
      return { ...lease, file: handle.opened };
    } catch (error) {
      lease.release();
      if (this.#handles.peek(path) === handle) this.#handles.delete(path);
      throw error;
    }
  }

  /** The file, if it is open, for use within this turn: nobody closes it before; null = `acquire` it. */
  openFile(path: string): File | null {
    return this.#handles.get(path)?.opened ?? null;
  }

  /** Drops the file of a deleted segment; those who use it keep it until they release it. */
  forget(path: string): void {
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
    this.clear();
    await Promise.allSettled(this.#closing);
  }

  #lease(handle: Handle): { release(): void } {
    let isReleased = false;
    return {
      release: () => {
        if (isReleased) return;
        isReleased = true;
        handle.users--;
        this.#close(handle);
      },
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
