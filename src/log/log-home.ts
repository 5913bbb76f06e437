/** What a log lives in: a directory of its own, or a store, which has the lock and the reserve then. */
import type { DirectoryLock } from '../io/file-system.ts';
import type { JournaledTail } from './journaled-tail.ts';
import { AgeClock } from './age-clock.ts';
import type { Room } from './byte-cap.ts';
import type { CompactedSegments } from './compaction-tally.ts';
import type { LogDirectory } from './log-directory.ts';
import type { LogSettings } from './log-options.ts';
import { ensureReserve, freeReserve } from './reserve.ts';
import type { RetentionChoice } from './retention.ts';
import type { SyncTurn } from './sync-turns.ts';
import type { TrimGuard } from './trim-guard.ts';

export interface LogHome {
  /** Stands in each segment header: the id of the store; 0 = of its own; null = whoever's it is. */
  readonly ownerId: number | null;
  /** The log that belongs here, which it may claim when no header names an owner; null = unknown. */
  readonly logId: number | null;
  /** Keeps other writers out until it is released. */
  lock(directory: LogDirectory): Promise<DirectoryLock>;
  /** Sees to it that there is something to give up when the disk is full. */
  keepReserve(directory: LogDirectory, exists: boolean): Promise<unknown>;
  /** Gives it up. @returns false when there was none left */
  giveUpReserve(directory: LogDirectory): Promise<boolean>;
  readonly observer: LogObserver | null;
  /** What the journal of the store knows of the end of the log; null when it knows nothing. */
  readonly journaled: JournaledTail | null;
  /** Why it is only read, when damage elsewhere in the store is why. */
  readonly readOnlyCause?: Error | null;
  /** Lets a sync wait for its turn; null = each may begin at once. */
  readonly takeTurn: ((isBackground: boolean, log: object) => SyncTurn) | null;
  /** What all logs of a store may have together; null = no bound. */
  readonly room: Room | null;
  /** Its part of the disk's room, beside the other logs of a store; null = of its own. */
  readonly diskShare: DiskShare | null;
  /** Hears what is worth telling; null = nobody does. */
  readonly events: LogEvents | null;
  /** Of the source of an exchange: stands in each batch that is begun; null = 0 does. */
  readonly topologyVersion: (() => number) | null;
  /** Has a say in how far its start moves; null = nobody has. */
  readonly trimGuard: TrimGuard | null;
  /**
   * What segments may take that are rewritten, for a while: by itself, or because somebody asked for it; null =
   * what appends may.
   */
  readonly rewritingRoom: ((isAsked: boolean) => Pick<LogHome, 'room' | 'diskShare'>) | null;
  /** By which its records are old: one for all logs of a store. */
  readonly ageClock: AgeClock;
  /** Whether it looks by itself when it is to be compacted; else its home does. */
  readonly compactsByItself: boolean;
}

/** What a log of a store may have of the disk, beside the others. */
export interface DiskShare {
  /** Bytes that its appends leave free, where the store is to leave `storeFloorBytes`. */
  floorBytes(storeFloorBytes: number): number;
  /** Lets go of what is needed less. Must not reject. @returns whether there may be more room now */
  makeRoom(): Promise<boolean>;
}

/** Hears of what happens to a log. Must not throw. */
export interface LogEvents {
  /** A segment began, also the first after opening. */
  rolled(baseOffset: number): void;
  /** Retention moved the start. */
  retained(choice: RetentionChoice): void;
  /** A pass of compaction put smaller segments in the place of others. */
  compacted(compacted: CompactedSegments): void;
  slowSync(durationMs: number): void;
  /** The writer stopped for good. */
  failed(error: Error): void;
}

/** Of one log. @param isBackground  nobody waits for the sync */
export type TakeTurn = (isBackground: boolean) => SyncTurn;

/** Hears at once, before any caller does, how far a log has come. Must not throw. */
export interface LogObserver {
  /** Everything below `offset` is written, and none of it will be taken back. */
  written(offset: number): void;
  /** The disk was full: everything from `offset` on was taken back. */
  takenBack(offset: number): void;
}

/** What loading needs to know of it. */
export type LoadingHome = Pick<
  LogHome,
  'ownerId' | 'logId' | 'keepReserve' | 'giveUpReserve' | 'journaled'
>;

/** Of a log in a directory of its own. */
export const bareHome: LoadingHome = {
  ownerId: 0,
  logId: null,
  keepReserve: ensureReserve,
  giveUpReserve: freeReserve,
  journaled: null,
};

/** A log in a directory of its own. */
export function ownHome({ lock, clock }: Pick<LogSettings<never>, 'lock' | 'clock'>): LogHome {
  return {
    ...bareHome,
    lock: ({ fileSystem, path }) => fileSystem.lockDirectory(path, { lock, clock }),
    observer: null,
    takeTurn: null,
    room: null,
    diskShare: null,
    events: null,
    topologyVersion: null,
    trimGuard: null,
    rewritingRoom: null,
    ageClock: new AgeClock(clock),
    compactsByItself: true,
  };
}
