/**
 * Group commit: one fdatasync at a time per log, each covering all writes that finished before it
 * was issued. What arrives during a sync is the next group; there is no timer to wait for.
 *
 * A failed sync is final. The kernel marks the pages clean and forgets them (fsyncgate), so trying
 * again would report success for data that is gone.
 */
import { assert } from '../core/assert.ts';
import type { Clock } from '../core/clock.ts';
import { SLOW_SYNC_MS, UNSYNCED_SEGMENTS_MAX } from '../core/limits.ts';
import { settleAll } from '../core/settle-all.ts';
import { SEGMENT_HEADER_BYTES } from '../format/layout.ts';
import type { File } from '../io/file-system.ts';
import type { Segment } from '../segment/segment.ts';
import type { LogDirectory } from './log-directory.ts';
import type { LogEvents, TakeTurn } from './log-home.ts';
import type { LogMarks } from './marks.ts';
import type { SyncTurn } from './sync-turns.ts';

export interface SyncLoopOptions {
  readonly directory: LogDirectory;
  readonly marks: LogMarks;
  /** The segment that is open for append, when there is one. */
  readonly active: Segment | null;
  /** Bounds the syncs of a store; null = this log's may always begin. */
  readonly takeTurn: TakeTurn | null;
  readonly clock: Clock;
  readonly events: LogEvents | null;
  /** Writes what `deferWrite` let wait: a sync begins, which covers what is written on return. */
  readonly onDue: () => void;
  /** Called after each sync, answers who waits. May wait itself; when it throws, that fails the loop. */
  readonly onSynced: (place: SyncedPlace) => Promise<void> | null;
  /** Called once, with the first failure. */
  readonly onFailed: (cause: unknown) => void;
}

/** Where the synced end stands. */
export interface SyncedPlace {
  readonly offset: number;
  readonly segment: Segment | null;
  readonly position: number;
}

export class SyncLoop {
  readonly #options: SyncLoopOptions;
  /** Segments that may be dirty, oldest first; the last is the active one. */
  #segments: Segment[];
  #isDirectoryDirty = false;
  #running: Promise<void> | null = null;
  #wantedOffset = 0;
  /** As far as somebody waits for it. */
  #awaitedOffset = 0;
  /** Of the sync that waits for it or runs. */
  #turn: SyncTurn | null = null;
  #isWriteDeferred = false;
  /** The next sync covers every segment, whoever asked for what. */
  #wantsAll = false;
  #failure: unknown = null;
  #hasFailed = false;
  #slotWaiters: (() => void)[] = [];

  constructor(options: SyncLoopOptions) {
    this.#options = options;
    this.#segments = options.active === null ? [] : [options.active];
  }

