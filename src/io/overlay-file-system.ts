/**
 * A file system over another one: reads show it, writes stay in memory and never reach it.
 *
 * What a program would do to a disk can so be tried out and looked at: the dry run of a repair is
 * the repair itself, on an overlay.
 *
 * Memory: what was written. Durability: none. For one user at a time, over files that nobody else
 * changes meanwhile.
 */
import { dirname, basename } from 'node:path';
import { isIoError } from '../core/errors.ts';
import type {
  DirectoryLock,
  File,
  FileStat,
  FileSystem,
  LockState,
  OpenMode,
  Space,
} from './file-system.ts';
import { ioError } from './io-error.ts';

/** Bytes that were written, and where. */
interface Patch {
  readonly position: number;
  readonly bytes: Uint8Array;
}

/** A file that was opened for writing. */
interface OverlayNode {
  readonly id: number;
  /** The file below, whose first `baseBytes` bytes still show; null for a new file. */
  readonly basePath: string | null;
  baseBytes: number;
  sizeBytes: number;
  /** Later ones lie on top. */
  patches: Patch[];
}

export class OverlayFileSystem implements FileSystem {
  readonly #base: FileSystem;
  /** By path; null: removed. What is not here is as below. */
  readonly #nodes = new Map<string, OverlayNode | null>();
  readonly #directories = new Set<string>();
  #nodeCount = 0;

  constructor(base: FileSystem) {
    this.#base = base;
  }

  realPath(path: string): Promise<string> {
    return this.#base.realPath(path);
  }

