/** Files that take the room of a real disk, to its last byte, and give it back. */
import { closeSync, openSync, readdirSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { makeImage, mountImage, mountMemory, run } from './loop-images.ts';

/** A file system may find room for a new file in what it kept back for itself. */
const FILL_ATTEMPTS = 20;
/** Filled by writes, with what a file system keeps for itself; the rest by blocks without content. */
const LAST_BYTES = 2 ** 20;
const BALLAST_BYTES_MIN = 4 * 2 ** 20;

export class Ballast {
  readonly #root: string;
  #count = 0;

  /** @param root  where the disk is mounted */
  constructor(root: string) {
    this.#root = root;
  }

  freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.#root);
    return bavail * bsize;
  }

  /** Takes all but about so many bytes. */
  leaveRoom(roomBytes: number): void {
    const ballastBytes = this.freeBytes() - roomBytes;
    if (ballastBytes < BALLAST_BYTES_MIN) return;
    run('fallocate', '-l', String(ballastBytes), this.#next());
  }

  /** Takes what is left. @returns bytes that the last attempt found */
  fill(): number {
    this.leaveRoom(LAST_BYTES);
    let foundBytes = fillWith(this.#next());
    for (let attempt = 0; attempt < FILL_ATTEMPTS && foundBytes > 0; attempt++) {
      foundBytes = fillWith(this.#next());
    }
    return foundBytes;
  }

  makeRoom(): void {
    for (const name of readdirSync(this.#root)) {
      if (name.startsWith('ballast')) rmSync(join(this.#root, name));
    }
  }

  #next(): string {
    this.#count++;
    return join(this.#root, `ballast-${this.#count}`);
  }
}

/** Writes to a new file until not one more byte fits. @returns how many did */
function fillWith(path: string): number {
  let fd: number;
  try {
    fd = openSync(path, 'w');
  } catch (error) {
    if (codeOf(error) === 'ENOSPC') return 0; // Not even for a name.
    throw error;
  }
  let filledBytes = 0;
  let chunk = new Uint8Array(2 ** 20);
  while (chunk.length > 0) {
    const written = writeSome(fd, chunk);
    filledBytes += written;
    if (written < chunk.length) chunk = chunk.subarray(0, chunk.length >> 1);
  }
  closeSync(fd);
  return filledBytes;
}

function writeSome(fd: number, chunk: Uint8Array): number {
  try {
    return writeSync(fd, chunk);
  } catch (error) {
    if (codeOf(error) === 'ENOSPC') return 0;
    throw error;
  }
}

export function codeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error) return String(error.code);
  throw error;
}

/** Mounts an empty disk below `directory`. @returns where */
export function mountSmallDisk(directory: string, type: string): string {
  const memory = join(directory, 'memory');
  const root = join(directory, 'disk');
  if (type === 'tmpfs') {
    mountMemory(root, '12m');
    return root;
  }
  const diskType = type === 'xfs' ? 'xfs' : 'ext4';
  mountMemory(memory, '700m');
  mountImage(makeImage(memory, diskType), root, diskType);
  return root;
}
