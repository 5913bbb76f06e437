/**
 * Does again on the model of a disk what a real process did on a real one, and so finds out what a
 * power cut would have left: everything that no sync covered may be lost, torn or reordered.
 */
import { SeededRandom } from '../../../src/core/random.ts';
import { DiskImage } from '../disk-image.ts';
import type { DiskOptions } from '../disk-image.ts';
import { FaultyFileSystem } from '../faulty-file-system.ts';
import type { FileImage, UnsyncedChange } from '../file-image.ts';
import type { NameChange } from '../name-image.ts';
import { traceEntries } from './trace.ts';
import type { SyncEntry, TraceEntry } from './trace.ts';

export interface Replayed {
  /** As the kernel held it at the end of the trace; ask it for its crash images. */
  readonly fileSystem: FaultyFileSystem;
  readonly syncCount: number;
  readonly failedSyncCount: number;
  readonly liedSyncCount: number;
}

export type ReplayOptions = Pick<DiskOptions, 'sectorBytes' | 'directoryMode'>;

const ROOMY = { capacityBytes: 2 ** 40, newNamesNeedSpace: false };

/** Replays a trace from its beginning, when the traced directory was empty and durable. */
export function replayTrace(trace: Buffer, options: ReplayOptions): Replayed {
  const replay = new Replay(options);
  for (const entry of traceEntries(trace)) replay.apply(entry);
  const random = new SeededRandom(1);
  const { disk, outcomes } = replay;
  return {
    fileSystem: new FaultyFileSystem({ random, ...options }, disk),
    syncCount: outcomes.synced,
    failedSyncCount: outcomes.failed,
    liedSyncCount: outcomes.lied,
  };
}

/** A moment of a trace. */
export interface Moment {
  /** What was done last. */
  readonly entry: TraceEntry;
  /** As the kernel held it then, until the next moment is asked for. */
  readonly fileSystem: FaultyFileSystem;
}

/** Replays a trace as `replayTrace`, and stops behind each of its entries. */
export function* replayMoments(
  trace: Buffer,
  options: ReplayOptions,
): Generator<Moment, void, void> {
  const replay = new Replay(options);
  const random = new SeededRandom(1);
  const fileSystem = new FaultyFileSystem({ random, ...options }, replay.disk);
  for (const entry of traceEntries(trace)) {
    replay.apply(entry);
    yield { entry, fileSystem };
  }
}

/** What a sync has to make durable: what was there when it was called. */
type Covered =
  | { readonly file: FileImage; readonly changes: readonly UnsyncedChange[] }
  | { readonly directory: string; readonly changes: readonly NameChange[] };

class Replay {
  readonly disk: DiskImage;
  readonly outcomes = { begun: 0, synced: 0, failed: 0, lied: 0 };
  readonly #files = new Map<bigint, FileImage>();
  readonly #running = new Map<bigint, Covered>();

  constructor(options: ReplayOptions) {
    this.disk = new DiskImage({ ...ROOMY, ...options });
    this.disk.names.durable.set(this.disk.tree.root, new Map());
  }

  apply(entry: TraceEntry): void {
    switch (entry.kind) {
      case 'create': {
        const { file, change } = this.disk.create({ operation: 'create', path: entry.path });
        change.isSettled = true;
        this.#files.set(entry.inode, file); // An inode is used again when its file is gone.
        return;
      }
      case 'makeDirectory': {
        const at = { operation: 'makeDirectory', path: entry.path };
        for (const change of this.disk.makeDirectory(at)) change.isSettled = true;
        return;
      }
      case 'rename':
        settle(this.disk.rename({ operation: 'rename', path: entry.path }, entry.to));
        return;
      case 'unlink':
        settle(this.disk.unlink({ operation: 'unlink', path: entry.path }));
        return;
      case 'write': {
        const path = `inode ${entry.inode}`; // It may have lost its name, or never had a durable one.
        const at = { operation: 'write', path, position: entry.position };
        settle(this.disk.write(this.#file(entry.inode), entry.bytes, at).change);
        return;
      }
      case 'truncate': {
        const at = { operation: 'truncate', path: `inode ${entry.inode}` };
        settle(this.disk.truncate(this.#file(entry.inode), entry.sizeBytes, at));
        return;
      }
      case 'sync':
        this.#sync(entry);
        return;
      default:
        entry satisfies never;
    }
  }

  #sync(entry: SyncEntry): void {
    this.outcomes[entry.outcome]++;
    if (entry.outcome === 'begun') {
      this.#running.set(entry.token, this.#covered(entry));
      return;
    }
    const covered = this.#running.get(entry.token);
    this.#running.delete(entry.token);
    if (covered === undefined) throw new Error('a sync ended that had not begun');
    if (entry.outcome === 'synced') this.#persist(covered);
    // A failed sync of a directory leaves its names unsynced; one that lied changes nothing.
    else if (entry.outcome === 'failed' && 'file' in covered) {
      this.disk.failDatasync(covered.file, null);
    }
  }

  #covered(entry: SyncEntry): Covered {
    const file = this.#files.get(entry.inode);
    if (file !== undefined) return { file, changes: file.settledChanges() };
    const directory = entry.path ?? '/';
    return { directory, changes: this.disk.settledNames(directory) };
  }

  #persist(covered: Covered): void {
    if ('file' in covered) {
      this.disk.datasync(covered.file, covered.changes);
      return;
    }
    const at = { operation: 'syncDirectory', path: covered.directory };
    this.disk.names.syncDirectory(this.disk.tree.findDirectory(at), covered.changes);
  }

  #file(inode: bigint): FileImage {
    const file = this.#files.get(inode);
    if (file === undefined) throw new Error('a write to a file whose creation was not traced');
    return file;
  }
}

function settle(change: UnsyncedChange | NameChange | null): void {
  if (change !== null) change.isSettled = true;
}
