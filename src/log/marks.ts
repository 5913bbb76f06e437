/** The offsets that say how far a log has come. All exclusive; none ever moves back but `endOffset`. */
import { ArrivalList } from '../core/arrival-list.ts';
import { assert } from '../core/assert.ts';
import type { EpochStart } from '../format/checkpoint.ts';

/** Where a log stands when it is opened. */
export interface LogMarksStart {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly syncedOffset?: number;
  readonly epochs?: readonly EpochStart[];
}

export interface VisibleCap {
  readonly offset: number;
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
  /** A synced journal holds what is not synced here up to this offset. */
  journaledOffset = 0;
  /** Where the log's epochs began, oldest first, the current one last. */
  epochs: readonly EpochStart[];
  /** They come and go with each move. */
  readonly #waiters = new ArrivalList<() => void>();
  /** First offsets of commits that are not applied in all their logs yet. */
  readonly #caps = new Set<VisibleCap>();
  /** What readers may see but for the caps. */
  #visibleUncapped: number;

  constructor({ startOffset, endOffset, syncedOffset = endOffset, epochs = [] }: LogMarksStart) {
    this.startOffset = startOffset;
    this.syncedOffset = syncedOffset;
    this.visibleOffset = endOffset;
    this.#visibleUncapped = endOffset;
    this.writtenOffset = endOffset;
    this.epochs = epochs;
  }

  /** Everything below survives a power cut, here or in the journal. */
  get durableOffset(): number {
    return Math.max(this.syncedOffset, this.journaledOffset);
  }

  /** Moves the visible offset, as far as no cap is in its way, and wakes those who wait for records. */
  advanceVisible(offset: number): void {
    assert(offset <= this.writtenOffset, 'visibleOffset <= writtenOffset');
    this.#visibleUncapped = Math.max(this.#visibleUncapped, offset);
    let visible = this.#visibleUncapped;
    if (this.#caps.size > 0) for (const cap of this.#caps) visible = Math.min(visible, cap.offset);
    if (visible <= this.visibleOffset) return;
    this.visibleOffset = visible;
    this.wake();
  }

  /** Nobody sees `offset` or what lies behind it, whatever becomes of it, before `uncap`. */
  cap(offset: number): VisibleCap {
    const cap = { offset };
    this.#caps.add(cap);
    return cap;
  }

  uncap(cap: VisibleCap): void {
    this.#caps.delete(cap);
    this.advanceVisible(this.#visibleUncapped);
  }

  /** Calls everyone who waits; also used when the log closes or fails. */
  wake(): void {
    if (this.#waiters.size > 0) for (const waiter of this.#waiters.takeAll()) waiter();
  }

  /** Calls `waiter`, which does not wait yet, once: at the next move of the visible offset or `wake`. */
  onVisible(waiter: () => void): void {
    this.#waiters.add(waiter);
  }

  forget(waiter: () => void): void {
    this.#waiters.delete(waiter);
  }
}
