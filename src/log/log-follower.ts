/**
 * Keeps a read-only handle's view of a log up to date, while a writer in another process appends,
 * rolls and deletes. Writes nothing and holds no lock.
 *
 * Beside a live writer readers see what its checkpoint calls visible: what it acknowledged. Once
 * there is no writer they see every whole batch up to the first bad one: what the next recovery
 * will keep. Either way a bad batch behind that end is not looked at, let alone called damage.
 *
 * Order is what makes this sound. A writer creates a segment and writes to it before it states the
 * visible offset, and states a new start before it unlinks. So the directory is listed *after* the
 * checkpoint whose visible offset is taken, and *before* the one whose start explains what is
 * missing; and bytes are read after the checkpoint that vouches for them.
 */
import { ConflictError, isIoError } from '../core/errors.ts';
import type { Checkpoint } from '../format/checkpoint.ts';
import type { Segment } from '../segment/segment.ts';
import { readCheckpoint } from './checkpoint-file.ts';
import type { HandleCache } from './handle-cache.ts';
import { lockPlaceOf } from './lock-place.ts';
import type { LogDirectory } from './log-directory.ts';
import type { LogMarks } from './marks.ts';
import type { SegmentList } from './segment-list.ts';
import { examineTail } from './tail-examination.ts';

export interface LogFollowerOptions {
  readonly directory: LogDirectory;
  readonly logId: number;
  readonly marks: LogMarks;
  readonly segments: SegmentList;
  readonly handles: HandleCache;
  /** Sequence of the checkpoint that the view was made from; null when no slot was valid. */
  readonly sequence: number | null;
  /** Whether a writer was alive then, so that the view ends where its checkpoint says. */
  readonly isBesideWriter: boolean;
}

export class LogFollower {
  readonly #options: LogFollowerOptions;
  #sequence: number | null;
  #isBesideWriter: boolean;
  #running: Promise<void> = Promise.resolve();
  #isRefreshWaiting: Promise<void> | null = null;

  constructor(options: LogFollowerOptions) {
    this.#options = options;
    this.#sequence = options.sequence;
    this.#isBesideWriter = options.isBesideWriter;
    // Another process may append to it: where it ends now is not where it will.
    options.segments.last?.forgetEnd();
  }

