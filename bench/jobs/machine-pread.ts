/**
 * Raw random reads: 4 KiB `fs.readSync` at random page-aligned positions, into one buffer.
 *
 * The file was just written and is read from the page cache. Nothing is checked or decoded: it is
 * what one system call costs here, through Node.
 */
import fs from 'node:fs';
import { join } from 'node:path';
import { assert } from '../../src/core/assert.ts';
import { randomBelow, SeededRandom } from '../../src/core/random.ts';
import type { Job } from '../core/job.ts';
import { BLOCK_BYTES, writeBlocks } from './blocks.ts';

const PAGE_BYTES = 4096;

export type MachinePreadParameters = {
  /** Bytes of the file, a multiple of 1 MiB. */
  readonly bytes: number;
  /** Per run. */
  readonly reads: number;
  readonly seed: number;
};

export async function openJob(
  directory: string,
  { bytes, reads, seed }: MachinePreadParameters,
): Promise<Job> {
  const path = join(directory, 'blocks');
  const fd = fs.openSync(path, 'wx+');
  const block = Buffer.alloc(BLOCK_BYTES, 0x5a);
  await writeBlocks(fd, { block, count: bytes / BLOCK_BYTES, sync: false });
  fs.fdatasyncSync(fd);
  const random = new SeededRandom(seed);
  const positions = Float64Array.from(
    { length: reads },
    () => randomBelow(random, bytes / PAGE_BYTES) * PAGE_BYTES,
  );
  const page = Buffer.alloc(PAGE_BYTES);
  return {
    run() {
      let readBytes = 0;
      const startMs = performance.now();
      for (const position of positions) {
        readBytes += fs.readSync(fd, page, 0, PAGE_BYTES, position);
      }
      const ms = performance.now() - startMs;
      assert(readBytes === reads * PAGE_BYTES, 'every read gave a whole page');
      return Promise.resolve({ bytes: readBytes, records: reads, ms });
    },
    close() {
      fs.closeSync(fd);
      return Promise.resolve();
    },
  };
}
