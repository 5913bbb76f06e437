/**
 * Names, directories and space of an in-memory file system, with the errors of a real one.
 *
 * Synchronous and free of policy: `MemoryFileSystem` puts promises around it, and the faulty twin
 * of the tests adds what survives a power cut.
 */
import { parse, resolve, sep } from 'node:path';

import { assert } from '../core/assert.ts';
import { GrowableBytes } from './growable-bytes.ts';
import { ioError } from './io-error.ts';
import type { IoOperation } from './io-error.ts';

/** Largest file. A segment is at most 1 GiB; one array of JavaScript holds this much. */
export const MEMORY_FILE_BYTES_MAX = 2 ** 31 - 1;
/** Bytes a name may have on the usual file systems. */
const NAME_BYTES_MAX = 255;

/** A file: what an open handle holds on to, whatever happens to its name. */
export interface MemoryFileNode {
  readonly kind: 'file';
  readonly id: number;
  readonly bytes: GrowableBytes;
  linkCount: number;
  /** Open handles. A file without names goes when the last one is closed. */
  openCount: number;
}

export interface MemoryDirectoryNode {
  readonly kind: 'directory';
  readonly id: number;
  readonly entries: Map<string, MemoryNode>;
}

export type MemoryNode = MemoryFileNode | MemoryDirectoryNode;

/** A name in a directory, whether or not something has it. */
export interface MemoryPlace {
  readonly directory: MemoryDirectoryNode;
  readonly name: string;
}

/** What a change of names did, for those who keep a record of it. */
export interface MemoryMove {
  readonly node: MemoryNode;
  readonly from: MemoryPlace;
  readonly to: MemoryPlace;
  /** What had the new name before. */
  readonly replaced: MemoryNode | null;
}

export interface MemoryTreeOptions {
  /** Bytes that all files may have together; holes count as if written. */
  readonly capacityBytes: number;
}

/** The tree of one file system. Starts with the root directory alone. */
export class MemoryTree {
  readonly root: MemoryDirectoryNode;
  /** May be changed at any time; a value below `usedBytes` means a full disk. */
  capacityBytes: number;
  #usedBytes = 0;
  #nextId = 1;

