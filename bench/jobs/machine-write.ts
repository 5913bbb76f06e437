/** *W* and *D*: prebuilt 1 MiB blocks to a new file by `fs.write`, one in flight, synced or not. */
import fs from 'node:fs';
import { join } from 'node:path';
import { assert } from '../../src/core/assert.ts';
import type { Job } from '../core/job.ts';
import { BLOCK_BYTES, writeBlocks } from './blocks.ts';

export type MachineWriteParameters = {
  /** Bytes per run, a multiple of 1 MiB. */
  readonly bytes: number;
  /** fdatasync after each block. */
  readonly sync: boolean;
};

export async function openJob(
  directory: string,
  { bytes, sync }: MachineWriteParameters,
): Promise<Job> {
  const block = Buffer.alloc(BLOCK_BYTES, 0x5a);
  const count = bytes / BLOCK_BYTES;
  const path = join(directory, 'blocks');
  assert(Number.isInteger(count), 'bytes is a multiple of 1 MiB');
  return {
    async run() {
      const fd = fs.openSync(path, 'wx');
      const startMs = performance.now();
      await writeBlocks(fd, { block, count, sync });
      const ms = performance.now() - startMs;
      assert(fs.fstatSync(fd).size === bytes, 'every block was written');
      fs.closeSync(fd);
      fs.unlinkSync(path);
      return { bytes, records: 0, ms };
    },
    close: () => Promise.resolve(),
  };
}
