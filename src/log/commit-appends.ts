/** The part of an appender that commits use: records that are held back, and written whatever happens. */
import { assert } from '../core/assert.ts';
import type { Clock, Timer } from '../core/clock.ts';
import { MIB } from '../core/limits.ts';
import type { Waiter } from './ack-queue.ts';
import type { BatchBuilder } from './batch-builder.ts';
import type { Chunk } from './chunk.ts';
import { HeldAppend, type Holder } from './held-append.ts';
import type { LogMarks } from './marks.ts';
import { recordCountOf, type RecordRun } from './record-run.ts';

/** How long committed records that found no room on the disk wait before they are tried again. */
const RETRY_MS = 1000;
/** The journal holds them, so they are synced when it suits: so often, or after so many bytes. */
const SYNC_MS = 1000;
const UNSYNCED_BYTES_MAX = 8 * MIB;

export interface CommitAppendsOptions {
  readonly clock: Clock;
  readonly marks: LogMarks;
  readonly builder: BatchBuilder;
  /** Resolves when everything below an offset is synced. @throws why it never will be */
  readonly syncedUpTo: (offset: number) => Promise<void>;
  /** Has `waiter` answered when its records are written, and what stands before written soon. */
  readonly submit: (waiter: Waiter) => void;
  /** Why so many bytes must not be written now; null when they may. */
  readonly refusalFor: (sizeBytes: number) => Promise<Error | null>;
  /** Has everything below an offset synced, without anybody who waits. */
  readonly sync: (offset: number) => void;
  /** Writes what may be written. */
  readonly drain: () => void;
  /** Rejects everything that is neither written nor committed. */
  readonly refuse: (cause: Error) => void;
  /** Called when readers see more, without a write or a sync. */
  readonly onVisible: () => void;
}

export class CommitAppends implements Holder {
  /** Why committed records wait, and nothing else is taken: the disk is full. Null when they do not. */
  pending: Error | null = null;
  readonly #options: CommitAppendsOptions;
  /** As of the last commit: first offset after the last record that no commit brought... */
  #plainEnd: number;
  /** ...and after the last record. */
  #end: number;
  /** Resolves when the last of them is written, or waits for room, or was refused. */
  settled: Promise<void> = Promise.resolve();
  /** Tells those who wait for the last of them that they are `pending`. */
  #onPend: (() => void) | null = null;
  #retryTimer: Timer | null = null;
  /** Written and not known to be synced. */
  #unsyncedBytes = 0;
  #syncTimer: Timer | null = null;

  constructor(options: CommitAppendsOptions) {
    this.#options = options;
    this.#plainEnd = options.builder.nextOffset;
    this.#end = this.#plainEnd;
  }

  /** Bytes of committed records that are not written. */
  get pendingBytes(): number {
    return this.#options.builder.committedBytes;
  }

  get marks(): LogMarks {
    return this.#options.marks;
  }

  /**
   * Encodes the records of a commit, one at least, behind everything appended so far, and holds them back. The
   * caller asked the appender's `refusal` first, and releases or refuses them before the next.
   */
  hold(runs: readonly RecordRun[]): HeldAppend {
    assert(recordCountOf(runs) > 0, 'nothing would never be written');
    const { builder, submit } = this.#options;
    const baseOffset = builder.nextOffset;
    if (baseOffset > this.#end) this.#plainEnd = baseOffset;
    builder.beginHeld();
    for (const run of runs) builder.addRun(run);
    const batches = builder.endHeld();
    const { nextOffset } = builder;
    this.#end = nextOffset;
    const held = new HeldAppend(this, {
      baseOffset,
      nextOffset,
      plainEnd: this.#plainEnd,
      batches,
    });
    this.settled = held.settled;
    this.#onPend = () => held.pend();
    submit(held.waiter);
    return held;
  }

  /** Has a batch written that the journal has and the log lost. It begins where the log ends. */
  place(batch: Uint8Array): void {
    const { builder, marks } = this.#options;
    builder.place(batch);
    this.#end = builder.nextOffset;
    marks.advanceJournaled(this.#end);
  }

  /** Resolves when what was placed is written and can be read; or before, if there is no room for it. */
  placed(): Promise<void> {
    const { builder, marks, submit } = this.#options;
    const { nextOffset } = builder;
    const { writtenOffset: baseOffset } = marks;
    if (nextOffset === baseOffset) return Promise.resolve();
    return new Promise((resolve, fail) => {
      this.#onPend = resolve;
      const complete = () => {
        marks.advanceVisible(nextOffset);
        this.onVisible();
        resolve();
      };
      submit({ baseOffset, nextOffset, asked: 'os', complete, fail });
    });
  }

  syncedUpTo(offset: number): Promise<void> {
    return this.#options.syncedUpTo(offset);
  }

  refusalFor(sizeBytes: number): Promise<Error | null> {
    return this.#options.refusalFor(sizeBytes);
  }

  releaseHeld(): void {
    this.#options.builder.commitHeld();
    this.marks.advanceJournaled(this.#end);
    this.#options.drain();
  }

  refuseHeld(cause: Error): void {
    this.#options.refuse(cause);
  }

  onVisible(): void {
    this.#options.onVisible();
  }

  /** Everything from `offset` on was forgotten. */
  rewound(offset: number): void {
    this.#plainEnd = Math.min(this.#plainEnd, offset);
    this.#end = Math.min(this.#end, offset);
  }

  /** There was no room for a committed chunk: it is tried again until there is. */
  pend(chunk: Chunk, cause: Error): void {
    const { builder, refuse, clock, drain } = this.#options;
    builder.putBack(chunk);
    refuse(cause);
    this.pending = cause;
    this.#onPend?.();
    this.#retryTimer ??= clock.setTimer(() => {
      this.#retryTimer = null;
      drain();
    }, RETRY_MS);
  }

  /** A committed chunk is written. */
  written({ nextOffset, sizeBytes }: Chunk): void {
    const { clock, marks, sync } = this.#options;
    // While some still wait, the next refusal would take back what others append behind them.
    if (this.pendingBytes === 0) this.pending = null;
    this.#unsyncedBytes += sizeBytes;
    if (this.#unsyncedBytes >= UNSYNCED_BYTES_MAX) {
      this.#unsyncedBytes = 0;
      sync(nextOffset);
    }
    this.#syncTimer ??= clock.setTimer(() => {
      this.#syncTimer = null;
      this.#unsyncedBytes = 0;
      sync(marks.writtenOffset);
    }, SYNC_MS);
  }

  /** Tries no more: what is not written is in the journal, and the next opening writes it. */
  close(): void {
    this.#retryTimer?.cancel();
    this.#syncTimer?.cancel();
  }
}
