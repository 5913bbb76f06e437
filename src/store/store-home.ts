/** What the logs of a store share: its lock, its reserve, its id in their headers. */
import type { Clock } from '../core/clock.ts';
import type { DirectoryLock } from '../io/file-system.ts';
import { AgeClock } from '../log/age-clock.ts';
import type { ByteCap } from '../log/byte-cap.ts';
import type { LogHome, LogObserver } from '../log/log-home.ts';
import { SyncTurns } from '../log/sync-turns.ts';
import { LogReporter, type StoreSignals } from '../topic/log-reporter.ts';
import type { StoreReserve } from './store-reserve.ts';

export interface StoreHomeParts {
  readonly clock: Clock;
  readonly reserve: StoreReserve;
  readonly storeId: number;
  readonly lock: DirectoryLock;
  /** Null without `storeBytesMax`. */
  readonly cap: ByteCap | null;
  readonly signals: StoreSignals;
}

export class StoreHome {
  /** Of all logs together. */
  readonly syncTurns: SyncTurns;
  readonly #ageClock: AgeClock;
  readonly #parts: StoreHomeParts;
  /** Of the logs that are open. */
  readonly #onLost = new Set<() => void>();
  #isLost = false;

  constructor(parts: StoreHomeParts) {
    this.#parts = parts;
    this.syncTurns = new SyncTurns(parts);
    this.#ageClock = new AgeClock(parts.clock);
    parts.lock.onLost(() => {
      this.#isLost = true;
      const message = 'the lock of the store was lost: another process may write to it';
      parts.signals.health.raise({ code: 'lock-lost', message });
      for (const callback of this.#onLost) callback();
    });
  }

  /** Null without `storeBytesMax`. */
  get cap(): ByteCap | null {
    return this.#parts.cap;
  }

  get reserve(): StoreReserve {
    return this.#parts.reserve;
  }

  /** The home of the journal, or of the partitions; `observer` hears of its progress. */
  forLog(observer: LogObserver | null, rank: 'journal' | 'awaited'): LogHome {
    const { reserve, storeId, cap, signals } = this.#parts;
    const isJournal = rank === 'journal';
    return {
      ownerId: storeId,
      logId: null,
      lock: () => Promise.resolve(this.#share()),
      keepReserve: () => Promise.resolve(), // The store has one for all of them.
      giveUpReserve: () => reserve.giveUp(),
      observer,
      journaled: null,
      takeTurn: (isBackground, log) =>
        this.syncTurns.take(isBackground && !isJournal ? 'background' : rank, log),
      events: isJournal ? new LogReporter({ topic: null, partition: 0 }, signals) : null,
      // What frees space is journaled first.
      diskShare: isJournal ? reserve.forJournal : reserve.forTopics,
      room: (isJournal ? cap?.counting() : cap) ?? null,
      topologyVersion: null, // Each partition has its own.
      trimGuard: null, // A partition may have its own.
      rewritingRoom: (isAsked) => ({
        room: (isAsked ? cap?.counting() : cap?.forWork()) ?? null,
        diskShare: isAsked ? reserve.forRewriting : reserve.forWork,
      }),
      ageClock: this.#ageClock,
      compactsByItself: false, // The store compacts one of its logs at a time.
    };
  }

  /** The store's own lock, for one log. */
  #share(): DirectoryLock {
    const { lock } = this.#parts;
    let own: (() => void) | null = null;
    return {
      mechanism: lock.mechanism,
      takenOver: null,
      verify: () => lock.verify(),
      onLost: (callback) => {
        own = callback;
        this.#onLost.add(callback);
        if (this.#isLost) callback(); // Before this log was opened.
      },
      release: () => {
        if (own !== null) this.#onLost.delete(own);
        return Promise.resolve();
      },
    };
  }
}
