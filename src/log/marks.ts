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
  /** What readers may see: synced in a `sync` log, written in others. */
  visibleOffset: number;
  /** What they may see of it that survives a power cut. */
  durableVisibleOffset: number;
  /** Handed to the operating system up to here. */
  writtenOffset: number;
  /** Where the log's epochs began, oldest first, the current one last. */
  epochs: readonly EpochStart[];
  #syncedOffset: number;
  /** A synced journal holds what is not synced here up to this offset. */
  #journaledOffset = 0;
  /** They come and go with each move: of `visibleOffset`... */
  readonly #waiters = new ArrivalList<() => void>();
  /** ...and of `durableVisibleOffset`. */
  readonly #durableWaiters = new ArrivalList<() => void>();
  /** First offsets of commits that are not applied in all their logs yet. */
  readonly #caps = new Set<VisibleCap>();
  /** What readers may see but for the caps. */
  #visibleUncapped: number;

  constructor({ startOffset, endOffset, syncedOffset = endOffset, epochs = [] }: LogMarksStart) {
    this.startOffset = startOffset;
    this.#syncedOffset = syncedOffset;
    this.visibleOffset = endOffset;
    this.durableVisibleOffset = Math.min(endOffset, syncedOffset);
    this.#visibleUncapped = endOffset;
    this.writtenOffset = endOffset;
    this.epochs = epochs;
  }

  /** This log's files were fdatasynced up to here. */
  get syncedOffset(): number {
    return this.#syncedOffset;
  }

  /** Everything below survives a power cut, here or in the journal. */
  get durableOffset(): number {
    return Math.max(this.#syncedOffset, this.#journaledOffset);
  }

  /** This log's files were synced up to `offset`. */
  advanceSynced(offset: number): void {
    this.#syncedOffset = Math.max(this.#syncedOffset, offset);
    this.#advanceDurableVisible();
  }

  /** What is not synced here below `offset` is in a synced journal. */
  advanceJournaled(offset: number): void {
    this.#journaledOffset = Math.max(this.#journaledOffset, offset);
    this.#advanceDurableVisible();
  }

  /** Moves the visible offset, as far as no cap is in its way, and wakes those who wait for records. */
  advanceVisible(offset: number): void {
    assert(offset <= this.writtenOffset, 'visibleOffset <= writtenOffset');
    this.#visibleUncapped = Math.max(this.#visibleUncapped, offset);
    let visible = this.#visibleUncapped;
    if (this.#caps.size > 0) for (const cap of this.#caps) visible = Math.min(visible, cap.offset);
    if (visible <= this.visibleOffset) return;
    this.visibleOffset = visible;
    wakeAll(this.#waiters);
    this.#advanceDurableVisible();
  }

  /** In a `sync` log with the visible offset alone: there what is visible was synced before. */
  #advanceDurableVisible(): void {
    const offset = Math.min(this.visibleOffset, this.durableOffset);
    if (offset <= this.durableVisibleOffset) return;
    this.durableVisibleOffset = offset;
    wakeAll(this.#durableWaiters);
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
    wakeAll(this.#waiters);
    wakeAll(this.#durableWaiters);
  }

  /** Calls `waiter`, which does not wait yet, once: at the next move of the visible offset or `wake`. */
  onVisible(waiter: () => void): void {
    this.#waiters.add(waiter);
  }

  /** The same, at the next move of `durableVisibleOffset`. */
  onDurableVisible(waiter: () => void): void {
    this.#durableWaiters.add(waiter);
  }

  forget(waiter: () => void): void {
    this.#waiters.delete(waiter);
    this.#durableWaiters.delete(waiter);
  }
}

function wakeAll(waiters: ArrivalList<() => void>): void {
  if (waiters.size > 0) for (const waiter of waiters.takeAll()) waiter();
}
