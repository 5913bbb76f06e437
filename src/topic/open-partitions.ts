/**
 * The partitions of a store whose logs are open. Few stay so: each costs two files and the memory of
 * a writer. Beyond the bound those are closed that were not used for longest; the next use opens them
 * again, which costs two syncs. One that is being used is never closed.
 */
import { endsWithin, type Clock, type Timer } from '../core/clock.ts';
import {
  IDLE_LOOK_MS,
  OPENING_PATIENCE_MS,
  OPEN_PARTITIONS_MAX,
  OPENINGS_MAX,
  PARTITION_FILES_MAX,
} from '../core/limits.ts';
import { WRITER_FILES } from '../log/log-life.ts';
import { Semaphore } from '../core/semaphore.ts';

/** A partition, as far as it can be closed for a while. */
export interface Closable {
  /** Grows with each use. */
  readonly useCount: number;
  /** Whether nobody uses it now. */
  readonly isIdle: boolean;
  readonly fileCount: number;
  /** Closes files that are kept for the next reader only. */
  dropFiles(): void;
  /** Closes it, unless somebody comes for it first. Never rejects. */
  closeIdle(): Promise<void>;
}

export interface OpenPartitionsOptions {
  readonly clock: Clock;
  /** Default `OPEN_PARTITIONS_MAX`. */
  readonly openMax?: number;
  /** Default `PARTITION_FILES_MAX`. */
  readonly filesMax?: number;
}

export class OpenPartitions {
  readonly #clock: Clock;
  readonly #openMax: number;
  readonly #filesMax: number;
  /** With its count of uses at the last look; those that were not used since come first. */
  readonly #open = new Map<Closable, number>();
  readonly #openings: Semaphore;
  /** Those that are being closed: nobody waits long for one. */
  readonly #closing = new Set<Closable>();
  #shrinking: Promise<void> | null = null;
  #timer: Timer | null = null;
  #isClosed = false;

  constructor(options: OpenPartitionsOptions) {
    const { clock } = options;
    this.#clock = clock;
    this.#openings = new Semaphore(OPENINGS_MAX, { clock, patienceMs: OPENING_PATIENCE_MS });
    this.#openMax = options.openMax ?? OPEN_PARTITIONS_MAX;
    this.#filesMax = options.filesMax ?? PARTITION_FILES_MAX;
  }

  get count(): number {
    return this.#open.size;
  }

  /** Files that they keep open. */
  get fileCount(): number {
    let count = 0;
    for (const partition of this.#open.keys()) count += partition.fileCount;
    return count;
  }

  /** Opens one more, when others that are idle have made room for it. @throws as `open` */
  admit<R>(partition: Closable, open: () => Promise<R>): Promise<R> {
    return this.#openings.run(async () => {
      if (this.#open.size >= this.#openMax) await this.#shrink(this.#openMax - 1);
      const opened = await open();
      this.#open.set(partition, partition.useCount);
      if (this.#open.size > this.#openMax) this.#lookAgain();
      return opened;
    });
  }

  /** It is closed, or about to be. */
  remove(partition: Closable): void {
    this.#open.delete(partition);
  }

  /** A use of one has ended: it may be closed. Cheap, unless it was read. */
  released(partition: Closable): void {
    this.#moveBack(partition);
    const isOver =
      this.#open.size > this.#openMax ||
      (partition.fileCount > WRITER_FILES && this.#hasSurplus(this.#openMax));
    if (isOver) void this.#shrink(this.#openMax);
  }

  /** Closes none any more: everything is being closed. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.#shrinking;
  }

  #hasSurplus(openMax: number): boolean {
    return this.#open.size > openMax || this.fileCount > this.#filesMax;
  }

  async #shrink(openMax: number): Promise<void> {
    // Who is told that there is room now may find that others took it: the bound is no promise.
    this.#shrinking ??= this.#closeIdle(openMax).finally(() => {
      this.#shrinking = null;
      if (this.#hasSurplus(this.#openMax)) this.#lookAgain();
    });
    await this.#shrinking;
  }

  async #closeIdle(openMax: number): Promise<void> {
    if (this.fileCount > this.#filesMax) this.#dropFiles();
    // Twice: those that were used since the last look are spared the first time.
    for (let look = 0; look < 2 && this.#hasSurplus(openMax); look++) {
      const closing = Promise.all(this.#unused(openMax).map((one) => this.#closeOne(one)));
      await endsWithin(this.#clock, closing, OPENING_PATIENCE_MS);
    }
  }

  async #closeOne(partition: Closable): Promise<void> {
    this.#closing.add(partition);
    await partition.closeIdle();
    this.#closing.delete(partition);
  }

  /** Those to close; the others that were passed over go behind all. */
  #unused(openMax: number): readonly Closable[] {
    const unused: Closable[] = [];
    const surplus = this.#isClosed ? 0 : Math.max(1, this.#open.size - openMax);
    const oldestFirst = [...this.#open]; // Those that go behind all are not met again.
    for (const [partition, useCount] of oldestFirst) {
      if (unused.length >= surplus) break;
      if (partition.useCount !== useCount) this.#moveBack(partition);
      else if (partition.isIdle && !this.#closing.has(partition)) unused.push(partition);
    }
    return unused;
  }

  #dropFiles(): void {
    for (const partition of this.#open.keys()) {
      if (this.fileCount <= this.#filesMax) return;
      partition.dropFiles();
    }
  }

  #moveBack(partition: Closable): void {
    if (!this.#open.delete(partition)) return;
    this.#open.set(partition, partition.useCount);
  }

  /** Nobody says when the last append of a busy partition was answered. */
  #lookAgain(): void {
    if (this.#isClosed) return;
    this.#timer ??= this.#clock.setTimer(() => {
      this.#timer = null;
      if (this.#hasSurplus(this.#openMax)) void this.#shrink(this.#openMax);
    }, IDLE_LOOK_MS);
  }
}
