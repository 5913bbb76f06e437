/**
 * What the model knows of one file: the bytes that are on the disk for certain, and in order the
 * changes that are not.
 *
 * The model is a page cache over a disk that writes sectors whole. At any moment each sector on
 * the disk holds what it held after one of the unsynced changes that touched it, or none of them;
 * sectors are independent of each other, and so is the file's size (within `survivors`).
 * A change therefore stores its sectors as they were in the cache just after it: writing a sector
 * back carries along everything that came before in the same sector.
 *
 * Bytes past the end of the file, up to the end of its last block, are on the disk too: after a
 * truncate whose zeros were not written yet, and a size that grew again, they can be read.
 */
import { assert } from '../../src/core/assert.ts';
import type { GrowableBytes } from '../../src/io/growable-bytes.ts';
import type { MemoryFileNode } from '../../src/io/memory-tree.ts';

export type SectorBytes = 512 | 4096;

/** A page of the cache, and the block of every usual file system. */
const BLOCK_BYTES = 4096;

/** How a disk and the file system on it cut up a file. */
export interface Geometry {
  /** What the disk writes whole or not at all. */
  readonly sectorBytes: SectorBytes;
  /** What the cache marks dirty and the file system allocates at once; default 4096. */
  readonly blockBytes?: number;
}

/** What the disk holds of a file; `bytes` may go on past the end. */
export interface DiskContent {
  readonly bytes: GrowableBytes;
  readonly sizeBytes: number;
}

export interface UnsyncedChange {
  readonly kind: 'write' | 'truncate';
  readonly id: number;
  readonly path: string;
  /** First byte written; for a truncate the new size. */
  readonly position: number;
  /** Bytes written; 0 for a truncate. */
  readonly length: number;
  /** Position of the first sector in `sectors`. */
  readonly sectorsAt: number;
  /** The sectors touched, as they were just after the change. */
  readonly sectors: Uint8Array;
  readonly sectorCount: number;
  /** Whether the caller was told. A sync covers only what had settled when it was called. */
  isSettled: boolean;
}

/** What the caller of a change knows of it. */
export type WhatChanged = Pick<UnsyncedChange, 'id' | 'path' | 'position' | 'length'>;

/** Decides what of one file's unsynced changes is on the disk after a power cut. */
export interface FileSurvival {
  /** Asked in order, until the first no: metadata reaches the disk in order. */
  keepsTruncate(change: UnsyncedChange): boolean;
  keepsSector(change: UnsyncedChange, index: number): boolean;
  /** The size that a write grew the file to on the disk; `keptEnd` is the end of its kept data. */
  grownSize(change: UnsyncedChange, keptEnd: number): number;
}

/** One file: cache (the node), disk, and the changes between them. */
export class FileImage {
  readonly node: MemoryFileNode;
  readonly sectorBytes: SectorBytes;
  changes: UnsyncedChange[] = [];
  readonly #blockBytes: number;
  #durable: GrowableBytes;
  #durableSizeBytes: number;
  /**
   * Whether the disk may differ from the cache where no unsynced change is: after a failed sync,
   * or past the end of the file. Then a change carries along the whole blocks that it touches.
   */
  #isDiverged = false;

  constructor(node: MemoryFileNode, geometry: Geometry) {
    this.node = node;
    this.sectorBytes = geometry.sectorBytes;
    this.#blockBytes = Math.max(geometry.blockBytes ?? BLOCK_BYTES, geometry.sectorBytes);
    this.#durable = node.bytes.clone();
    this.#durableSizeBytes = node.bytes.sizeBytes;
  }

  /** What the sectors on the disk hold for certain, also past the end of the file. */
  get durable(): GrowableBytes {
    return this.#durable;
  }

  /** Takes over what is on the disk and what is not of the file that `node` is a copy of. */
  copyFrom(original: FileImage): void {
    this.#durable = original.#durable.clone();
    this.#durableSizeBytes = original.#durableSizeBytes;
    this.#isDiverged = original.#isDiverged;
    this.changes = original.changes.map((change) => ({ ...change }));
  }

  /** The disk holds what the cache holds, by no doing of the program. */
  settle(): void {
    this.#durable = this.node.bytes.clone();
    this.#durableSizeBytes = this.node.bytes.sizeBytes;
    this.#isDiverged = false;
    this.changes = [];
  }

  /** The disk holds this, of which the cache is what lies before the end. */
  holds(content: DiskContent): void {
    assert(content.sizeBytes === this.node.bytes.sizeBytes, 'cache and disk agree on the size');
    this.#durable = content.bytes;
    this.#durableSizeBytes = content.sizeBytes;
    this.#isDiverged = content.bytes.sizeBytes > content.sizeBytes;
    this.changes = [];
  }

