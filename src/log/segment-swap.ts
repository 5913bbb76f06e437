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
import { isIoError, LockedError } from '../core/errors.ts';
import type { Mutex } from '../core/mutex.ts';
import type { DirectoryLock } from '../io/file-system.ts';
import type { Segment } from '../segment/segment.ts';
import type { Appender } from './appender.ts';
import type { LogDirectory } from './log-directory.ts';
import type { ReadableLog } from './readable-log.ts';

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
   *   opening to find, readers of this handle go on with the old one; IoError, with the temporary file removed
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
    const { log } = this.#options;
    const unpin = await this.#prepare(made, mayGo);
    if (unpin === null) {
      await this.#discard(made.temporaryPath);
      return false;
    }
    await this.#rename(made);
    // Its index batch is on disk: whoever reads there loads it from there, and bounds its memory.
    made.segment.index = null;
    // In one turn, so that nobody sees the one without the other.
    log.segments.swap(made.old, made.segment);
    log.indexes.forget(made.old);
    unpin();
    this.#options.onSwapped();
    return true;
  }

  /** Pins the old file; null when they may not be swapped. Whatever it throws, nothing was changed. */
  async #prepare(made: MadeSegment, mayGo: () => boolean): Promise<(() => void) | null> {
    const { log, lock, appender } = this.#options;
    let unpin: (() => void) | null = null;
    try {
      if (!this.#isPossible(made)) return null;
      await lock.verify(); // Another writer's directory is not ours to change.
      unpin = await log.handles.pin(made.old.path);
      if (this.#isPossible(made) && mayGo()) return unpin;
      unpin();
      return null;
    } catch (error) {
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

  async #rename({ segment, temporaryPath }: MadeSegment): Promise<void> {
    const { directory, appender } = this.#options;
    try {
      await directory.fileSystem.rename(temporaryPath, segment.path);
      await directory.sync();
    } catch (cause) {
      appender.fail(cause);
      throw appender.failure ?? cause;
    }
  }

  async #discard(temporaryPath: string): Promise<void> {
    try {
      await this.#options.directory.fileSystem.unlink(temporaryPath);
    } catch (error) {
      if (!isIoError(error, 'ENOENT')) throw error; // Gone is what we wanted.
    }
  }
}
