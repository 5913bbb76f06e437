/**
 * Puts the next generation of a sealed segment in its place: one rename over the same name, and the directory
 * is synced before the next one begins.
 *
 * So a crash leaves each segment in one generation or the other, both whole, and of all renames only the last
 * can be undone by a power cut. The old generation's last name goes with the rename: there is no unlink that
 * could come too early, and no second name that could be loaded.
 *
 * Whoever reads meanwhile has the old file with what was learned of it, or the new one with nothing learned
 * yet: the old one stays pinned until the list changes.
 */
import { assert } from '../core/assert.ts';
import { FailedError, isIoError, LockedError, type IoError } from '../core/errors.ts';
import type { Mutex } from '../core/mutex.ts';
import type { DirectoryLock } from '../io/file-system.ts';
import type { Segment } from '../segment/segment.ts';
import type { Appender } from './appender.ts';
import type { LogDirectory } from './log-directory.ts';
import type { ReadableLog } from './readable-log.ts';

/** With which a rename is refused before anything is changed. Of others (EIO, EINTR) nobody can tell. */
const REFUSALS = ['ENOSPC', 'EDQUOT', 'EACCES', 'EPERM', 'EBUSY'];

export interface SegmentSwapOptions {
  readonly directory: LogDirectory;
  readonly lock: DirectoryLock;
  readonly log: ReadableLog;
  readonly appender: Pick<Appender, 'failure' | 'fail'>;
  /** For whatever takes segments out of the log, or puts others in their place. */
  readonly maintenance: Mutex;
  /** Called once they are swapped, for those who read in other processes. Must not throw. */
  readonly onSwapped: () => void;
}

/** A next generation that is whole and synced under a temporary name. */
export interface MadeSegment {
  /** What it was made from. */
  readonly old: Segment;
  /** What it will be: header and end known, with the path of `old`. */
  readonly segment: Segment;
  readonly temporaryPath: string;
}

export class SegmentSwap {
  readonly #options: SegmentSwapOptions;
  #isClosed = false;
  /** A rename is in effect, and may not be synced: the last one, or one of whoever had the log before. */
  #owesSync = true;

  constructor(options: SegmentSwapOptions) {
    this.#options = options;
  }

  /**
   * Swaps them, unless the old segment is no longer listed, or not sealed and synced with a synced record
   * behind it, or the writer has failed or closes.
   *
   * @param mayGo  asked last, when nothing else takes segments out of the log; default: it may
   * @returns whether they were swapped, durably; else the temporary file was removed, or, when the log is
   *   closed already, is left to the next opening
   * @throws LockedError, FailedError and the log has failed: which of the two is there is for the next
   *   opening to find, readers of this handle go on with the old one; IoError, and the log goes on: the
   *   temporary file was removed, or, where no file could be opened (EMFILE, ENFILE) to sync the
   *   directory, they were swapped, which the next swap makes durable before it begins
   */
  swap(made: MadeSegment, mayGo: () => boolean = () => true): Promise<boolean> {
    if (this.#isClosed) return Promise.resolve(false);
    return this.#options.maintenance.run(() => this.#swap(made, mayGo));
  }

  /** Nothing is swapped from now on but what is being swapped; that ends with `maintenance`. */
  close(): void {
    this.#isClosed = true;
  }

  async #swap(made: MadeSegment, mayGo: () => boolean): Promise<boolean> {
    const unpin = await this.#begin(made, mayGo);
    if (unpin === null) {
      await this.#discard(made.temporaryPath);
      return false;
    }
    const unsynced = await this.#sync();
    this.#show(made, unpin);
    if (unsynced !== null) throw unsynced;
    return true;
  }

  #show({ old, segment }: MadeSegment, unpin: () => void): void {
    const { log, onSwapped } = this.#options;
    // Its index batch is on disk: whoever reads there loads it from there, and bounds its memory.
    segment.index = null;
    // In one turn, so that nobody sees the one without the other.
    log.segments.swap(old, segment);
    log.indexes.forget(old);
    unpin();
    onSwapped();
  }

  /** Pins the old file and renames the new one; null when they may not be swapped. */
  async #begin(made: MadeSegment, mayGo: () => boolean): Promise<(() => void) | null> {
    const { log, lock, appender } = this.#options;
    let unpin: (() => void) | null = null;
    try {
      if (!this.#isPossible(made)) return null;
      await lock.verify(); // Another writer's directory is not ours to change.
      const unsynced = this.#owesSync ? await this.#sync() : null;
      if (unsynced !== null) throw unsynced;
      unpin = await log.handles.pin(made.old.path);
      const isSwapped = this.#isPossible(made) && mayGo();
      if (isSwapped) await this.#rename(made);
      else unpin();
      return isSwapped ? unpin : null;
    } catch (error) {
      if (error instanceof FailedError) throw error; // The old file stays pinned, for those who read it.
      unpin?.();
      if (error instanceof LockedError) {
        appender.fail(error);
        throw error;
      }
      // What cannot be removed either is removed by the next opening; this is the failure to hear of.
      await this.#discard(made.temporaryPath).catch(() => undefined);
      throw error;
    }
  }

  #isPossible({ old, segment }: MadeSegment): boolean {
    const { log, appender } = this.#options;
    const { segments, marks } = log;
    const next = segments.after(old.baseOffset);
    if (this.#isClosed || appender.failure !== null || next === null) return false;
    if (!segments.all.includes(old) || old.file !== null) return false;
    assert(segment.path === old.path, 'it takes the name of the old one');
    assert(segment.statedEnd === next.baseOffset, 'offsets stay covered');
    // Recovery begins to walk where the last synced record is: never in a file that was just put there.
    return marks.syncedOffset > next.baseOffset;
  }

  /** @throws IoError, and nothing was changed; FailedError */
  async #rename({ segment, temporaryPath }: MadeSegment): Promise<void> {
    try {
      await this.#options.directory.fileSystem.rename(temporaryPath, segment.path);
      this.#owesSync = true;
    } catch (cause) {
      throw isIoError(cause, ...REFUSALS) ? cause : this.#failed(cause);
    }
  }

  /**
   * Makes the last rename durable.
   *
   * @returns why no sync was begun, so that it may be tried again; null = it is done
   * @throws FailedError: a sync that failed must not be tried again
   */
  async #sync(): Promise<IoError | null> {
    try {
      await this.#options.directory.sync();
      this.#owesSync = false;
      return null;
    } catch (cause) {
      if (isIoError(cause, 'EMFILE', 'ENFILE')) return cause; // Of opening the directory alone.
      throw this.#failed(cause);
    }
  }

  #failed(cause: unknown): unknown {
    const { appender } = this.#options;
    appender.fail(cause);
    return appender.failure ?? cause;
  }

  async #discard(temporaryPath: string): Promise<void> {
    try {
      await this.#options.directory.fileSystem.unlink(temporaryPath);
    } catch (error) {
      if (!isIoError(error, 'ENOENT')) throw error; // Gone is what we wanted.
    }
  }
}