  /** Records a write that the cache has just taken, to a file of `sizeBefore` bytes. */
  wrote(change: WhatChanged, sizeBefore: number): UnsyncedChange {
    const end = change.position + change.length;
    return this.#record('write', change, {
      start: this.#down(this.#touchedFrom(change.position, sizeBefore), this.#dirtyBytes),
      end: this.#up(end, this.#dirtyBytes),
    });
  }

  /** Records a truncate that the cache has just done, of a file of `sizeBefore` bytes. */
  truncated(change: WhatChanged, sizeBefore: number): UnsyncedChange {
    // The rest of the block at the cut is zeroed in place, and may reach the disk on its own.
    const touchedFrom = this.#touchedFrom(change.position, sizeBefore);
    const start = this.#down(touchedFrom, this.#dirtyBytes);
    const end = this.#up(change.position, this.#blockBytes);
    return this.#record('truncate', change, { start, end: Math.max(start, end) });
  }

  /** The changes that a sync called now has to make durable. */
  settledChanges(): readonly UnsyncedChange[] {
    return this.changes.filter((change) => change.isSettled);
  }

  /** A sync succeeded: these changes are on the disk. Others, later ones, still are not. */
  persist(covered: readonly UnsyncedChange[]): void {
    const persisted = this.changes.filter((change) => covered.includes(change));
    this.changes = this.changes.filter((change) => !covered.includes(change));
    for (const change of persisted) {
      this.#durable.write(change.sectors, change.sectorsAt);
      if (change.kind === 'truncate') {
        this.#durable.resize(change.position);
        this.#durableSizeBytes = change.position;
      } else {
        const end = change.position + change.length;
        this.#durableSizeBytes = Math.max(this.#durableSizeBytes, end);
      }
    }
  }

  /**
   * A sync failed: no page is dirty any more, so no later sync writes them, but reads go on
   * showing them. `survival` says what reached the disk before the failure; null means nothing.
   */
  lose(survival: FileSurvival | null): void {
    if (survival !== null) {
      const { bytes, sizeBytes } = this.contentAfter(survival);
      this.#durable = bytes;
      this.#durableSizeBytes = sizeBytes;
    }
    this.#isDiverged = true;
    this.changes = [];
  }

  /** The file's content after a power cut, as it will be read. */
  survivors(survival: FileSurvival): GrowableBytes {
    const { bytes, sizeBytes } = this.contentAfter(survival);
    bytes.resize(sizeBytes);
    return bytes;
  }

  /**
   * What is on the disk after a power cut.
   *
   * Truncates are journaled in order, so those that survive are a prefix. The block that holds the
   * cut is written in place, like data; the blocks behind it go with the truncate. One that
   * survives leaves nothing of them. One that is lost takes with it what later writes put there
   * (the file system gave them new blocks, and the inode still points to the old ones) and their
   * growth of the size.
   */
  contentAfter(survival: FileSurvival): DiskContent {
    const bytes = this.#durable.clone();
    let sizeBytes = this.#durableSizeBytes;
    /** Blocks from here on still hold what a lost truncate should have cut. */
    let cutAt = Number.POSITIVE_INFINITY;
    for (const change of this.changes) {
      const isInOrder = cutAt === Number.POSITIVE_INFINITY;
      if (change.kind === 'truncate') {
        const blockEnd = this.#up(change.position, this.#blockBytes);
        if (isInOrder && survival.keepsTruncate(change)) {
          if (bytes.sizeBytes > blockEnd) bytes.resize(blockEnd);
          sizeBytes = change.position;
        } else {
          cutAt = Math.min(cutAt, blockEnd);
        }
      }
      const keptEnd = this.#keepSectors(change, { bytes, cutAt, survival });
      if (change.kind === 'write' && isInOrder) {
        sizeBytes = Math.max(sizeBytes, survival.grownSize(change, keptEnd));
      }
    }
    const blockEnd = this.#up(sizeBytes, this.#blockBytes);
    if (bytes.sizeBytes > blockEnd) bytes.resize(blockEnd);
    return { bytes, sizeBytes };
  }

  #keepSectors(
    change: UnsyncedChange,
    to: {
      readonly bytes: GrowableBytes;
      readonly cutAt: number;
      readonly survival: FileSurvival;
    },
  ): number {
    let keptEnd = 0;
    for (let index = 0; index < change.sectorCount; index += 1) {
      const at = index * this.sectorBytes;
      const position = change.sectorsAt + at;
      if (position >= to.cutAt) break;
      if (!to.survival.keepsSector(change, index)) continue;
      to.bytes.write(change.sectors.subarray(at, at + this.sectorBytes), position);
      keptEnd = Math.min(change.position + change.length, position + this.sectorBytes);
    }
    return keptEnd;
  }

  #record(
    kind: UnsyncedChange['kind'],
    change: WhatChanged,
    range: { readonly start: number; readonly end: number },
  ): UnsyncedChange {
    const sectorCount = (range.end - range.start) / this.sectorBytes;
    assert(Number.isInteger(sectorCount), 'sectors are whole');
    const { id, path, position, length } = change; // One by one: a spread here costs 5 us.
    const recorded: UnsyncedChange = {
      id,
      path,
      position,
      length,
      kind,
      sectorsAt: range.start,
      sectors: this.node.bytes.slice(range.start, range.end),
      sectorCount,
      isSettled: false,
    };
    this.changes.push(recorded);
    return recorded;
  }

  /** What of the cache is written back together. */
  get #dirtyBytes(): number {
    return this.#isDiverged ? this.#blockBytes : this.sectorBytes;
  }

  /** A change beyond the end also zeroes what the disk holds past the old end. */
  #touchedFrom(position: number, sizeBefore: number): number {
    return this.#isDiverged ? Math.min(position, sizeBefore) : position;
  }

  #down(position: number, unitBytes: number): number {
    return Math.floor(position / unitBytes) * unitBytes;
  }

  #up(position: number, unitBytes: number): number {
    return Math.ceil(position / unitBytes) * unitBytes;
  }
}
