/**
 * Writes down how far a stream is projected: now and then, before a log gets its first record, and
 * before anybody deletes what only the mark will say then.
 */
import type { Clock, Timer } from '../core/clock.ts';
import { MIB } from '../core/limits.ts';
import { Mutex } from '../core/mutex.ts';
import type { Fold } from '../journal/fold.ts';
import type { Journal } from '../journal/journal.ts';
import type { DurabilityLevel } from '../log/log-options.ts';
import type { Outlet } from './outlet.ts';
import { projectionMarked } from './projection-entries.ts';
import {
  markedPosition,
  projections,
  streamId,
  type LogMark,
  type ProjectionState,
  type StreamName,
} from './projection-state.ts';

/** What was projected since the last mark is looked for again after a crash. */
const MARK_MS = 1000;
const MARK_BYTES = 64 * MIB;

export interface ProjectionMarksParts {
  readonly journal: Pick<Journal, 'append'>;
  readonly fold: Pick<Fold, 'get'>;
  readonly clock: Clock;
  readonly stream: StreamName;
  /** How far the logs are that are not behind; null = nobody knows yet. */
  readonly positionNow: () => number | null;
  readonly outlets: () => Iterable<Pick<Outlet, 'logId' | 'isMarked' | 'mark'>>;
  /** Called when a mark was written. Must not throw. */
  readonly onMarked: () => void;
  /** Called after each look by the clock. Must not throw. */
  readonly onLook: () => void;
}

export class ProjectionMarks {
  readonly #parts: ProjectionMarksParts;
  #timer: Timer | null = null;
  #bytes = 0;
  #isClosed = false;
  /** Of logs that nothing leads to any more, until a mark says so. */
  readonly #goneLogIds: number[] = [];
  /** One after the other: what is new is so beside what the one before says. */
  readonly #writes = new Mutex();
  /** The last failure; null since a mark was written. */
  lastError: unknown = null;

  constructor(parts: ProjectionMarksParts) {
    this.#parts = parts;
  }

  /** As the journal has it; null = the stream has ended. For reading. */
  get state(): ProjectionState | null {
    return this.#parts.fold.get(projections, streamId(this.#parts.stream));
  }

  /** So much of the source was read: a mark follows. */
  moved(sizeBytes: number): void {
    this.#bytes += sizeBytes;
    if (this.#bytes >= MARK_BYTES) this.#writeSoon();
    this.#arm();
  }

  /** Nothing leads to a log any more: what is known of it is forgotten with the next mark. */
  forget(logId: number): void {
    this.#goneLogIds.push(logId);
    this.#arm();
  }

  /**
   * Writes down what is new. No effect when nothing is, or the stream has ended.
   *
   * @throws as `Journal.append`
   */
  write(durability: DurabilityLevel): Promise<void> {
    return this.#writes.run(() => this.#write(durability, 0));
  }

  /**
   * Writes down that a log is let off so many records. No other mark says that it is, without them: what
   * would rebuild the log could not tell that they are missing.
   *
   * @param begin  lets it off, in the step in which the mark is made; it is told whether that was written;
   *   null = not any more
   * @returns whether it was let off
   * @throws as `Journal.append`
   */
  skip(skippedCount: number, begin: () => ((isWritten: boolean) => void) | null): Promise<boolean> {
    return this.#writes.run(async () => {
      const end = begin();
      if (end === null) return false;
      let isWritten = false;
      try {
        await this.#write('sync', skippedCount);
        isWritten = true;
      } finally {
        end(isWritten);
      }
      return true;
    });
  }

  async #write(durability: DurabilityLevel, skippedCount: number): Promise<void> {
    const { state } = this;
    if (state === null) return;
    this.#bytes = 0;
    const goneLogIds = this.#takeGone();
    const position = Math.max(state.position, this.#parts.positionNow() ?? 0);
    const logs = this.#news(state, position);
    const isNew =
      position > state.position || logs.length > 0 || goneLogIds.length > 0 || skippedCount > 0;
    if (!isNew) return;
    const { journal, stream } = this.#parts;
    try {
      const entry = { ...stream, position, logs, goneLogIds, skippedCount };
      await journal.append(projectionMarked, entry, durability);
      this.lastError = null;
      this.#parts.onMarked();
    } catch (error) {
      if (this.state === null) return; // The stream has ended meanwhile: nothing is left to say.
      this.#goneLogIds.push(...goneLogIds);
      this.lastError = error;
      throw error;
    }
  }

  /** Names a log before it gets its first record. @throws as `Journal.append` */
  async name(outlet: Outlet): Promise<void> {
    const { state } = this;
    if (state === null) return;
    const { journal, stream } = this.#parts;
    const { logId } = outlet;
    const mark = outlet.mark();
    const isBehind = mark.position < state.position;
    const logs = [{ logId, ...mark, isBehind }];
    const { position } = state;
    const entry = { ...stream, position, logs, goneLogIds: [], skippedCount: 0 };
    await journal.append(projectionMarked, entry, 'sync');
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  /** Without those to which something leads again: what is known of them is needed. */
  #takeGone(): number[] {
    const logIds = new Set(Array.from(this.#parts.outlets(), ({ logId }) => logId));
    return this.#goneLogIds.splice(0).filter((logId) => !logIds.has(logId));
  }

  /** What a mark with this position would not say of the logs. */
  #news(state: ProjectionState, position: number): ({ readonly logId: number } & LogMark)[] {
    const news: ({ readonly logId: number } & LogMark)[] = [];
    for (const outlet of this.#parts.outlets()) {
      const { logId } = outlet;
      const now = outlet.mark();
      const isBehind = now.position < position;
      const known = state.logs.get(logId);
      // One that nothing was written into is named when the others pass it: they would hide what it lacks.
      if (known === undefined && !outlet.isMarked && !isBehind) continue;
      const isSame =
        known !== undefined &&
        known.endOffset === now.endOffset &&
        known.isBehind === isBehind &&
        markedPosition(position, known) === now.position;
      if (!isSame) news.push({ ...now, logId, isBehind });
    }
    return news;
  }

  #arm(): void {
    if (this.#isClosed) return;
    this.#timer ??= this.#parts.clock.setTimer(() => {
      this.#timer = null;
      this.#writeSoon();
      this.#parts.onLook();
    }, MARK_MS);
  }

  #writeSoon(): void {
    // It is tried again after the next batch, and by all who need it.
    this.write('os').catch(() => this.#arm());
  }
}