  constructor(options: MemoryTreeOptions) {
    this.capacityBytes = options.capacityBytes;
    this.root = this.newDirectory();
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  get freeBytes(): number {
    return Math.max(0, this.capacityBytes - this.#usedBytes);
  }

  /** A directory without a name yet. `id` is given only to rebuild a tree from another. */
  newDirectory(id: number = this.#nextId): MemoryDirectoryNode {
    this.#nextId = Math.max(this.#nextId, id + 1);
    return { kind: 'directory', id, entries: new Map() };
  }

  /** A file without a name yet. `id` and `bytes` are given only to rebuild a tree from another. */
  newFile(id: number = this.#nextId, bytes: GrowableBytes = new GrowableBytes()): MemoryFileNode {
    this.#nextId = Math.max(this.#nextId, id + 1);
    this.#usedBytes += bytes.sizeBytes;
    return { kind: 'file', id, bytes, linkCount: 0, openCount: 0 };
  }

  /** Gives a node its name; the caller has made sure that the name is free. */
  place(node: MemoryNode, at: MemoryPlace): void {
    assert(!at.directory.entries.has(at.name), 'the name is free');
    at.directory.entries.set(at.name, node);
    if (node.kind === 'file') node.linkCount += 1;
  }

  /** @throws IoError ENOENT, ENOTDIR */
  find(at: IoOperation): MemoryNode {
    let node: MemoryNode = this.root;
    for (const name of namesOf(at)) {
      if (node.kind !== 'directory') throw ioError('ENOTDIR', at);
      const next: MemoryNode | undefined = node.entries.get(name);
      if (next === undefined) throw ioError('ENOENT', at);
      node = next;
    }
    return node;
  }

  /** @throws IoError ENOENT, EISDIR */
  findFile(at: IoOperation): MemoryFileNode {
    const node = this.find(at);
    if (node.kind !== 'file') throw ioError('EISDIR', at);
    return node;
  }

  /** @throws IoError ENOENT, ENOTDIR */
  findDirectory(at: IoOperation): MemoryDirectoryNode {
    const node = this.find(at);
    if (node.kind !== 'directory') throw ioError('ENOTDIR', at);
    return node;
  }

  /** Creates a file. @throws IoError EEXIST, ENOENT, ENOTDIR */
  create(at: IoOperation): { readonly node: MemoryFileNode; readonly place: MemoryPlace } {
    const place = this.#placeOf(at);
    if (place === null || place.directory.entries.has(place.name)) throw ioError('EEXIST', at);
    const node = this.newFile();
    this.place(node, place);
    return { node, place };
  }

  /** Creates what is missing of a path of directories, and returns that, outermost first. */
  makeDirectories(
    at: IoOperation,
  ): { readonly node: MemoryDirectoryNode; readonly place: MemoryPlace }[] {
    const made: { node: MemoryDirectoryNode; place: MemoryPlace }[] = [];
    const names = namesOf(at);
    let directory = this.root;
    for (const [depth, name] of names.entries()) {
      const existing = directory.entries.get(name);
      if (existing?.kind === 'file') {
        throw ioError(depth === names.length - 1 ? 'EEXIST' : 'ENOTDIR', at);
      }
      const place = { directory, name };
      const node = existing ?? this.newDirectory();
      if (existing === undefined) {
        this.place(node, place);
        made.push({ node, place });
      }
      directory = node;
    }
    return made;
  }

  /** Moves a name; null when there was nothing to do. @throws IoError as rename(2) */
  rename(at: IoOperation, toPath: string): MemoryMove | null {
    const from = this.#placeOf(at);
    const to = this.#placeOf({ ...at, path: toPath });
    if (from === null || to === null) throw ioError('EBUSY', at);
    const node = from.directory.entries.get(from.name);
    if (node === undefined) throw ioError('ENOENT', at);
    const replaced = to.directory.entries.get(to.name) ?? null;
    if (replaced === node) return null;
    if (node.kind === 'directory' && contains(node, to.directory)) throw ioError('EINVAL', at);
    // Before anything else is looked at, as Linux has it.
    const isAbove = replaced?.kind === 'directory' && contains(replaced, from.directory);
    if (isAbove) throw ioError('ENOTEMPTY', at);
    if (replaced !== null) checkReplaceable(node, replaced, at);
    from.directory.entries.delete(from.name);
    to.directory.entries.set(to.name, node);
    if (replaced?.kind === 'file') this.#dropLink(replaced);
    return { node, from, to, replaced };
  }

  /** Removes a file's name. @throws IoError ENOENT, EISDIR */
  unlink(at: IoOperation): { readonly node: MemoryFileNode; readonly place: MemoryPlace } {
    const place = this.#placeOf(at);
    if (place === null) throw ioError('EISDIR', at);
    const node = place.directory.entries.get(place.name);
    if (node === undefined) throw ioError('ENOENT', at);
    if (node.kind !== 'file') throw ioError('EISDIR', at);
    place.directory.entries.delete(place.name);
    this.#dropLink(node);
    return { node, place };
  }

  /** Removes an empty directory. @throws IoError ENOENT, ENOTDIR, ENOTEMPTY, EBUSY for the root */
  removeDirectory(at: IoOperation): {
    readonly node: MemoryDirectoryNode;
    readonly place: MemoryPlace;
  } {
    const place = this.#placeOf(at);
    if (place === null) throw ioError('EBUSY', at);
    const node = place.directory.entries.get(place.name);
    if (node === undefined) throw ioError('ENOENT', at);
    if (node.kind !== 'directory') throw ioError('ENOTDIR', at);
    if (node.entries.size > 0) throw ioError('ENOTEMPTY', at);
    place.directory.entries.delete(place.name);
    return { node, place };
  }

  /**
   * Writes what there is room for and returns the count, as a kernel does.
   *
   * @throws DiskFullError when not one byte fits, or the file would be too large
   */
  write(node: MemoryFileNode, from: Uint8Array, at: IoOperation): number {
    const position = checkPosition(at);
    if (from.length === 0) return 0;
    const end = position + from.length;
    if (end > MEMORY_FILE_BYTES_MAX) throw ioError('EFBIG', at);
    const growthBytes = Math.max(0, end - node.bytes.sizeBytes);
    const missingBytes = Math.max(0, growthBytes - this.freeBytes);
    const count = from.length - missingBytes;
    if (count <= 0) throw ioError('ENOSPC', at);
    node.bytes.write(count === from.length ? from : from.subarray(0, count), position);
    this.#usedBytes += growthBytes - missingBytes;
    return count;
  }

  /** Cuts a file or extends it by zeros. @throws DiskFullError when there is no room to extend */
  truncate(node: MemoryFileNode, sizeBytes: number, at: IoOperation): void {
    assert(Number.isSafeInteger(sizeBytes) && sizeBytes >= 0, 'a size is an integer from 0');
    if (sizeBytes > MEMORY_FILE_BYTES_MAX) throw ioError('EFBIG', at);
    const growthBytes = sizeBytes - node.bytes.sizeBytes;
    if (growthBytes > this.freeBytes) throw ioError('ENOSPC', at);
    node.bytes.resize(sizeBytes);
    this.#usedBytes += growthBytes;
  }

  opened(node: MemoryFileNode): void {
    node.openCount += 1;
  }

  closed(node: MemoryFileNode): void {
    assert(node.openCount > 0, 'a file is closed once per handle');
    node.openCount -= 1;
    this.#freeIfGone(node);
  }

  #dropLink(node: MemoryFileNode): void {
    node.linkCount -= 1;
    this.#freeIfGone(node);
  }

  #freeIfGone(node: MemoryFileNode): void {
    if (node.linkCount === 0 && node.openCount === 0) this.#usedBytes -= node.bytes.sizeBytes;
  }

