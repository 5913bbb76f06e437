/**
 * What the model knows of names: which are on the disk for certain, and in order the changes that
 * are not.
 *
 * After a power cut each unsynced change of a name is kept or lost by itself, except that a kept
 * change brings along what it stands on: earlier changes of the same file and of the same name.
 * Journaling file systems keep a prefix of all changes, which is always such a set. So a rename is
 * there or not there, a file never has two names, and no name is taken from a durable file by a
 * change that could not have happened.
 */
import type { MemoryDirectoryNode, MemoryNode, MemoryPlace } from '../../src/io/memory-tree.ts';

/**
 * `strict`: a name is durable once its directory was synced (of a rename: both directories), as
 * POSIX has it. `linux`: also once a new file or directory itself was synced, and one directory
 * of a rename is enough, as ext4, xfs and btrfs have it.
 */
export type DirectoryMode = 'strict' | 'linux';

export type NameKind = 'create' | 'mkdir' | 'rename' | 'unlink' | 'rmdir';

export interface NameChange {
  readonly id: number;
  readonly kind: NameKind;
  readonly path: string;
  readonly node: MemoryNode;
  readonly from: MemoryPlace | null;
  readonly to: MemoryPlace | null;
  /** Changes that this one cannot be on the disk without. */
  readonly needs: readonly NameChange[];
  /** Directories synced since; strict mode waits for all that the change touches. */
  readonly synced: Set<MemoryDirectoryNode>;
  isSettled: boolean;
}

/** Names of a directory. */
export type Names = Map<string, MemoryNode>;

export class NameImage {
  readonly #mode: DirectoryMode;
  readonly durable = new Map<MemoryDirectoryNode, Names>();
  changes: NameChange[] = [];

  constructor(mode: DirectoryMode) {
    this.#mode = mode;
  }

  record(change: Omit<NameChange, 'needs' | 'synced' | 'isSettled'>): NameChange {
    const needs = this.changes.filter((earlier) => standsOn(change, earlier));
    const recorded = { ...change, needs, synced: new Set<MemoryDirectoryNode>(), isSettled: false };
    this.changes.push(recorded);
    return recorded;
  }

  /** The changes that a sync of this directory called now has to make durable. */
  settledChanges(directory: MemoryDirectoryNode): readonly NameChange[] {
    return this.changes.filter((change) => change.isSettled && touches(change, directory));
  }

  /** A sync of the directory succeeded for these changes. */
  syncDirectory(directory: MemoryDirectoryNode, covered: readonly NameChange[]): void {
    for (const change of covered) {
      change.synced.add(directory);
      const waitsFor = [change.from?.directory, change.to?.directory].filter(
        (touched) => touched !== undefined && !change.synced.has(touched),
      );
      if (this.#mode === 'linux' || waitsFor.length === 0) this.#persist(change);
    }
    this.syncNode(directory);
  }

  /**
   * The file or directory itself was synced. In linux mode that persists the name of a new one,
   * and of the new directories above it; a rename of an old one is not persisted.
   */
  syncNode(node: MemoryNode): void {
    if (this.#mode === 'strict') return;
    const own = this.changes.filter((change) => change.node === node);
    const birth = own.find((change) => change.kind === 'create' || change.kind === 'mkdir');
    if (birth === undefined) return;
    for (const change of own) {
      this.#persist(change);
      if (change.to !== null) this.syncNode(change.to.directory);
    }
  }

  /** The names after a power cut that left these changes and what they stand on. */
  survivors(keeps: (change: NameChange) => boolean): Map<MemoryDirectoryNode, Names> {
    const kept = new Set<NameChange>();
    for (const change of this.changes) {
      if (keeps(change)) addWithNeeds(change, kept);
    }
    const names = new Map<MemoryDirectoryNode, Names>();
    for (const [directory, entries] of this.durable) names.set(directory, new Map(entries));
    for (const change of this.changes) if (kept.has(change)) apply(change, names);
    return names;
  }

  #persist(change: NameChange): void {
    const persisted = new Set<NameChange>();
    addWithNeeds(change, persisted);
    for (const each of this.changes) if (persisted.has(each)) apply(each, this.durable);
    this.changes = this.changes.filter((each) => !persisted.has(each));
  }
}

function addWithNeeds(change: NameChange, to: Set<NameChange>): void {
  if (to.has(change)) return;
  to.add(change);
  for (const needed of change.needs) addWithNeeds(needed, to);
}

function apply(change: NameChange, names: Map<MemoryDirectoryNode, Names>): void {
  if (change.from !== null) {
    const entries = names.get(change.from.directory);
    if (entries?.get(change.from.name) === change.node) entries.delete(change.from.name);
  }
  if (change.to === null) return;
  const entries = names.get(change.to.directory) ?? new Map<string, MemoryNode>();
  entries.set(change.to.name, change.node);
  names.set(change.to.directory, entries);
}

function standsOn(
  change: Pick<NameChange, 'kind' | 'node' | 'from' | 'to'>,
  earlier: NameChange,
): boolean {
  if (earlier.node === change.node) return true;
  // A directory moved into another: order everything, or the two could contain each other.
  if (change.kind === 'rename' && change.node.kind === 'directory') return true;
  // No file system removes a directory from the disk that has names in it there.
  if (
    change.kind === 'rmdir' &&
    change.node.kind === 'directory' &&
    touches(earlier, change.node)
  ) {
    return true;
  }
  return [change.from, change.to].some(
    (place) => isSamePlace(place, earlier.from) || isSamePlace(place, earlier.to),
  );
}

function isSamePlace(one: MemoryPlace | null, other: MemoryPlace | null): boolean {
  if (one === null || other === null) return false;
  return one.directory === other.directory && one.name === other.name;
}

function touches(change: Pick<NameChange, 'from' | 'to'>, directory: MemoryDirectoryNode): boolean {
  return change.from?.directory === directory || change.to?.directory === directory;
}
