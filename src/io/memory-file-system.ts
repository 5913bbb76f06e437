/**
 * A file system in memory: the engine of `openStore({ memory: true })`, and for users' tests.
 *
 * It keeps the whole contract of the seam with the errors of Linux, but holds no bytes when the
 * process ends. Every effect happens inside the call, every promise settles in a later microtask:
 * no timers and no chance, so that a program on it does the same thing each time.
 */
import { resolve } from 'node:path';

import { checkInteger } from '../core/assert.ts';
import type {
  DirectoryLock,
  File,
  FileStat,
  FileSystem,
  LockOptions,
  LockState,
  OpenMode,
  Space,
} from './file-system.ts';
import { ioError } from './io-error.ts';
import type { IoOperation } from './io-error.ts';
import { MemoryLock, memoryLockState } from './memory-lock.ts';
import type { MemoryLocks } from './memory-lock.ts';
import { checkPosition, MemoryTree } from './memory-tree.ts';
import type { MemoryFileNode, MemoryNode } from './memory-tree.ts';

/** More than a process can hold: without an option only memory itself is the limit. */
const CAPACITY_BYTES_DEFAULT = 2 ** 40;

export interface MemoryFileSystemOptions {
  /** Bytes that all files may have together, from 0; default 1 TiB. Beyond: `DiskFullError`. */
  readonly capacityBytes?: number;
}

/** A complete `FileSystem` in memory. It starts empty, with a root directory. */
export class MemoryFileSystem implements FileSystem {
  readonly #tree: MemoryTree;
  readonly #locked: MemoryLocks = new Map();
  #openFileCount = 0;

  constructor(options: MemoryFileSystemOptions = {}) {
    const capacityBytes = options.capacityBytes ?? CAPACITY_BYTES_DEFAULT;
    this.#tree = new MemoryTree({
      capacityBytes: checkInteger('capacityBytes', capacityBytes, { min: 0 }),
    });
  }

  /** Files opened and not closed: a test can ask whether all were given back. */
  get openFileCount(): number {
    return this.#openFileCount;
  }

  async realPath(path: string): Promise<string> {
    this.#tree.find({ operation: 'realPath', path });
    return resolve(path);
  }

  async makeDirectory(path: string): Promise<void> {
    this.#tree.makeDirectories({ operation: 'makeDirectory', path });
  }

  async list(path: string): Promise<string[]> {
    return [...this.#tree.findDirectory({ operation: 'list', path }).entries.keys()];
  }

  async stat(path: string): Promise<FileStat> {
    return memoryStat(this.#tree.find({ operation: 'stat', path }));
  }

  async open(path: string, mode: OpenMode): Promise<File> {
    const at = { operation: 'open', path };
    const node = mode === 'create' ? this.#tree.create(at).node : this.#tree.findFile(at);
    this.#openFileCount += 1;
    return new MemoryFile({
      path,
      node,
      tree: this.#tree,
      isWritable: mode !== 'read',
      closed: () => {
        this.#openFileCount -= 1;
      },
    });
  }

  async rename(from: string, to: string): Promise<void> {
    this.#tree.rename({ operation: 'rename', path: from }, to);
  }

  async unlink(path: string): Promise<void> {
    this.#tree.unlink({ operation: 'unlink', path });
  }

  async removeDirectory(path: string): Promise<void> {
    this.#tree.removeDirectory({ operation: 'removeDirectory', path });
  }

  async syncDirectory(path: string): Promise<void> {
    this.#tree.findDirectory({ operation: 'syncDirectory', path });
  }

  async space(path: string): Promise<Space> {
    this.#tree.find({ operation: 'space', path });
    return { freeBytes: this.#tree.freeBytes, totalBytes: this.#tree.capacityBytes };
  }

  async lockDirectory(path: string, { clock }: LockOptions = {}): Promise<DirectoryLock> {
    return new MemoryLock({ tree: this.#tree, locked: this.#locked, path, clock });
  }

  async lockState(path: string): Promise<LockState> {
    return memoryLockState({ tree: this.#tree, locked: this.#locked, path });
  }
}

/** `FileStat` of a node of a memory tree; the device is always 1. */
export function memoryStat(node: MemoryNode): FileStat {
  const identity = `1:${node.id}`;
  if (node.kind === 'directory') {
    return { kind: 'directory', sizeBytes: 0, identity, linkCount: 1, isWritableByOthers: false };
  }
  const { linkCount, bytes } = node;
  const { sizeBytes } = bytes;
  return { kind: 'file', sizeBytes, identity, linkCount, isWritableByOthers: false };
}

interface MemoryFileOptions {
  readonly path: string;
  readonly node: MemoryFileNode;
  readonly tree: MemoryTree;
  readonly isWritable: boolean;
  readonly closed: () => void;
}

class MemoryFile implements File {
  readonly path: string;
  readonly #node: MemoryFileNode;
  readonly #tree: MemoryTree;
  readonly #isWritable: boolean;
  readonly #closed: () => void;
  #isOpen = true;

  constructor(options: MemoryFileOptions) {
    this.path = options.path;
    this.#node = options.node;
    this.#tree = options.tree;
    this.#isWritable = options.isWritable;
    this.#closed = options.closed;
    this.#tree.opened(this.#node);
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    return this.readSync(into, position);
  }

  readSync(into: Uint8Array, position: number): number {
    const at = this.#at('read', position);
    this.#ensureOpen(at);
    return this.#node.bytes.read(into, checkPosition(at));
  }

  async write(from: Uint8Array, position: number): Promise<number> {
    return this.writeSync(from, position);
  }

  writeSync(from: Uint8Array, position: number): number {
    const at = this.#at('write', position);
    this.#ensureOpen(at);
    if (!this.#isWritable) throw ioError('EBADF', at);
    return this.#tree.write(this.#node, from, at);
  }

  async datasync(): Promise<void> {
    this.#ensureOpen(this.#at('datasync'));
  }

  async truncate(sizeBytes: number): Promise<void> {
    const at = this.#at('truncate');
    this.#ensureOpen(at);
    if (!this.#isWritable) throw ioError('EINVAL', at); // What ftruncate(2) says, unlike write(2).
    this.#tree.truncate(this.#node, sizeBytes, at);
  }

  async stat(): Promise<FileStat> {
    this.#ensureOpen(this.#at('stat'));
    return memoryStat(this.#node);
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#tree.closed(this.#node);
    this.#closed();
  }

  #at(operation: string, position?: number): IoOperation {
    return position === undefined
      ? { operation, path: this.path }
      : { operation, path: this.path, position };
  }

  #ensureOpen(at: IoOperation): void {
    if (!this.#isOpen) throw ioError('EBADF', at);
  }
}
