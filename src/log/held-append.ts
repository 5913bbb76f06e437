/**
 * The records of a commit in one log: encoded and numbered, held back until the journal has them,
 * then written. What is appended behind them waits meanwhile.
 */
import { assert } from '../core/assert.ts';
import type { Waiter } from './ack-queue.ts';
import type { LogMarks, VisibleCap } from './marks.ts';

/** What the writer of the log does for it. */
export interface Holder {
  readonly marks: LogMarks;
  /** Resolves when everything below `offset` is synced. @throws why it is not, and never will be */
  syncedUpTo(offset: number): Promise<void>;
  /** Why so many bytes must not be written now; null when they may. */
  refusalFor(sizeBytes: number): Promise<Error | null>;
  releaseHeld(): void;
  refuseHeld(cause: Error): void;
  /** Called when readers may see more. */
  onVisible(): void;
}

export interface HeldRange {
  readonly baseOffset: number;
  readonly nextOffset: number;
  /** First offset after the last record before them that no commit has brought. */
  readonly plainEnd: number;
  /** Encoded, in order, whole batches in each; good until they are written. */
  readonly batches: readonly Uint8Array[];
}

export class HeldAppend {
  readonly baseOffset: number;
  readonly nextOffset: number;
  readonly batches: readonly Uint8Array[];
  /** Waits for its records to be written; belongs to the writer's queue. */
  readonly waiter: Waiter;
  /** Resolves when its records are written, or the writer failed: the next opening writes them. */
  readonly ended: Promise<void>;
  /** As `ended`; or before, while it waits for room on the disk. */
  readonly settled: Promise<void>;
  readonly #holder: Holder;
  readonly #plainEnd: number;
  readonly #cap: VisibleCap;
  #state: 'held' | 'released' | 'written' | 'failed' = 'held';
  /** Why it was refused while it was held. */
  #refusal: Error | null = null;
  #end: () => void = () => undefined;
  #settle: () => void = () => undefined;

  constructor(holder: Holder, { baseOffset, nextOffset, plainEnd, batches }: HeldRange) {
    this.#holder = holder;
    this.baseOffset = baseOffset;
    this.nextOffset = nextOffset;
    this.batches = batches;
    this.#plainEnd = plainEnd;
    this.#cap = holder.marks.cap(baseOffset);
    this.ended = new Promise((resolve) => (this.#end = resolve));
    this.settled = new Promise((resolve) => (this.#settle = resolve));
    this.waiter = {
      baseOffset,
      nextOffset,
      asked: 'os',
      complete: () => this.#finish('written'),
      fail: (error) => this.#fail(error),
    };
  }

  /** Whether `ended` is resolved. */
  get isEnded(): boolean {
    return this.#state === 'written' || this.#state === 'failed';
  }

  /**
   * Resolves when what stands before them cannot be lost, and there is room for them, here and in the
   * journal. @throws why they were refused, or must be
   */
  async ready(): Promise<void> {
    await this.#holder.syncedUpTo(this.#plainEnd);
    if (this.#refusal !== null) throw this.#refusal;
    const sizeBytes = this.batches.reduce((sum, { length }) => sum + length, 0);
    const refusal = await this.#holder.refusalFor(2 * sizeBytes);
    if (refusal !== null) throw refusal;
  }

  /** They are durable in the journal: has them written. Cannot fail, only take long: see `settled` */
  release(): void {
    if (this.#state === 'failed') return; // Its writer did meanwhile: the next opening writes them.
    assert(this.#state === 'held', 'released once');
    this.#state = 'released';
    this.#holder.releaseHeld();
  }

  /** They come to nothing, and what was appended behind them is rejected with `cause`. */
  refuse(cause: Error): void {
    if (this.#state === 'held') this.#holder.refuseHeld(cause);
    this.#holder.marks.uncap(this.#cap);
  }

  /** There is no room on the disk: the writer tries again until there is. */
  pend(): void {
    if (this.#state === 'released') this.#settle();
  }

  /** Lets readers see them, if they are written. */
  show(): void {
    const { marks } = this.#holder;
    if (this.#state === 'written') marks.advanceVisible(this.nextOffset);
    marks.uncap(this.#cap);
    this.#holder.onVisible();
  }

  #fail(error: Error): void {
    if (this.#state === 'held') this.#refusal = error;
    this.#finish('failed');
  }

  #finish(state: 'written' | 'failed'): void {
    this.#state = state;
    this.#end();
    this.#settle();
  }
}
