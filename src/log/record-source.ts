/** A bounded, abortable walk over a log's batches: what `batches`, `records` and cursors share. */
import { onAbort } from '../core/abort.ts';
import { present } from '../core/assert.ts';
import type { Clock, Timer } from '../core/clock.ts';
import { ClosedError } from '../core/errors.ts';
import { copyOfBatch, type VerifiedBatch } from '../format/batch-records.ts';
import { resolveFrom } from './log-offsets.ts';
import { LogReader } from './log-reader.ts';
import type { ReadableLog } from './readable-log.ts';
import type { ReadPlan } from './read-options.ts';

/**
 * What a batch lies in: the read that brought it, with what was read beside it; memory of its own, for
 * who keeps few of many; or what the next read uses again.
 */
export type BatchMemory = 'read' | 'own' | 'reused';

export interface RecordSourceOptions {
  readonly log: ReadableLog;
  readonly plan: ReadPlan;
  readonly memory: BatchMemory;
  /** Whether it goes no further than what survives a power cut. */
  readonly isDurable: boolean;
  readonly clock: Clock;
  /** Milliseconds between two looks at what a writer in another process did. */
  readonly pollMs: number;
  /** Why the writer stopped: ends a read that follows, behind the last record; null = it has not. */
  readonly failure: () => Error | null;
  /** Whether the log was closed: ends a read. */
  readonly isClosed: () => boolean;
  readonly onClosed: () => void;
}

export class RecordSource {
  /** The wanted offsets of the current batch: [`from`, `to`). */
  from = 0;
  to = 0;

  readonly #options: RecordSourceOptions;
  #reader: LogReader | null = null;
  #end = 0;
  #isClosed = false;
  /** Ends a wait for records. */
  #wake: (() => void) | null = null;

  constructor(options: RecordSourceOptions) {
    this.#options = options;
  }

  /**
   * Moves to the next batch of the range; false at its end. With `follow` it waits instead.
   *
   * @throws the signal's reason; ClosedError when the log was closed; errors of `LogReader.next`
   */
  async next(): Promise<boolean> {
    this.#checkOpen();
    try {
      return await this.#next();
    } catch (error) {
      this.#checkOpen(); // Closing the log closes the files under a read.
      if (this.#isClosed) return false; // And so does ending the read.
      throw error;
    }
  }

  async #next(): Promise<boolean> {
    const { plan, log } = this.#options;
    const reader = this.#reader ?? (await this.#start());
    for (;;) {
      this.#checkOpen();
      this.from = reader.offset;
      this.to = this.#limit();
      if (await reader.next(this.to)) return true;
      if (reader.offset < this.to) this.#checkOpen(); // It was closed under the read.
      const isDone = this.#isClosed || (plan.to !== null && reader.offset >= plan.to);
      if (!plan.follow || isDone) return false;
      const failure = this.#options.failure();
      if (failure !== null) throw failure; // Nothing will follow.
      await this.#waitForMore(reader.offset);
      await log.follower?.refresh();
    }
  }

  /** Next offset wanted: everything below was walked. Of a read that has begun. */
  get offset(): number {
    return present(this.#reader, 'the read has begun').offset;
  }

  /**
   * Of a read that came to its end, without `follow`, below its `to`: resolves when there may be more for
   * `next`, or when it was ended.
   *
   * @throws the signal's reason; ClosedError when the log was closed; why nothing will follow
   */
  async more(): Promise<void> {
    const failure = this.#options.failure();
    if (failure !== null) throw failure;
    await this.#waitForMore(this.offset);
    this.#checkOpen();
    await this.#options.log.follower?.refresh();
  }

  /** The current batch, good until `next`. */
  get batch(): VerifiedBatch {
    const reader = present(this.#reader, 'a batch is current');
    const { bytes, view, start, header } = reader.scanner;
    return { bytes, view, at: start, header, file: reader.file };
  }

  /** The current batch, good for ever unless its memory is `reused`. */
  get kept(): VerifiedBatch {
    const { batch } = this;
    const isOwn = this.#options.memory === 'own';
    return isOwn ? copyOfBatch(batch) : { ...batch, header: { ...batch.header } };
  }

  /** Ends the walk, also one that is waiting for the disk or for records. */
  close(): void {
    this.#isClosed = true;
    this.#reader?.close();
    this.#wake?.();
    this.#options.onClosed();
  }

  async #start(): Promise<LogReader> {
    const { log, plan, memory } = this.#options;
    // Where there is none, the read begins in this very turn.
    if (log.follower !== null) await log.follower.refresh();
    const from = await resolveFrom(log, plan.from);
    this.#end = plan.to ?? this.#readableEnd;
    const { skipsDamage, onGap } = plan;
    const keepBuffers = memory === 'read';
    this.#reader = new LogReader(log, { from, keepBuffers, skipsDamage, onGap });
    if (this.#isClosed) this.#reader.close();
    return this.#reader;
  }

  /** Resolves when there may be more: the end of what it may read moved, the wait was ended, or it is time. */
  async #waitForMore(offset: number): Promise<void> {
    const { log, plan, isClosed, isDurable } = this.#options;
    const { marks } = log;
    const { signal } = plan;
    if (this.#readableEnd > offset || isClosed() || signal?.aborted === true) return;
    await new Promise<void>((resolve) => {
      const wake = () => {
        this.#wake = null;
        unwatch?.();
        marks.forget(wake);
        timer?.cancel();
        resolve();
      };
      this.#wake = wake;
      const timer = this.#timerOf(wake);
      if (isDurable) marks.onDurableVisible(wake);
      else marks.onVisible(wake);
      const unwatch = signal === null ? null : onAbort(signal, wake);
    });
  }

  /** What wakes a wait by itself, or at least keeps the process alive for it; null = nothing. */
  #timerOf(wake: () => void): Timer | null {
    const { log, plan, clock, pollMs } = this.#options;
    const { keepsAlive } = plan;
    // A writer in another process wakes nobody here.
    if (log.follower !== null) return clock.setTimer(wake, pollMs, { keepsAlive });
    return keepsAlive ? (clock.keepAlive?.() ?? null) : null;
  }

  /** Without `follow` a read ends where the log ended when it began. */
  #limit(): number {
    const { plan } = this.#options;
    const endOffset = this.#readableEnd;
    if (plan.follow) return Math.min(plan.to ?? endOffset, endOffset);
    return Math.min(this.#end, endOffset);
  }

  /** Between two batches, as each of the marks is. */
  get #readableEnd(): number {
    const { log, isDurable } = this.#options;
    return isDurable ? log.marks.durableVisibleOffset : log.marks.visibleOffset;
  }

  #checkOpen(): void {
    const { plan, log, isClosed } = this.#options;
    plan.signal?.throwIfAborted();
    if (isClosed()) throw new ClosedError({ resource: 'log', name: log.path });
  }
}
