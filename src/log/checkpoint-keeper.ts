/**
 * Decides when the checkpoint of an open log is written and synced.
 *
 * After every sync at once; within 100 ms of a move of the visible offset; synced when nothing was
 * written for 50 ms; both slots, synced one after the other, when the start offset moved.
 *
 * A file system that never writes in place may have no room even for that: then the reserve is given
 * up, and it is written once more. Until it is, nobody is answered.
 */
import { DiskFullError } from '../core/errors.ts';
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
  /** Makes room on a full disk, if there is some to make. */
  readonly giveUpReserve: () => Promise<boolean>;
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

  /**
   * A sync finished: states it before anyone is answered.
   *
   * @returns null when that is done; else it waits for room
   * @throws IoError
   */
  onSynced(place: SyncedPlace): Promise<void> | null {
    this.#place = place;
    return this.#write();
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

  /**
   * Another file was put in the place of a segment. Who reads in another process lists the files again only when
   * something was stated since: in a log to which nobody appends he would go on with some of the old ones, and
   * where a tombstone has gone meanwhile, bring back what it deleted.
   */
  onSwapped(): void {
    this.#guard(() => this.#write());
  }

  /** States the marks in both slots, durably: they never go back behind this. @throws IoError */
  async persist(): Promise<void> {
    const write = () => this.#options.file.writeBothSynced(() => this.#state());
    await this.#afterSync(() => write().catch((error: unknown) => this.#tryAgain(write, error)));
  }

  /** Stops the timers; `sync` writes and syncs the marks a last time. @throws IoError */
  async close(options: { readonly sync: boolean }): Promise<void> {
    this.#isClosed = true;
    this.#delayTimer?.cancel();
    this.#idleTimer?.cancel();
    this.#turn?.hurry();
    try {
      if (options.sync) {
        await this.#stateNow();
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

  #write(): Promise<void> | null {
    if (this.#isClosed) return null;
    this.#lastWriteMs = this.#options.clock.monotonic();
    this.#armIdle(CHECKPOINT_IDLE_MS);
    return this.#stateNow();
  }

  /** @returns null when it is written; else it waits for room */
  #stateNow(): Promise<void> | null {
    const write = () => this.#options.file.write(this.#state());
    try {
      write();
      return null;
    } catch (error) {
      return this.#afterSync(() => this.#tryAgain(write, error));
    }
  }

  /** Once, when there may be room. Of a sync that failed there is no second try: that is no full disk. */
  async #tryAgain(write: () => void | Promise<void>, error: unknown): Promise<void> {
    if (!(error instanceof DiskFullError)) throw error;
    await this.#options.giveUpReserve().catch(() => false);
    await write(); // Whoever gave it up: another log may have been first.
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

  #guard(action: () => Promise<void> | null): void {
    const { onFailed } = this.#options;
    try {
      Promise.resolve(action()).catch(onFailed);
    } catch (cause) {
      onFailed(cause);
    }
  }
}
