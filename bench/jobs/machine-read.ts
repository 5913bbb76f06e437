/**
 * *R*: 1 MiB `fs.read` calls, one in flight, into one buffer, and `zlib.crc32` over each block.
 *
 * The file holds the same blocks as *W* writes. It was just written and is read from the page cache,
 * as the logs beside it are.
 */
import fs from 'node:fs';
import { join } from 'node:path';
import zlib from 'node:zlib';
import { assert } from '../../src/core/assert.ts';
import type { Job } from '../core/job.ts';
import { BLOCK_BYTES, writeBlocks } from './blocks.ts';
import { callback } from './callback.ts';

export type MachineReadParameters = {
  /** Bytes of the file, a multiple of 1 MiB. */
  readonly bytes: number;
};

export async function openJob(directory: string, { bytes }: MachineReadParameters): Promise<Job> {
  const block = Buffer.alloc(BLOCK_BYTES, 0x5a);
  const crc = zlib.crc32(block);
  const path = join(directory, 'blocks');
  const fd = fs.openSync(path, 'wx+');
  assert(bytes % BLOCK_BYTES === 0, 'bytes is a multiple of 1 MiB');
  await writeBlocks(fd, { block, count: bytes / BLOCK_BYTES, sync: false });
  fs.fdatasyncSync(fd); // Or the first runs would share the disk with the write-back.
  block.fill(0);
  return {
    async run() {
      let matching = 0;
      const startMs = performance.now();
      for (let at = 0; at < bytes; at += BLOCK_BYTES) {
        await callback((done) => fs.read(fd, block, 0, BLOCK_BYTES, at, done));
        if (zlib.crc32(block) === crc) matching++;
      }
      const ms = performance.now() - startMs;
      assert(matching * BLOCK_BYTES === bytes, 'every block was read and is whole');
      return { bytes, records: 0, ms };
    },
    close() {
      fs.closeSync(fd);
      return Promise.resolve();
    },
  };
}
