/** The offsets that say how far a log has come. All exclusive; none ever moves back but `endOffset`. */
import { assert } from '../core/assert.ts';
import type { EpochStart } from '../format/checkpoint.ts';

/** Where a log stands when it is opened. */
export interface LogMarksStart {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly syncedOffset?: number;
  readonly epochs?: readonly EpochStart[];
}

export class LogMarks {
  /** Lowest readable offset. */
  startOffset: number;
  /** This log's files were fdatasynced up to here. */
  syncedOffset: number;
  /** What readers may see: synced in a `sync` log, written in others. */
  visibleOffset: number;
  /** Handed to the operating system up to here. */
  writtenOffset: number;
  /** Where the log's epochs began, oldest first, the current one last. */
  epochs: readonly EpochStart[];
  readonly #waiters = new Set<() => void>();

  constructor({ startOffset, endOffset, syncedOffset = endOffset, epochs = [] }: LogMarksStart) {
    this.startOffset = startOffset;
    this.syncedOffset = syncedOffset;
    this.visibleOffset = endOffset;
    this.writtenOffset = endOffset;
    this.epochs = epochs;
  }

  /** Moves the visible offset and wakes those who wait for records. */
  advanceVisible(offset: number): void {
    assert(offset <= this.writtenOffset, 'visibleOffset <= writtenOffset');
    if (offset <= this.visibleOffset) return;
    this.visibleOffset = offset;
    this.wake();
  }

  /** Calls everyone who waits; also used when the log closes or fails. */
  wake(): void {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const waiter of waiters) waiter();
  }

  /** Calls `waiter` once, at the next move of the visible offset or `wake`. */
  onVisible(waiter: () => void): void {
    this.#waiters.add(waiter);
  }

  forget(waiter: () => void): void {
    this.#waiters.delete(waiter);
  }
}
