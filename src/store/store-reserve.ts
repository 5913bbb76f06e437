/**
 * The reserve of a store, and how its logs share what is left of the disk.
 *
 * Topics stop first, at the floor of the store. The journal goes on below it, for it says what is
 * settled, so that segments can go; where it finds no room the reserve is given up for it, and topics
 * have to leave as much more free, until there is room for another reserve.
 */
import type { Clock, Timer } from '../core/clock.ts';
import type { HealthBoard } from '../core/health-board.ts';
import {
  JOURNAL_FREE_BYTES_MIN,
  MAKE_ROOM_MS,
  RESERVE_BYTES,
  RESERVE_LOOK_MS,
} from '../core/limits.ts';
import { Mutex } from '../core/mutex.ts';
import type { LogDirectory } from '../log/log-directory.ts';
import type { DiskShare } from '../log/log-home.ts';
import { ensureReserve, freeReserve } from '../log/reserve.ts';
import { floorOf } from '../log/space-guard.ts';

/** The journal leaves so much of the store's floor free. */
const JOURNAL_FLOOR_SHARE = 1 / 4;

export interface StoreReserveParts {
  readonly directory: LogDirectory;
  readonly clock: Clock;
  /** As the store's option. */
  readonly freeBytesMin: number | null;
  readonly health: HealthBoard;
}

export class StoreReserve {
  readonly forTopics: DiskShare = {
    floorBytes: (floorBytes) => floorBytes + (this.#isGivenUp ? RESERVE_BYTES : 0),
    // Not awaited: it may need the log that asks.
    makeRoom: () => {
      this.#tellFull();
      return Promise.resolve(false);
    },
  };
  readonly forJournal: DiskShare = {
    floorBytes: (floorBytes) => Math.min(floorBytes * JOURNAL_FLOOR_SHARE, JOURNAL_FREE_BYTES_MIN),
    makeRoom: async () => {
      this.#tellFull();
      return this.giveUp();
    },
  };
  /** For segments that are rewritten because somebody asks for it: they make room in the end. */
  readonly forRewriting: DiskShare = {
    floorBytes: (floorBytes) => this.forJournal.floorBytes(floorBytes),
    makeRoom: () => Promise.resolve(false), // The reserve is there to say what is settled.
  };
  /** The same, by itself: it comes again. */
  readonly forWork: DiskShare = {
    floorBytes: (floorBytes) => this.forTopics.floorBytes(floorBytes),
    makeRoom: () => Promise.resolve(false),
  };
  readonly #parts: StoreReserveParts;
  readonly #changes = new Mutex();
  #isGivenUp = false;
  #isClosed = false;
  #timer: Timer | null = null;
  #toldMs = Number.NEGATIVE_INFINITY;
  #onFull: () => void = () => undefined;

  constructor(parts: StoreReserveParts) {
    this.#parts = parts;
  }

  /** Makes it, when it is not there. @throws IoError, but for a disk without room */
  async open(): Promise<void> {
    const { directory } = this.#parts;
    const { hasReserve } = await directory.list();
    if (!(await ensureReserve(directory, hasReserve))) this.#noteGivenUp();
  }

  /**
   * Begins to look for room, if need be.
   *
   * @param onFull  called now and then while an append finds no room; must not throw
   */
  start(onFull: () => void): void {
    this.#onFull = onFull;
    if (this.#isGivenUp) this.#arm();
  }

  /** Gives its room to who needs it. Never rejects. @returns false when there was none left */
  giveUp(): Promise<boolean> {
    return this.#changes.run(async () => {
      if (this.#isGivenUp) return false;
      this.#noteGivenUp(); // Before: topics must not take what it frees.
      this.#arm();
      return freeReserve(this.#parts.directory).catch(() => false);
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.#changes.idle();
  }

  #noteGivenUp(): void {
    this.#isGivenUp = true;
    const message =
      'the disk is full and the reserve given up: topics take nothing, what is there can be settled';
    this.#parts.health.raise({ code: 'disk-full', message });
  }

  #arm(): void {
    if (this.#isClosed) return;
    this.#timer ??= this.#parts.clock.setTimer(() => {
      this.#timer = null;
      void this.#restore();
    }, RESERVE_LOOK_MS);
  }

  /** Makes another one when there is room for it, or looks again later. Never rejects. */
  #restore(): Promise<void> {
    return this.#changes.run(async () => {
      const { directory, health } = this.#parts;
      const isBack = (await this.#hasRoom()) && (await isMade(directory));
      if (!isBack) {
        this.#arm();
        return;
      }
      this.#isGivenUp = false;
      health.clear({ code: 'disk-full' });
    });
  }

  async #hasRoom(): Promise<boolean> {
    if (this.#isClosed) return false;
    const { directory, freeBytesMin } = this.#parts;
    try {
      const space = await directory.fileSystem.space(directory.path);
      return space.freeBytes >= floorOf(space, freeBytesMin) + 2 * RESERVE_BYTES;
    } catch {
      return true; // It cannot tell: the writing of the reserve will.
    }
  }

  #tellFull(): void {
    const nowMs = this.#parts.clock.monotonic();
    if (nowMs - this.#toldMs < MAKE_ROOM_MS) return;
    this.#toldMs = nowMs;
    this.#onFull();
  }
}

async function isMade(directory: LogDirectory): Promise<boolean> {
  try {
    return await ensureReserve(directory, false);
  } catch {
    return false; // The next look tries again.
  }
}
