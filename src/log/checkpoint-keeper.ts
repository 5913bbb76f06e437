/**
 * Decides when the checkpoint of an open log is written and synced.
 *
 * After every sync at once; within 100 ms of a move of the visible offset; synced when nothing was
 * written for 50 ms; both slots, synced one after the other, when the start offset moved.
 */
import type { Clock, Timer } from '../core/clock.ts';
import { CHECKPOINT_DELAY_MS, CHECKPOINT_IDLE_MS } from '../core/limits.ts';
import type { CheckpointFile, CheckpointState } from './checkpoint-file.ts';
import type { TakeTurn } from './log-home.ts';
import type { LogMarks } from './marks.ts';
import type { SyncedPlace } from './sync-loop.ts';
import type { SyncTurn } from './sync-turns.ts';

export interface CheckpointKeeperOptions {
  readonly file: CheckpointFile;
  readonly clock: Clock;
  readonly marks: LogMarks;
  /** Bounds the syncs of a store; null = no bound. */
  readonly takeTurn: TakeTurn | null;
  /** Where the synced end stood when the log was opened. */
  readonly place: SyncedPlace;
  /** The checkpoint could not be written: the writer must stop. */
  readonly onFailed: (cause: unknown) => void;
}

export class CheckpointKeeper {
  readonly #options: CheckpointKeeperOptions;
  #place: SyncedPlace;
  #delayTimer: Timer | null = null;
  #idleTimer: Timer | null = null;
  #lastWriteMs = 0;
  #syncing: Promise<void> = Promise.resolve();
  #isClosed = false;
  /** Of an idle sync, while it waits for it or runs. */
  #turn: SyncTurn | null = null;

  constructor(options: CheckpointKeeperOptions) {
    this.#options = options;
    this.#place = options.place;
  }

  /** A sync finished: states it before anyone is answered. @throws IoError */
  onSynced(place: SyncedPlace): void {
    this.#place = place;
    this.#write();
  }

  /** The visible offset moved without a sync. */
  onVisible(): void {
    if (this.#isClosed) return; // Of a commit that waited for room in another log.
    const { clock } = this.#options;
    this.#delayTimer ??= clock.setTimer(() => {
      this.#delayTimer = null;
      this.#guard(() => this.#write());
    }, CHECKPOINT_DELAY_MS);
  }

  /** States the marks in both slots, durably: they never go back behind this. @throws IoError */
  async persist(): Promise<void> {
    await this.#afterSync(() => this.#options.file.writeBothSynced(() => this.#state()));
  }

  /** Stops the timers; `sync` writes and syncs the marks a last time. @throws IoError */
  async close(options: { readonly sync: boolean }): Promise<void> {
    this.#isClosed = true;
    this.#delayTimer?.cancel();
    this.#idleTimer?.cancel();
    this.#turn?.hurry();
    try {
      if (options.sync) {
        this.#options.file.write(this.#state());
        await this.#afterSync(() => this.#options.file.sync());
      }
    } finally {
      await this.#syncing;
      await this.#options.file.close();
    }
  }

  #state(): CheckpointState {
    const { marks } = this.#options;
    return {
      startOffset: marks.startOffset,
      syncedOffset: marks.syncedOffset,
      visibleOffset: Math.max(marks.visibleOffset, marks.syncedOffset),
      hintSegment: this.#place.segment?.baseOffset ?? this.#place.offset,
      hintPosition: this.#place.position,
    };
  }

  #write(): void {
    if (this.#isClosed) return;
    this.#options.file.write(this.#state());
    this.#lastWriteMs = this.#options.clock.monotonic();
    this.#armIdle(CHECKPOINT_IDLE_MS);
  }

  /** One timer that looks again, rather than one that is reset with every write. */
  #armIdle(delayMs: number): void {
    const { clock, file } = this.#options;
    this.#idleTimer ??= clock.setTimer(() => {
      this.#idleTimer = null;
      const quietMs = clock.monotonic() - this.#lastWriteMs;
      if (quietMs < CHECKPOINT_IDLE_MS) this.#armIdle(CHECKPOINT_IDLE_MS - quietMs);
      else if (file.isDirty) this.#guard(() => this.#afterSync(() => this.#syncInTurn(file)));
    }, delayMs);
  }

  async #syncInTurn(file: CheckpointFile): Promise<void> {
    const turn = this.#options.takeTurn?.(true) ?? null;
    this.#turn = turn;
    try {
      await turn?.begun;
      if (!this.#isClosed) await file.sync(); // Else `close` does so, or need not.
    } finally {
      this.#turn = null;
      turn?.end();
    }
  }

  /** Runs `action` behind a sync in flight. */
  #afterSync(action: () => Promise<void>): Promise<void> {
    this.#turn?.hurry();
    const result = this.#syncing.then(action);
    this.#syncing = result.catch(() => undefined); // Whoever waits for `result` sees the failure.
    return result;
  }

  #guard(action: () => void | Promise<void>): void {
    const { onFailed } = this.#options;
    try {
      Promise.resolve(action()).catch(onFailed);
    } catch (cause) {
      onFailed(cause);
    }
  }
}
