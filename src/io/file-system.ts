/**
 * The file system as a seam: all that Varve asks of a disk, and nothing else.
 *
 * Three implementations keep one contract (`test/unit/io/file-system-contract.test.ts`):
 * `NodeFileSystem`, `MemoryFileSystem`, and the faulty twin of the tests. Whatever the engine does
 * to a disk it does through this interface, so a test can fail, cut short or crash any of it.
 *
 * Errors: every method rejects (the `Sync` ones throw) with `IoError`, its `details.errno` being
 * the operating system's name; ENOSPC, EDQUOT and EFBIG are `DiskFullError`.
 *
 * Not promised by a FileSystem, as no kernel promises it: that bytes survive a power cut before
 * `datasync` returned, that a new name survives before `syncDirectory` of its parent did, that a
 * write is all or nothing, or that a second `datasync` after a failed one means anything.
 */
import type { Clock } from '../core/clock.ts';
import type { LockHolder } from '../core/errors.ts';

export type FileKind = 'file' | 'directory' | 'other';

export interface FileStat {
  readonly kind: FileKind;
  readonly sizeBytes: number;
  /** `device:inode`: the same for two names of one file, different for a file put in its place. */
  readonly identity: string;
  /** Names (hard links) of the file. */
  readonly linkCount: number;
  /** Whether its mode lets the group or everybody write. */
  readonly isWritableByOthers: boolean;
}

/**
 * `read`: existing file, never written. `write`: existing file, read and written at explicit
 * positions. `create`: a new file, read and written; EEXIST when the name is taken.
 * No mode follows a symbolic link at the last component (ELOOP).
 */
export type OpenMode = 'read' | 'write' | 'create';

/** An open file. Positions are explicit; there is no cursor and no append mode. */
export interface File {
  readonly path: string;
  /** Reads up to `into.length` bytes; fewer only at the end of the file, where it is 0. */
  read(into: Uint8Array, position: number): Promise<number>;
  /** As `read`, on the calling thread: 30 times cheaper for small reads of cached pages. */
  readSync(into: Uint8Array, position: number): number;
  /**
   * Writes bytes and returns how many the system took. Fewer than `from.length` means that the
   * rest failed, usually because the disk is full: the kernel reports that only this way.
   * Writes in flight at the same time must not overlap; the bytes must not change until it settles.
   */
  write(from: Uint8Array, position: number): Promise<number>;
  /** As `write`, on the calling thread, for small blocks. */
  writeSync(from: Uint8Array, position: number): number;
  /**
   * Makes all bytes durable whose write settled before this call, and the size needed to read
   * them. After a rejection the file's unsynced bytes are lost even if reads still show them.
   */
  datasync(): Promise<void>;
  truncate(sizeBytes: number): Promise<void>;
  stat(): Promise<FileStat>;
  /** Waits for operations in flight. Idempotent. */
  close(): Promise<void>;
}

/** The writer's exclusive right to a directory, held until `release`. */
export interface DirectoryLock {
  /** What holds it: `memory`, `socket`, `flock+socket`, `sqlite`, `owner-record`, ... */
  readonly mechanism: string;
  /**
   * Whose lock this was until now, when it was taken from an owner in another container or on
   * another machine, whose heartbeat had stopped; null as a rule.
   */
  readonly takenOver: LockHolder | null;
  /**
   * Rejects with `LockedError` when the lock is not ours any more: LOCK was deleted or replaced, or
   * another writer took it over. A second writer may exist.
   */
  verify(): Promise<void>;
  /**
   * Calls `callback` once LOCK was found to be another owner's: within 5 s of being taken over, or
   * of waking up. What was written since may stand beside what the other one wrote.
   */
  onLost(callback: () => void): void;
  /** Idempotent. Never deletes LOCK. */
  release(): Promise<void>;
}

/** Room on a file system, in bytes. */
export interface Space {
  /** What an ordinary user may still write. */
  readonly freeBytes: number;
  /** What it holds when it is full. */
  readonly totalBytes: number;
}

/** Who holds the writer's lock of a directory, as far as can be told without taking it. */
export interface LockState {
  /** `unknown`: held from another machine or container, or not; its processes are not seen here. */
  readonly state: 'free' | 'held' | 'unknown';
  /** Who holds it, or held it last, where that was written down. */
  readonly holder: (LockHolder & { readonly acquiredAtMs: number }) | null;
}

/** What a writer's lock is made of; `LogOptions.lock` says what each of them means. */
export type LockChoice = 'auto' | 'flock' | 'socket' | 'sqlite' | 'owner-record';

export interface LockOptions {
  /** Default `auto`. A file system with a lock of its own may ignore it. */
  readonly lock?: LockChoice | undefined;
  /** For the times in LOCK, and for the heartbeat; default the operating system's. */
  readonly clock?: Clock | undefined;
}

/** How requests of other processes are answered. */
export interface ControlOptions {
  /** Answers a request, a line without its end; never rejects. */
  readonly answer: (request: Uint8Array) => Promise<string>;
  /** For who has not asked yet when it closes: a line without its end; left out, it hears nothing. */
  readonly farewell?: string | undefined;
  readonly clock: Clock;
}

/** Where the writer of a store can be asked by other processes of its user. */
export interface ControlEndpoint {
  /** Takes no more requests, and waits for those that it took. Idempotent. */
  close(): Promise<void>;
}

export interface FileSystem {
  /** The absolute path without symbolic links. ENOENT when it does not exist. */
  realPath(path: string): Promise<string>;
  /** Creates a directory (mode 0700) and its missing parents; no error when it exists. */
  makeDirectory(path: string): Promise<void>;
  /** Names in a directory, in no particular order, without `.` and `..`. */
  list(path: string): Promise<string[]>;
  /** Describes a name without following a symbolic link at the last component. */
  stat(path: string): Promise<FileStat>;
  /** Opens a file; new ones have mode 0600. */
  open(path: string, mode: OpenMode): Promise<File>;
  /** Renames atomically, replacing `to`. */
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Removes an empty directory; ENOTEMPTY when it is not empty. */
  removeDirectory(path: string): Promise<void>;
  /** Makes the directory's entries durable: names created, renamed and removed before the call. */
  syncDirectory(path: string): Promise<void>;
  /** Room on the file system that holds `path`. */
  space(path: string): Promise<Space>;
  /**
   * Takes the writer's lock of a directory.
   *
   * @throws LockedError (`ERR_VARVE_LOCKED`) naming the holder, also for a second handle of this
   * process; LockUnavailableError (`ERR_VARVE_LOCK_UNAVAILABLE`)
   */
  lockDirectory(path: string, options?: LockOptions): Promise<DirectoryLock>;
  /**
   * Tells who holds the writer's lock, a writer of this process too. Takes and writes nothing, so
   * the answer may be old when it arrives. Without LOCK it is free.
   */
  lockState(path: string): Promise<LockState>;
  /**
   * Lets other processes ask the writer of a directory, who holds its lock. Left out where there are
   * no other processes.
   */
  openControl?(path: string, options: ControlOptions): Promise<ControlEndpoint>;
}
