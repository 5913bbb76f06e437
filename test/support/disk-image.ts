/**
 * A disk with a page cache in front of it: the state behind `FaultyFileSystem`.
 *
 * The cache is a `MemoryTree`, which reads see; `FileImage` and `NameImage` know how much of it
 * is on the disk. Nothing here waits, fails by chance or counts calls.
 */
import { IoError } from '../../src/core/errors.ts';
import type { Random } from '../../src/core/random.ts';
import { ioError } from '../../src/io/io-error.ts';
import type { IoOperation } from '../../src/io/io-error.ts';
import { MemoryTree } from '../../src/io/memory-tree.ts';
import type { MemoryDirectoryNode, MemoryFileNode, MemoryNode } from '../../src/io/memory-tree.ts';
import { fileSurvivalOf, nameSurvivalOf } from './crash-choice.ts';
import type { CrashChoice } from './crash-choice.ts';
import { cloneDisk } from './disk-clone.ts';
import { FileImage } from './file-image.ts';
import type { DiskContent, Geometry, UnsyncedChange } from './file-image.ts';
import { NameImage } from './name-image.ts';
import type { DirectoryMode, NameChange, NameKind } from './name-image.ts';

export interface DiskOptions extends Geometry {
  readonly directoryMode: DirectoryMode;
  readonly capacityBytes: number;
  /** Whether a full disk refuses new names too, as xfs does and ext4 does not. */
  readonly newNamesNeedSpace: boolean;
}

const DISK_DEFAULTS: DiskOptions = {
  sectorBytes: 512,
  directoryMode: 'strict',
  capacityBytes: 2 ** 40,
  newNamesNeedSpace: false,
};

/** What is not said is as most tests want it. */
export function diskOptionsOf(options: Partial<DiskOptions>): DiskOptions {
  const { sectorBytes, blockBytes, directoryMode, capacityBytes, newNamesNeedSpace } = options;
  return {
    sectorBytes: sectorBytes ?? DISK_DEFAULTS.sectorBytes,
    ...(blockBytes === undefined ? {} : { blockBytes }),
    directoryMode: directoryMode ?? DISK_DEFAULTS.directoryMode,
    capacityBytes: capacityBytes ?? DISK_DEFAULTS.capacityBytes,
    newNamesNeedSpace: newNamesNeedSpace ?? DISK_DEFAULTS.newNamesNeedSpace,
  };
}

export class DiskImage {
  readonly options: DiskOptions;
  readonly tree: MemoryTree;
  readonly names: NameImage;
  /** By node id. */
  readonly files = new Map<number, FileImage>();
  nextChangeId = 1;

  constructor(options: DiskOptions) {
    this.options = options;
    this.tree = new MemoryTree(options);
    this.names = new NameImage(options.directoryMode);
  }

  file(node: MemoryFileNode): FileImage {
    const known = this.files.get(node.id);
    if (known !== undefined) return known;
    const file = new FileImage(node, this.options);
    this.files.set(node.id, file);
    return file;
  }

