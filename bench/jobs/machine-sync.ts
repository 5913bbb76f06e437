/** *F*: 4 KiB by `fs.write`, then `fs.fdatasync`, on a growing file, one call at a time. */
import fs from 'node:fs';
import { join } from 'node:path';
import { assert } from '../../src/core/assert.ts';
import type { Job } from '../core/job.ts';
import { writeBlocks } from './blocks.ts';

const PAGE_BYTES = 4096;

export type MachineSyncParameters = {
  /** Pairs of write and fdatasync per run. */
  readonly syncs: number;
};

export async function openJob(directory: string, { syncs }: MachineSyncParameters): Promise<Job> {
  const block = Buffer.alloc(PAGE_BYTES, 0x5a);
  const path = join(directory, 'pages');
  const bytes = syncs * PAGE_BYTES;
  return {
    async run() {
      const fd = fs.openSync(path, 'wx');
      const startMs = performance.now();
      await writeBlocks(fd, { block, count: syncs, sync: true });
      const ms = performance.now() - startMs;
      assert(fs.fstatSync(fd).size === bytes, 'every page was written');
      fs.closeSync(fd);
      fs.unlinkSync(path);
      return { bytes, records: syncs, ms };
    },
    close: () => Promise.resolve(),
  };
}
