/** *W* and *D*: prebuilt 1 MiB blocks to a new file by `fs.write`, one in flight, synced or not. */
import fs from 'node:fs';
import { join } from 'node:path';
import type { Job } from '../core/job.ts';
import { callback } from './callback.ts';

const BLOCK_BYTES = 1024 * 1024;

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
  const path = join(directory, 'blocks');
  return {
    async run() {
      const fd = fs.openSync(path, 'wx');
      const startMs = performance.now();
      for (let at = 0; at < bytes; at += BLOCK_BYTES) {
        await callback((done) => fs.write(fd, block, 0, BLOCK_BYTES, at, done));
        if (sync) await callback((done) => fs.fdatasync(fd, done));
      }
      const ms = performance.now() - startMs;
      fs.closeSync(fd);
      fs.unlinkSync(path);
      return { bytes, records: bytes / BLOCK_BYTES, ms };
    },
    close: () => Promise.resolve(),
  };
}