  /**
   * Takes over what the writer stated since the last time. Calls that come together share one look.
   *
   * @throws ConflictError when the directory holds another log now; IoError
   *
   * Cost: one read of the checkpoint (8 KiB). A listing when it has changed; when it has not, one
   * look at LOCK and the process table, and once the writer is gone a walk of the tail.
   */
  refresh(): Promise<void> {
    this.#isRefreshWaiting ??= this.#inTurn(() => {
      this.#isRefreshWaiting = null;
      return this.#refresh();
    });
    return this.#isRefreshWaiting;
  }

  /** As `refresh`, and lists the directory in any case: for a reader that misses a segment. */
  relist(): Promise<void> {
    return this.#inTurn(() => this.#relist());
  }

  #inTurn(look: () => Promise<void>): Promise<void> {
    const result = this.#running.then(look);
    this.#running = result.catch(() => undefined); // Whoever waits for `result` sees the failure.
    return result;
  }

  async #refresh(): Promise<void> {
    const checkpoint = await this.#readCheckpoint();
    if (checkpoint === null) return;
    if (checkpoint.sequence !== this.#sequence) await this.#takeOver(checkpoint);
    else if (this.#isBesideWriter) await this.#goToEndIfAlone(checkpoint);
  }

  async #relist(): Promise<void> {
    const checkpoint = await this.#readCheckpoint();
    if (checkpoint !== null) await this.#takeOver(checkpoint);
  }

  /** Null when no slot is valid, or the file is gone with its directory: the view stays. */
  async #readCheckpoint(): Promise<Checkpoint | null> {
    const { directory, logId } = this.#options;
    const { checkpoint } = await readCheckpoint(directory);
    if (checkpoint === null || checkpoint.logId === logId) return checkpoint;
    throw new ConflictError({
      kind: 'log',
      name: directory.path,
      stored: `log id ${checkpoint.logId}`,
      requested: `log id ${logId}, as it was when this handle was opened`,
    });
  }

  async #takeOver(checkpoint: Checkpoint): Promise<void> {
    const { directory } = this.#options;
    const { segments } = await directory.list();
    const isExplained = (segments[0]?.baseOffset ?? 0) <= checkpoint.startOffset;
    const later = isExplained ? checkpoint : await this.#readCheckpoint();
    this.#adopt(segments);
    this.#apply(checkpoint, later?.startOffset ?? checkpoint.startOffset);
  }

  /** The writer may be gone for good: then what it wrote last is as good as the rest. */
  async #goToEndIfAlone(checkpoint: Checkpoint): Promise<void> {
    const { directory, logId } = this.#options;
    if (await hasWriter(directory)) return;
    const { segments } = await directory.list();
    const { fileSystem } = directory;
    let endOffset: number;
    try {
      ({ endOffset } = await examineTail({ fileSystem, segments, checkpoint, logId }));
    } catch (error) {
      if (isIoError(error, 'ENOENT')) return; // A writer came, and the next look will hear of it.
      throw error;
    }
    const now = await this.#readCheckpoint();
    // A writer that came meanwhile is heard first: its tail may not be durable yet.
    if (now?.sequence !== checkpoint.sequence || (await hasWriter(directory))) return;
    this.#isBesideWriter = false;
    this.#adopt(segments);
    this.#show(endOffset);
  }

  #apply(checkpoint: Checkpoint, startOffset: number): void {
    const { marks, segments, handles } = this.#options;
    marks.epochs = checkpoint.epochs;
    marks.startOffset = Math.max(marks.startOffset, startOffset);
    const removed = segments.whollyBelow(marks.startOffset);
    segments.remove(removed);
    for (const { path } of removed) handles.forget(path);
    // What was on disk when the view was made is better known from the disk itself: after a power
    // cut an `os` log may hold less than its last checkpoint states.
    if (checkpoint.sequence === this.#sequence) return;
    this.#sequence = checkpoint.sequence;
    this.#isBesideWriter = true;
    this.#show(checkpoint.visibleOffset);
    marks.advanceSynced(checkpoint.syncedOffset);
  }

  #show(endOffset: number): void {
    const { marks } = this.#options;
    marks.writtenOffset = Math.max(marks.writtenOffset, endOffset);
    marks.advanceVisible(endOffset);
  }

  /** Takes over a listing; what was learned of files that are still there is kept. */
  #adopt(listed: readonly Segment[]): void {
    const { segments, handles } = this.#options;
    const known = new Map(segments.all.map((segment) => [segment.baseOffset, segment]));
    const merged: Segment[] = [];
    const grew = segments.last;
    for (const segment of listed) {
      const old = known.get(segment.baseOffset);
      if (old === undefined || !isSameFile(old, segment, old === grew)) {
        merged.push(segment);
        continue;
      }
      known.delete(segment.baseOffset);
      old.sizeBytes = segment.sizeBytes;
      merged.push(old);
    }
    for (const { path } of known.values()) handles.forget(path); // Deleted, or replaced.
    segments.replace(merged);
    if (grew === segments.last) return;
    // Sealed since: its index batch says more than what was learned so far. And how much it has says nothing, so it
    // may be another file with the number of the one that grew: its header is read again, too.
    grew?.forget();
    segments.last?.forgetEnd(); // It grows.
  }
}

/** Numbers of files are used again, so a sealed one must be of the same size too. */
function isSameFile(known: Segment, listed: Segment, mayGrow: boolean): boolean {
  if (known.identity !== listed.identity) return false;
  return mayGrow || known.sizeBytes === listed.sizeBytes;
}

/** Whether a writer holds the log, or may hold it, as far as can be told without a lock. */
export async function hasWriter(directory: LogDirectory): Promise<boolean> {
  try {
    const { state } = await directory.fileSystem.lockState(await lockPlaceOf(directory));
    return state !== 'free';
  } catch (error) {
    if (isIoError(error)) return true; // Not ours to read: its checkpoint is what we go by.
    throw error;
  }
}