  async makeDirectory(path: string): Promise<void> {
    if (!(await this.#exists(path))) this.#directories.add(path);
  }

  async list(path: string): Promise<string[]> {
    if (this.#nodes.get(path) === null && !this.#directories.has(path)) {
      throw ioError('ENOENT', { operation: 'list', path });
    }
    const names = new Set(this.#directories.has(path) ? [] : await this.#base.list(path));
    for (const [nodePath, node] of this.#nodes) {
      if (dirname(nodePath) !== path) continue;
      if (node === null) names.delete(basename(nodePath));
      else names.add(basename(nodePath));
    }
    for (const made of this.#directories) if (dirname(made) === path) names.add(basename(made));
    return [...names];
  }

  async stat(path: string): Promise<FileStat> {
    if (this.#directories.has(path)) {
      const identity = `overlay:${path}`;
      return { kind: 'directory', sizeBytes: 0, identity, linkCount: 1, isWritableByOthers: false };
    }
    const node = this.#nodes.get(path);
    if (node === undefined) return this.#base.stat(path);
    if (node === null) throw ioError('ENOENT', { operation: 'stat', path });
    return statOf(node);
  }

  async open(path: string, mode: OpenMode): Promise<File> {
    if (mode === 'create' && (await this.#exists(path))) {
      throw ioError('EEXIST', { operation: 'open', path });
    }
    if (mode === 'read' && !this.#nodes.has(path)) return this.#base.open(path, 'read');
    const node = mode === 'create' ? this.#create(path) : await this.#node(path, 'open');
    const below = node.basePath === null ? null : await this.#base.open(node.basePath, 'read');
    return new OverlayFile(path, node, below);
  }

  async rename(from: string, to: string): Promise<void> {
    const node = await this.#node(from, 'rename');
    this.#nodes.set(from, null); // First: both may be the same name.
    this.#nodes.set(to, node);
  }

  async unlink(path: string): Promise<void> {
    await this.#node(path, 'unlink');
    this.#nodes.set(path, null);
  }

  async removeDirectory(path: string): Promise<void> {
    const at = { operation: 'removeDirectory', path };
    if ((await this.stat(path)).kind !== 'directory') throw ioError('ENOTDIR', at);
    if ((await this.list(path)).length > 0) throw ioError('ENOTEMPTY', at);
    this.#directories.delete(path);
    this.#nodes.set(path, null);
  }

  async syncDirectory(): Promise<void> {}

  space(path: string): Promise<Space> {
    return this.#base.space(path);
  }

  /** Excludes nobody: nothing is written that another process could see. */
  async lockDirectory(): Promise<DirectoryLock> {
    return {
      mechanism: 'none',
      takenOver: null,
      verify: async () => {},
      onLost: () => {},
      release: async () => {},
    };
  }

  lockState(path: string): Promise<LockState> {
    return this.#base.lockState(path);
  }

  async #exists(path: string): Promise<boolean> {
    try {
      await this.stat(path);
      return true;
    } catch (error) {
      if (isIoError(error, 'ENOENT')) return false;
      throw error;
    }
  }

  #create(path: string): OverlayNode {
    const node = { id: ++this.#nodeCount, basePath: null, baseBytes: 0, sizeBytes: 0, patches: [] };
    this.#nodes.set(path, node);
    return node;
  }

  /** The node of a file, made from the one below when it is touched first. */
  async #node(path: string, operation: string): Promise<OverlayNode> {
    const known = this.#nodes.get(path);
    if (known === null) throw ioError('ENOENT', { operation, path });
    if (known !== undefined) return known;
    const { sizeBytes } = await this.#base.stat(path);
    const id = ++this.#nodeCount;
    const node = { id, basePath: path, baseBytes: sizeBytes, sizeBytes, patches: [] };
    this.#nodes.set(path, node);
    return node;
  }
}

function statOf(node: OverlayNode): FileStat {
  const { id, sizeBytes } = node;
  const identity = `overlay:${id}`;
  return { kind: 'file', sizeBytes, identity, linkCount: 1, isWritableByOthers: false };
}

class OverlayFile implements File {
  readonly path: string;
  readonly #node: OverlayNode;
  readonly #below: File | null;

  constructor(path: string, node: OverlayNode, below: File | null) {
    this.path = path;
    this.#node = node;
    this.#below = below;
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    const wanted = this.#begin(into, position);
    const shown = wanted.subarray(0, Math.max(0, this.#node.baseBytes - position));
    if (shown.length > 0) await this.#below?.read(shown, position);
    return this.#finish(wanted, position);
  }

  readSync(into: Uint8Array, position: number): number {
    const wanted = this.#begin(into, position);
    const shown = wanted.subarray(0, Math.max(0, this.#node.baseBytes - position));
    if (shown.length > 0) this.#below?.readSync(shown, position);
    return this.#finish(wanted, position);
  }

  async write(from: Uint8Array, position: number): Promise<number> {
    return this.writeSync(from, position);
  }

  writeSync(from: Uint8Array, position: number): number {
    const node = this.#node;
    node.patches.push({ position, bytes: new Uint8Array(from) });
    node.sizeBytes = Math.max(node.sizeBytes, position + from.length);
    return from.length;
  }

  async datasync(): Promise<void> {}

  async truncate(sizeBytes: number): Promise<void> {
    const node = this.#node;
    node.sizeBytes = sizeBytes;
    node.baseBytes = Math.min(node.baseBytes, sizeBytes);
    node.patches = node.patches
      .filter(({ position }) => position < sizeBytes)
      .map(({ position, bytes }) => ({ position, bytes: bytes.subarray(0, sizeBytes - position) }));
  }

  async stat(): Promise<FileStat> {
    return statOf(this.#node);
  }

  async close(): Promise<void> {
    await this.#below?.close();
  }

  /** The part of `into` that lies within the file, as a hole. */
  #begin(into: Uint8Array, position: number): Uint8Array {
    return into.subarray(0, Math.max(0, this.#node.sizeBytes - position)).fill(0);
  }

  #finish(wanted: Uint8Array, position: number): number {
    const end = position + wanted.length;
    for (const patch of this.#node.patches) {
      const from = Math.max(position, patch.position);
      const to = Math.min(end, patch.position + patch.bytes.length);
      if (from >= to) continue;
      const piece = patch.bytes.subarray(from - patch.position, to - patch.position);
      wanted.set(piece, from - position);
    }
    return wanted.length;
  }
}
