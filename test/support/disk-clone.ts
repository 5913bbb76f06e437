/** Copies a disk image, node by node: the copy shares bytes until one side changes them. */
import type {
  MemoryDirectoryNode,
  MemoryFileNode,
  MemoryNode,
  MemoryPlace,
  MemoryTree,
} from '../../src/io/memory-tree.ts';
import type { DiskImage } from './disk-image.ts';
import type { NameChange } from './name-image.ts';

/** Fills `to`, which is new and empty, with a copy of `from`. */
export function cloneDisk(from: DiskImage, to: DiskImage): DiskImage {
  const copies = new NodeCopies(to.tree);
  copies.directory(from.tree.root, to.tree.root);
  to.tree.capacityBytes = from.tree.capacityBytes;
  for (const [directory, names] of from.names.durable) {
    const entries = [...names].map(([name, node]) => [name, copies.node(node)] as const);
    to.names.durable.set(copies.directory(directory), new Map(entries));
  }
  cloneNameChanges(from, to, copies);
  for (const file of from.files.values()) {
    to.file(copies.file(file.node)).copyFrom(file);
  }
  copies.forgetNameless();
  to.nextChangeId = from.nextChangeId;
  return to;
}

function cloneNameChanges(from: DiskImage, to: DiskImage, copies: NodeCopies): void {
  const changes = new Map<NameChange, NameChange>();
  for (const change of from.names.changes) {
    const copy: NameChange = {
      ...change,
      node: copies.node(change.node),
      from: copies.place(change.from),
      to: copies.place(change.to),
      // A need that was persisted since is not among the changes any more, and not needed either.
      needs: change.needs.flatMap((needed) => changes.get(needed) ?? []),
      synced: new Set([...change.synced].map((directory) => copies.directory(directory))),
    };
    changes.set(change, copy);
    to.names.changes.push(copy);
  }
}

class NodeCopies {
  readonly #tree: MemoryTree;
  readonly #directories = new Map<MemoryDirectoryNode, MemoryDirectoryNode>();
  readonly #files = new Map<MemoryFileNode, MemoryFileNode>();

  constructor(tree: MemoryTree) {
    this.#tree = tree;
  }

  node(node: MemoryNode): MemoryNode {
    return node.kind === 'directory' ? this.directory(node) : this.file(node);
  }

  directory(node: MemoryDirectoryNode, as?: MemoryDirectoryNode): MemoryDirectoryNode {
    const known = this.#directories.get(node);
    if (known !== undefined) return known;
    const copy = as ?? this.#tree.newDirectory(node.id);
    this.#directories.set(node, copy);
    for (const [name, child] of node.entries) {
      this.#tree.place(this.node(child), { directory: copy, name });
    }
    return copy;
  }

  file(node: MemoryFileNode): MemoryFileNode {
    const known = this.#files.get(node);
    if (known !== undefined) return known;
    const copy = this.#tree.newFile(node.id, node.bytes.clone());
    this.#files.set(node, copy);
    return copy;
  }

  place(place: MemoryPlace | null): MemoryPlace | null {
    return place === null ? null : { directory: this.directory(place.directory), name: place.name };
  }

  /** Files without a name are only on the disk, or open in a process that is gone: no space. */
  forgetNameless(): void {
    for (const copy of this.#files.values()) {
      if (copy.linkCount > 0) continue;
      this.#tree.opened(copy);
      this.#tree.closed(copy);
    }
  }
}