  /** A segment was created behind the others, its directory entry not yet durable. */
  addSegment(segment: Segment): void {
    this.#segments.push(segment);
    this.#options.events?.rolled(segment.baseOffset);
    this.#isDirectoryDirty = true;
    // The full one is synced in the background, whatever the level, so that few are ever dirty.
    if (this.#segments.length > 1) this.requestInBackground(segment.baseOffset);
  }

  /** Waits until another segment may be dirty: at most `UNSYNCED_SEGMENTS_MAX` at a time are. */
  async segmentSlot(): Promise<void> {
    while (this.#segments.length >= UNSYNCED_SEGMENTS_MAX && !this.#hasFailed) {
      this.request(this.#options.marks.writtenOffset);
      if (this.#running === null) break; // Nothing is dirty: the list holds the active one alone.
      await new Promise<void>((resolve) => this.#slotWaiters.push(resolve));
    }
    if (this.#hasFailed) throw this.#failure;
  }

  /** Whether nothing that was written waits for a sync. */
  get isClean(): boolean {
    return !this.#isDirectoryDirty && this.#segments.every((segment) => !segment.isDirty);
  }

  /** Asks that everything below `offset` be synced as soon as it is written. */
  request(offset: number): void {
    this.#awaitedOffset = Math.max(this.#awaitedOffset, offset);
    this.#turn?.hurry();
    this.requestInBackground(offset);
  }

  /** The same, but nobody waits for it. */
  requestInBackground(offset: number): void {
    this.#wantedOffset = Math.max(this.#wantedOffset, offset);
    this.poke();
  }

  /**
   * Lets the write of what ends at `offset` wait for the next sync, if that will come by itself:
   * in a store, where logs take turns, one write then brings what many turns of the event loop did.
   *
   * @returns whether it may wait, for `onDue`; the sync is asked for then
   */
  deferWrite(offset: number): boolean {
    if (this.#options.takeTurn === null || this.#running === null || this.#hasFailed) return false;
    this.#isWriteDeferred = true;
    this.request(offset);
    return true;
  }

  /** Starts a sync when one is wanted, possible, and none is running. Call after each write. */
  poke(): void {
    if (this.#running !== null || this.#hasFailed) return;
    const { syncedOffset, writtenOffset } = this.#options.marks;
    const isPossible = writtenOffset > syncedOffset || this.#isWriteDeferred;
    const isWanted = this.#wantedOffset > syncedOffset && isPossible;
    if (!isWanted && !(this.#segments.length > 1)) return;
    void this.#start();
  }

  /** Begins a sync; there is never more than one: two would share one report of a failure. */
  #start(): Promise<void> {
    assert(this.#running === null, 'one sync at a time');
    this.#running = this.#run();
    return this.#running;
  }

  /** Syncs whatever is dirty now, and waits for it. @throws the first failure, for ever */
  async syncAll(): Promise<void> {
    while (!this.#hasFailed && (this.#running !== null || !this.isClean)) {
      this.#wantsAll = true;
      await (this.#running ?? this.#start());
    }
    if (this.#hasFailed) throw this.#failure;
  }

  /** Syncs everything below `offset`, which is written. @throws the first failure, for ever */
  async syncUpTo(offset: number): Promise<void> {
    const { marks } = this.#options;
    while (!this.#hasFailed && marks.syncedOffset < offset) {
      this.request(offset);
      await this.#running;
    }
    if (this.#hasFailed) throw this.#failure;
  }

  /** One whole sync that is issued after this call. @throws the first failure, for ever */
  async syncOnceMore(): Promise<void> {
    // Looked at and started in one step: `idle` would let another run begin in between.
    while (this.#running !== null) await this.#running;
    if (!this.#hasFailed) {
      this.#wantsAll = true;
      await this.#start();
    }
    if (this.#hasFailed) throw this.#failure;
  }

  /** Starts no further sync: the writer failed for another reason, and nothing may be claimed. */
  stop(cause: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#failure = cause;
    for (const waiter of this.#slotWaiters.splice(0)) waiter();
  }

  /** Closes the files that it still holds. @throws the first failure to close one */
  async close(): Promise<void> {
    const files = this.#segments.map((segment) => segment.file);
    for (const segment of this.#segments) segment.file = null;
    this.#segments = [];
    await closeAll(files);
  }

  /** Waits for a sync in flight, whatever becomes of it. */
  async idle(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  async #run(): Promise<void> {
    try {
      const place = await this.#syncInTurn();
      const answering = this.#hasFailed ? null : this.#options.onSynced(place);
      if (answering !== null) await answering;
      this.#running = null;
    } catch (cause) {
      this.#running = null;
      this.stop(cause); // Unless it was stopped meanwhile: the first failure stays.
      this.#options.onFailed(cause);
    }
    const waiters = this.#slotWaiters;
    this.#slotWaiters = [];
    for (const waiter of waiters) waiter();
    this.poke();
  }

  /** What is written until its turn comes is synced with the rest. */
  async #syncInTurn(): Promise<SyncedPlace> {
    const { takeTurn, marks, onDue } = this.#options;
    if (takeTurn === null) return this.#syncOnce();
    const turn = takeTurn(!this.#wantsAll && this.#awaitedOffset <= marks.syncedOffset);
    this.#turn = turn;
    try {
      if (turn.begun !== null) await turn.begun;
      if (this.#hasFailed) throw this.#failure; // Meanwhile.
      if (this.#isWriteDeferred) {
        this.#isWriteDeferred = false;
        onDue();
      }
      return await this.#syncOnce();
    } finally {
      this.#turn = null;
      turn.end();
    }
  }

  async #syncOnce(): Promise<SyncedPlace> {
    const { marks, directory, clock, events } = this.#options;
    const startMs = clock.monotonic();
    const { place, segments } = this.#nextGroup();
    // A segment is clean only by a sync that was issued after its last write had finished.
    const dirty = segments
      .filter((segment) => segment.isDirty)
      .map((segment) => ({ segment, finishedWrites: segment.finishedWrites }));
    if (this.#isDirectoryDirty) {
      this.#isDirectoryDirty = false;
      await directory.sync();
    }
    for (const { segment, finishedWrites } of dirty) {
      await segment.file?.datasync();
      segment.syncedWrites = finishedWrites;
    }
    if (this.#segments.length > 1) await this.#dropSealed();
    const durationMs = clock.monotonic() - startMs;
    if (durationMs > SLOW_SYNC_MS) events?.slowSync(durationMs);
    if (!this.#hasFailed) marks.advanceSynced(place.offset);
    return place;
  }

  /** What the next sync covers: everything, or the sealed segments alone if nobody wants more. */
  #nextGroup(): { readonly place: SyncedPlace; readonly segments: readonly Segment[] } {
    const { writtenOffset } = this.#options.marks;
    const active = this.#segments.at(-1) ?? null;
    const isPart = !this.#wantsAll && this.#segments.length > 1;
    this.#wantsAll = false;
    if (active !== null && isPart && this.#wantedOffset <= active.baseOffset) {
      const place = {
        offset: active.baseOffset,
        segment: active,
        position: SEGMENT_HEADER_BYTES,
      };
      return { place, segments: this.#segments.slice(0, -1) };
    }
    const position = active?.dataEndPosition ?? 0;
    return {
      place: { offset: writtenOffset, segment: active, position },
      segments: this.#segments,
    };
  }

  /** Closes sealed segments that are clean; their readers open their own handles. */
  async #dropSealed(): Promise<void> {
    const active = this.#segments.at(-1);
    const clean = this.#segments.filter((segment) => segment !== active && !segment.isDirty);
    this.#segments = this.#segments.filter((segment) => !clean.includes(segment));
    const files = clean.map(({ file }) => file);
    for (const segment of clean) {
      segment.file = null;
      // Its index batch is on disk: whoever reads there loads it from there.
      if (segment.sizeBytes > (segment.dataEndPosition ?? 0)) segment.index = null;
    }
    await closeAll(files);
  }
}

/** Closes all of them, also when one cannot be. @throws the first failure */
async function closeAll(files: readonly (File | null)[]): Promise<void> {
  await settleAll(files.map((file) => file?.close()));
}