  /** Where a path's last name stands; null for the root. */
  #placeOf(at: IoOperation): MemoryPlace | null {
    const names = namesOf(at);
    const name = names.pop();
    if (name === undefined) return null;
    let directory = this.root;
    for (const parent of names) {
      const next = directory.entries.get(parent);
      if (next === undefined) throw ioError('ENOENT', at);
      if (next.kind !== 'directory') throw ioError('ENOTDIR', at);
      directory = next;
    }
    return { directory, name };
  }
}

/** Throws unless the position of an operation is one that a file can have. */
export function checkPosition(at: IoOperation): number {
  const position = at.position ?? -1;
  assert(Number.isSafeInteger(position) && position >= 0, 'a position is an integer from 0');
  return position;
}

function namesOf(at: IoOperation): string[] {
  if (at.path.includes('\0')) throw ioError('EINVAL', at);
  const absolute = resolve(at.path);
  const names = absolute.slice(parse(absolute).root.length).split(sep);
  for (const name of names) {
    // A name of fewer characters cannot have too many bytes.
    if (name.length > NAME_BYTES_MAX / 4 && Buffer.byteLength(name) > NAME_BYTES_MAX) {
      throw ioError('ENAMETOOLONG', at);
    }
  }
  return names.filter((name) => name !== '');
}

function contains(ancestor: MemoryDirectoryNode, directory: MemoryDirectoryNode): boolean {
  if (ancestor === directory) return true;
  for (const child of ancestor.entries.values()) {
    if (child.kind === 'directory' && contains(child, directory)) return true;
  }
  return false;
}

function checkReplaceable(node: MemoryNode, replaced: MemoryNode, at: IoOperation): void {
  if (replaced.kind === 'file') {
    if (node.kind === 'directory') throw ioError('ENOTDIR', at);
    return;
  }
  if (node.kind === 'file') throw ioError('EISDIR', at);
  if (replaced.entries.size > 0) throw ioError('ENOTEMPTY', at);
}