  /** Writes what there is room for; the change is null when nothing had to be written. */
  write(
    file: FileImage,
    from: Uint8Array,
    at: IoOperation,
  ): { readonly count: number; readonly change: UnsyncedChange | null } {
    const sizeBefore = file.node.bytes.sizeBytes;
    const count = this.tree.write(file.node, from, at);
    if (count === 0) return { count, change: null };
    const { path, position = 0 } = at;
    const what = { id: this.#newId(), path, position, length: count };
    return { count, change: file.wrote(what, sizeBefore) };
  }

  truncate(file: FileImage, sizeBytes: number, at: IoOperation): UnsyncedChange {
    const sizeBefore = file.node.bytes.sizeBytes;
    this.tree.truncate(file.node, sizeBytes, at);
    const what = { id: this.#newId(), path: at.path, position: sizeBytes, length: 0 };
    return file.truncated(what, sizeBefore);
  }

  create(at: IoOperation): { readonly file: FileImage; readonly change: NameChange } {
    this.#checkRoomForName(at);
    const { node, place } = this.tree.create(at);
    const change = this.#record('create', at.path, { node, from: null, to: place });
    return { file: this.file(node), change };
  }

  makeDirectory(at: IoOperation): readonly NameChange[] {
    if (this.options.newNamesNeedSpace && this.#find(at) === null) this.#checkRoomForName(at);
    return this.tree
      .makeDirectories(at)
      .map(({ node, place }) => this.#record('mkdir', at.path, { node, from: null, to: place }));
  }

  rename(at: IoOperation, to: string): NameChange | null {
    const move = this.tree.rename(at, to);
    return move === null ? null : this.#record('rename', at.path, move);
  }

  unlink(at: IoOperation): NameChange {
    const { node, place } = this.tree.unlink(at);
    return this.#record('unlink', at.path, { node, from: place, to: null });
  }

  removeDirectory(at: IoOperation): NameChange {
    const { node, place } = this.tree.removeDirectory(at);
    return this.#record('rmdir', at.path, { node, from: place, to: null });
  }

  /** A datasync that was called when `covered` had settled takes effect. */
  datasync(file: FileImage, covered: readonly UnsyncedChange[]): void {
    file.persist(covered);
    this.names.syncNode(file.node);
  }

  /**
   * A datasync fails: what it should have written is clean and lost. With `random`, a legal part
   * of it reached the disk before the failure.
   */
  failDatasync(file: FileImage, random: Random | null): void {
    file.lose(random === null ? null : fileSurvivalOf({}, random)());
  }

  /** Changes of a directory's names that a sync of it called now has to make durable. */
  settledNames(path: string): readonly NameChange[] {
    const node = this.#find({ operation: 'syncDirectory', path });
    return node?.kind === 'directory' ? this.names.settledChanges(node) : [];
  }

  /** Everything that a power cut now could take away, in the order it was done. */
  unsynced(): readonly (UnsyncedChange | NameChange)[] {
    const changes: (UnsyncedChange | NameChange)[] = [...this.names.changes];
    for (const file of this.files.values()) changes.push(...file.changes);
    return changes.sort((one, other) => one.id - other.id);
  }

  /** An independent copy: cache, disk and what is between them; no open files. */
  clone(): DiskImage {
    return cloneDisk(this, new DiskImage(this.options));
  }

  /** What is on the disk after a power cut now; cache and disk are the same there. */
  powerCut(choice: CrashChoice, random: Random): DiskImage {
    const disk = new DiskImage(this.options);
    disk.tree.capacityBytes = this.tree.capacityBytes;
    const names = this.names.survivors(nameSurvivalOf(choice, random));
    const survivalOf = fileSurvivalOf(choice, random);
    const fill = (from: MemoryDirectoryNode, to: MemoryDirectoryNode): void => {
      for (const [name, node] of names.get(from) ?? new Map<string, MemoryNode>()) {
        const copy =
          node.kind === 'directory'
            ? disk.tree.newDirectory(node.id)
            : disk.#fileFrom(node.id, this.file(node).contentAfter(survivalOf()));
        disk.tree.place(copy, { directory: to, name });
        if (node.kind === 'directory' && copy.kind === 'directory') fill(node, copy);
      }
      disk.names.durable.set(to, new Map<string, MemoryNode>(to.entries));
    };
    fill(this.tree.root, disk.tree.root);
    disk.nextChangeId = this.nextChangeId;
    return disk;
  }

  /** A file that is on this disk, and not in the cache yet. */
  #fileFrom(id: number, content: DiskContent): MemoryFileNode {
    const cache = content.bytes.clone();
    cache.resize(content.sizeBytes);
    const node = this.tree.newFile(id, cache);
    this.file(node).holds(content);
    return node;
  }

  #record(
    kind: NameKind,
    path: string,
    what: Pick<NameChange, 'node' | 'from' | 'to'>,
  ): NameChange {
    const { node, from, to } = what;
    return this.names.record({ id: this.#newId(), kind, path, node, from, to });
  }

  #checkRoomForName(at: IoOperation): void {
    if (this.options.newNamesNeedSpace && this.tree.freeBytes === 0) throw ioError('ENOSPC', at);
  }

  #find(at: IoOperation): MemoryNode | null {
    try {
      return this.tree.find(at);
    } catch (error) {
      if (error instanceof IoError) return null;
      throw error;
    }
  }

  #newId(): number {
    const id = this.nextChangeId;
    this.nextChangeId += 1;
    return id;
  }
}
