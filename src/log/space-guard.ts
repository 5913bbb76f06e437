/**
 * Refuses appends, and next generations of segments, while the disk is nearly full, before the kernel does.
 *
 * What is left over serves the rest of the machine, and the log itself: its checkpoint, its
 * recovery and its retention go on. It also keeps a file system that promises space before it has
 * it (delayed allocation) from saying "no room" in an fdatasync, which ends a writer.
 */
import type { Clock } from '../core/clock.ts';
import { isIoError, ioErrorOf, type IoError } from '../core/errors.ts';
import {
  FREE_BYTES_MIN,
  FREE_SHARE_MIN,
  SPACE_ASKED_BYTES_MAX,
  SPACE_ASKED_MS,
} from '../core/limits.ts';
import type { Space } from '../io/file-system.ts';
import type { Room } from './byte-cap.ts';
import type { LogDirectory } from './log-directory.ts';
import type { DiskShare } from './log-home.ts';

export interface SpaceGuardOptions {
  readonly directory: LogDirectory;
  readonly clock: Clock;
  /** What is refused, as errors name it. */
  readonly operation: 'append' | 'rewrite';
  /** Bytes that stay free; 0 = no guard; null = the smaller of 16 MiB and 1/64 of the disk. */
  readonly freeBytesMin: number | null;
  /** Of all logs of a store together; null = no bound. */
  readonly room: Room | null;
  /** Null = the floor is `freeBytesMin`, and there is nothing to give up. */
  readonly diskShare: DiskShare | null;
}

export class SpaceGuard {
  readonly #options: SpaceGuardOptions;
  /** What may be written before the file system is asked again: others write to it, too. */
  #budgetBytes = 0;
  #askedMs = Number.NEGATIVE_INFINITY;

  constructor(options: SpaceGuardOptions) {
    this.#options = options;
  }

  /** Takes so many bytes from what is known to be there; false = `refusal` must be asked. */
  admits(sizeBytes: number): boolean {
    const { clock, room } = this.#options;
    if (this.#isOff) return room?.admits(sizeBytes) ?? true;
    const isKnown = clock.monotonic() - this.#askedMs < SPACE_ASKED_MS;
    if (!isKnown || sizeBytes > this.#budgetBytes) return false;
    if (room?.admits(sizeBytes) === false) return false;
    this.#budgetBytes -= sizeBytes;
    return true;
  }

  /** Asks the file system, and the store: why so many bytes must not be written now; null when they may. */
  async refusal(sizeBytes: number): Promise<IoError | null> {
    const { directory, room } = this.#options;
    return (
      (await this.#fullDisk(sizeBytes)) ?? (await room?.refusal(sizeBytes, directory.path)) ?? null
    );
  }

  /**
   * The disk has no room for an append that must not be refused for want of a little: has others let go
   * of what they need less.
   *
   * @returns whether to try again
   */
  async makeRoom(): Promise<boolean> {
    return (await this.#options.diskShare?.makeRoom()) ?? false;
  }

  /** Whether there is no floor, but what the operating system says. */
  get #isOff(): boolean {
    const { freeBytesMin, diskShare } = this.#options;
    return freeBytesMin === 0 && (diskShare === null || diskShare.floorBytes(0) === 0);
  }

  async #fullDisk(sizeBytes: number): Promise<IoError | null> {
    const refusal = await this.#lookAt(sizeBytes);
    if (refusal === null || !(await this.makeRoom())) return refusal;
    return this.#lookAt(sizeBytes);
  }

  async #lookAt(sizeBytes: number): Promise<IoError | null> {
    if (this.#isOff) return null;
    const space = await this.#space();
    if (space === null) return null;
    const floorBytes = this.#floorBytes(space);
    const roomBytes = space.freeBytes - floorBytes;
    if (sizeBytes > roomBytes) {
      this.#budgetBytes = 0;
      return this.#full(floorBytes);
    }
    this.#budgetBytes = Math.min(roomBytes / 4, SPACE_ASKED_BYTES_MAX) - sizeBytes;
    this.#askedMs = this.#options.clock.monotonic();
    return null;
  }

  /** A file system that cannot tell does not stop appends: a full one still refuses the write. */
  async #space(): Promise<Space | null> {
    const { fileSystem, path } = this.#options.directory;
    try {
      return await fileSystem.space(path);
    } catch (error) {
      if (isIoError(error)) return null;
      throw error;
    }
  }

  #floorBytes(space: Space): number {
    const { freeBytesMin, diskShare } = this.#options;
    const floorBytes = floorOf(space, freeBytesMin);
    return diskShare?.floorBytes(floorBytes) ?? floorBytes;
  }

  #full(freeBytesMin: number): IoError {
    const { directory, operation } = this.#options;
    const details = {
      path: directory.path,
      operation,
      position: null,
      errno: 'ENOSPC',
      freeBytesMin,
    };
    return ioErrorOf(details);
  }
}

/** Bytes that stay free. @param freeBytesMin  null = the default */
export function floorOf({ totalBytes }: Space, freeBytesMin: number | null): number {
  return freeBytesMin ?? Math.min(FREE_BYTES_MIN, totalBytes * FREE_SHARE_MIN);
}
