/**
 * *R* over a log: 1 MiB `fs.read` calls, one in flight, and `zlib.crc32` over each block, through all
 * segment files of the log that the other sides of the contest read. For logs so large that a file
 * beside them would not fit the page cache, too.
 */
import fs from 'node:fs';
import { join } from 'node:path';
import { parseSegmentFileName } from '../../src/format/file-names.ts';
import { assert } from '../../src/core/assert.ts';
import type { Job } from '../core/job.ts';
import { crcOfFile } from './raw-read.ts';
import { sharedLog } from './shared-log.ts';

export type MachineReadLogParameters = {
  readonly records: number;
  readonly valueBytes: number;
};

export async function openJob(
  directory: string,
  parameters: MachineReadLogParameters,
): Promise<Job> {
  const path = await sharedLog(directory, parameters);
  const files = fs
    .readdirSync(path)
    .filter((name) => parseSegmentFileName(name) !== null)
    .toSorted()
    .map((name) => join(path, name));
  const sizeBytes = files.reduce((sum, file) => sum + fs.statSync(file).size, 0);
  return {
    async run() {
      let bytes = 0;
      const startMs = performance.now();
      for (const file of files) {
        const fd = fs.openSync(file, 'r');
        bytes += await crcOfFile(fd, 0);
        fs.closeSync(fd);
      }
      const ms = performance.now() - startMs;
      assert(bytes === sizeBytes, 'every file was read whole');
      return { bytes, records: 0, ms };
    },
    close: () => Promise.resolve(),
  };
}
