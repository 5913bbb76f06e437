/** The same block written again and again with `fs.write` callbacks, one in flight. */
import fs from 'node:fs';
import { callback } from './callback.ts';

/** What the machine's own rates move at once. */
export const BLOCK_BYTES = 1024 * 1024;

export interface BlocksPlan {
  readonly block: Uint8Array;
  readonly count: number;
  /** fdatasync after each block. */
  readonly sync: boolean;
}

/** Writes from the start of the file. */
export async function writeBlocks(fd: number, { block, count, sync }: BlocksPlan): Promise<void> {
  for (let n = 0; n < count; n++) {
    await callback((done) => fs.write(fd, block, 0, block.length, n * block.length, done));
    if (sync) await callback((done) => fs.fdatasync(fd, done));
  }
}
