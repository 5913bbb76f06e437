/**
 * Puts a log in the place of another one that has the same records, or had them before it was damaged.
 *
 * The new log is made in `<log>.rebuild/unfinished`. When it is whole and durable, one rename calls it
 * `finished`: from then on it is the log, and every opening goes on where a crash came:
 *
 *     <log>                     -> <log>.rebuild/replaced     unless that was done
 *     <log>.rebuild/finished    -> <log>
 *     <log>.rebuild/replaced/*  -> <log>/quarantine           segments: nothing is deleted unasked
 *     <log>.rebuild is removed, and before it `unfinished`, which nobody needs
 *
 * Each step is durable before the next, so at any time there is the old log or the new one, and none of
 * its names is that of a partition.
 */
import { dirname, join } from 'node:path';
import type { Clock } from '../core/clock.ts';
import { isIoError } from '../core/errors.ts';
import type { Random } from '../core/random.ts';
import { CHECKPOINT_FILE, QUARANTINE_DIRECTORY } from '../format/file-names.ts';
import type { FileSystem } from '../io/file-system.ts';
import { CheckpointFile, firstCheckpoint, readCheckpoint } from './checkpoint-file.ts';
import { createFirstSegment } from './first-segment.ts';
import { LogDirectory } from './log-directory.ts';
import { Quarantine } from './quarantine.ts';

const PLACE_NAME = /^(0|[1-9]\d{0,5})\.rebuild$/;
const PLACE_SUFFIX = '.rebuild';
const UNFINISHED = 'unfinished';
const FINISHED = 'finished';
const REPLACED = 'replaced';

/** Number of the log that something in a directory of logs is to replace; null = it is none of ours. */
export function replacedNumber(name: string): number | null {
  const digits = PLACE_NAME.exec(name)?.[1];
  return digits === undefined ? null : Number(digits);
}

export interface LogIdentity {
  readonly logId: number;
  /** The id of the store. */
  readonly ownerId: number;
}

export class LogReplacement {
  readonly #fileSystem: FileSystem;
  readonly #path: string;
  readonly #place: string;

  /** @param path  of the log that is replaced; it need not be there */
  constructor(fileSystem: FileSystem, path: string) {
    this.#fileSystem = fileSystem;
    this.#path = path;
    this.#place = path + PLACE_SUFFIX;
  }

  /** Where the new log is made. */
  get path(): string {
    return join(this.#place, UNFINISHED);
  }

  /** Makes an empty log, to be opened and filled. @throws IoError */
  async begin(
    { logId, ownerId }: LogIdentity,
    { random, clock }: { readonly random: Random; readonly clock: Clock },
  ): Promise<void> {
    await this.finish(); // What an earlier process has left.
    await this.#fileSystem.makeDirectory(this.path);
    await this.#sync(dirname(this.#place));
    await this.#sync(this.#place);
    const directory = new LogDirectory(this.#fileSystem, this.path);
    const checkpoint = { ...firstCheckpoint(random), logId };
    await CheckpointFile.create(directory, checkpoint);
    await createFirstSegment({ directory, checkpoint, random, clock, ownerId });
  }

  /**
   * Says where the new log begins, and which epochs there were: it is closed, and keeps its own epoch
   * for all of its records, which is none that a position of the old log could be behind.
   */
  async seal(startOffset: number, lastEpoch: number): Promise<void> {
    const directory = new LogDirectory(this.#fileSystem, this.path);
    const { checkpoint } = await readCheckpoint(directory);
    if (checkpoint === null) return;
    const { epochs, syncedOffset, sequence } = checkpoint;
    const own = epochs.at(-1);
    // The next opening begins an epoch behind this one, at the end.
    const isLater = own !== undefined && lastEpoch > own.epoch && syncedOffset > own.startOffset;
    const last = { epoch: lastEpoch, startOffset: syncedOffset };
    const sealed = isLater ? [own, last] : epochs;
    const start = Math.min(startOffset, syncedOffset);
    await CheckpointFile.create(directory, {
      ...checkpoint,
      sequence: sequence + 1,
      startOffset: start,
      epochs: sealed,
    });
  }

  /** The new log is whole, closed and durable: it takes the place of the old one, which is closed too. */
  async commit(): Promise<void> {
    await this.#sync(this.path);
    await this.#fileSystem.rename(this.path, join(this.#place, FINISHED));
    await this.#sync(this.#place);
    await this.finish();
  }

  /** What was begun is not wanted: no effect when it has taken its place. @throws IoError */
  async discard(): Promise<void> {
    const names = await this.#list(this.#place);
    // What was called finished is the log: a failure on its way is mended by the next opening.
    if (names !== null && !names.includes(FINISHED)) await this.finish();
  }

  /** Ends what was begun, in this process or an earlier one: the log is closed. @throws IoError */
  async finish(): Promise<void> {
    const names = await this.#list(this.#place);
    if (names === null) return;
    if (names.includes(FINISHED)) await this.#swap(names.includes(REPLACED));
    await this.#keepReplaced();
    await this.#removeFiles(this.path);
    await this.#fileSystem.removeDirectory(this.#place);
    await this.#sync(dirname(this.#place));
  }

  async #swap(isAside: boolean): Promise<void> {
    if (!isAside && (await this.#list(this.#path)) !== null) {
      await this.#move(this.#path, join(this.#place, REPLACED));
    }
    await this.#move(join(this.#place, FINISHED), this.#path);
  }

  async #move(from: string, to: string): Promise<void> {
    await this.#fileSystem.rename(from, to);
    await this.#sync(dirname(to));
    await this.#sync(dirname(from));
  }

  async #keepReplaced(): Promise<void> {
    const path = join(this.#place, REPLACED);
    const names = await this.#list(path);
    if (names === null) return;
    const quarantine = new Quarantine(new LogDirectory(this.#fileSystem, this.#path));
    // First, for what stands there keeps its names.
    const kept = join(path, QUARANTINE_DIRECTORY);
    for (const name of (await this.#list(kept)) ?? []) await quarantine.move(join(kept, name));
    if (names.includes(QUARANTINE_DIRECTORY)) await this.#fileSystem.removeDirectory(kept);
    for (const name of names.toSorted()) {
      const child = join(path, name);
      if (name === QUARANTINE_DIRECTORY) continue;
      const { kind } = await this.#fileSystem.stat(child);
      if (name === CHECKPOINT_FILE) await this.#fileSystem.unlink(child);
      else if (kind === 'file') await quarantine.move(child);
      else await this.#move(child, join(this.#path, name)); // Not ours: it stays where it was.
    }
    await this.#fileSystem.removeDirectory(path);
  }

  async #removeFiles(path: string): Promise<void> {
    const names = await this.#list(path);
    if (names === null) return;
    for (const name of names) await this.#fileSystem.unlink(join(path, name));
    await this.#fileSystem.removeDirectory(path);
  }

  /** Null when it is not there. */
  async #list(path: string): Promise<readonly string[] | null> {
    try {
      return await this.#fileSystem.list(path);
    } catch (error) {
      if (isIoError(error, 'ENOENT')) return null;
      throw error;
    }
  }

  #sync(path: string): Promise<void> {
    return this.#fileSystem.syncDirectory(path);
  }
}
