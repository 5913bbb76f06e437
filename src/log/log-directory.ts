/** The files of one log directory: which there are, which are ours, and where they stand. */
import { dirname, join } from 'node:path';
import { isIoError } from '../core/errors.ts';
import {
  CHECKPOINT_FILE,
  isClaimFileName,
  LOCK_FILE,
  parseSegmentFileName,
  QUARANTINE_DIRECTORY,
  RESERVE_FILE,
  segmentFileName,
  SQLITE_LOCK_FILE,
  TEMPORARY_SUFFIX,
} from '../format/file-names.ts';
import type { FileSystem } from '../io/file-system.ts';
import { Segment } from '../segment/segment.ts';

export interface DirectoryListing {
  /** Ascending by base offset. */
  readonly segments: readonly Segment[];
  readonly hasCheckpoint: boolean;
  readonly hasReserve: boolean;
  readonly hasQuarantine: boolean;
  /** Unfinished files of ours. */
  readonly temporaries: readonly string[];
  /** Names that are not ours: never touched, only reported. */
  readonly foreign: readonly string[];
}

const OURS: ReadonlySet<string> = new Set([
  LOCK_FILE,
  SQLITE_LOCK_FILE,
  CHECKPOINT_FILE,
  RESERVE_FILE,
  QUARANTINE_DIRECTORY,
]);

export class LogDirectory {
  readonly path: string;
  readonly fileSystem: FileSystem;

  constructor(fileSystem: FileSystem, path: string) {
    this.fileSystem = fileSystem;
    this.path = path;
  }

  get checkpointPath(): string {
    return join(this.path, CHECKPOINT_FILE);
  }

  get reservePath(): string {
    return join(this.path, RESERVE_FILE);
  }

  get quarantinePath(): string {
    return join(this.path, QUARANTINE_DIRECTORY);
  }

  segmentPath(baseOffset: number): string {
    return join(this.path, segmentFileName(baseOffset));
  }

  /** Makes names created, renamed and removed so far durable. */
  sync(): Promise<void> {
    return this.fileSystem.syncDirectory(this.path);
  }

  /**
   * Makes the names that lead here durable, for a log that is being created.
   *
   * Which of them are new is not known: an earlier process may have died right after making them.
   * A directory that we may not open was not made by us.
   */
  async syncAncestors(): Promise<void> {
    for (let at = this.path; dirname(at) !== at; at = dirname(at)) {
      try {
        await this.fileSystem.syncDirectory(dirname(at));
      } catch (error) {
        if (!isIoError(error, 'EACCES', 'EPERM')) throw error;
      }
    }
  }

  async list(): Promise<DirectoryListing> {
    const names = (await this.fileSystem.list(this.path)).toSorted();
    const segments: Segment[] = [];
    const temporaries: string[] = [];
    const foreign: string[] = [];
    for (const name of names) {
      const baseOffset = parseSegmentFileName(name);
      if (baseOffset !== null) {
        const segment = await this.#describe(join(this.path, name), baseOffset);
        if (segment !== null) segments.push(segment);
      } else if (isTemporary(name)) temporaries.push(join(this.path, name));
      else if (!OURS.has(name) && !isClaimFileName(name)) foreign.push(name);
    }
    return {
      segments,
      hasCheckpoint: names.includes(CHECKPOINT_FILE),
      hasReserve: names.includes(RESERVE_FILE),
      hasQuarantine: names.includes(QUARANTINE_DIRECTORY),
      temporaries,
      foreign,
    };
  }

  /** Null when another process (retention) removed the file since it was listed. */
  async #describe(path: string, baseOffset: number): Promise<Segment | null> {
    try {
      const { sizeBytes, identity } = await this.fileSystem.stat(path);
      return new Segment(path, baseOffset, sizeBytes, identity);
    } catch (error) {
      if (isIoError(error, 'ENOENT')) return null;
      throw error;
    }
  }
}

/** Whether a log has files of this name: segments, all that is written beside them, unfinished ones. */
export function isOwnFileName(name: string): boolean {
  const isSegment = parseSegmentFileName(name) !== null;
  const isOurs = OURS.has(name) && name !== QUARANTINE_DIRECTORY;
  return isSegment || isOurs || isTemporary(name) || isClaimFileName(name);
}

/** Only names that we make: the file it stands for plus our suffix. */
function isTemporary(name: string): boolean {
  if (!name.endsWith(TEMPORARY_SUFFIX)) return false;
  const target = name.slice(0, -TEMPORARY_SUFFIX.length);
  return OURS.has(target) || parseSegmentFileName(target) !== null;
}
