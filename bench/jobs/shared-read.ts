/**
 * Reads a whole log that sides of the contest share: by a cursor of a read-only handle, which checks every batch
 * and steps over every record; or, `raw`, as *R* does: 1 MiB `fs.read` calls over the same segment
 * files, one in flight, and `zlib.crc32` over each block. Both from the page cache, if it is large
 * enough; if it is not, both from the disk.
 */
import fs from 'node:fs';
import { join } from 'node:path';
import { openLog } from '../../src/index.ts';
import { parseSegmentFileName } from '../../src/format/file-names.ts';
import type { Job, Sample } from '../core/job.ts';
import { fillLog } from './fill-log.ts';
import { crcOfFile } from './raw-read.ts';
import { sharedDirectory } from './shared-directory.ts';

export type SharedReadParameters = {
  readonly how: 'cursor' | 'raw';
  readonly bytes: number;
  readonly valueBytes: number;
};

export async function openJob(
  directory: string,
  { how, bytes, valueBytes }: SharedReadParameters,
): Promise<Job> {
  const name = `log-${bytes}-of-${valueBytes}`;
  const path = await sharedDirectory(directory, name, async (unfinished) => {
    await fillLog(unfinished, { bytes, valueBytes });
  });
  return how === 'raw' ? rawJob(path) : cursorJob(path);
}

async function cursorJob(path: string): Promise<Job> {
  const log = await openLog(path, { readOnly: true }); // Sides of equal sizes share one log.
  const { sizeBytes } = log.stats();
  return {
    async run(): Promise<Sample> {
      let records = 0;
      const startMs = performance.now();
      const cursor = log.cursor();
      while (await cursor.nextBatch()) while (cursor.next()) records++;
      const ms = performance.now() - startMs;
      await cursor.close();
      if (records !== log.endOffset) throw new Error(`${records} of ${log.endOffset} records`);
      return { bytes: sizeBytes, records, ms };
    },
    close: () => log.close(),
  };
}

function rawJob(path: string): Job {
  const files = fs
    .readdirSync(path)
    .filter((name) => parseSegmentFileName(name) !== null)
    .toSorted()
    .map((name) => join(path, name));
  const sizeBytes = files.reduce((sum, file) => sum + fs.statSync(file).size, 0);
  return {
    async run(): Promise<Sample> {
      let bytes = 0;
      const startMs = performance.now();
      for (const file of files) {
        const fd = fs.openSync(file, 'r');
        bytes += await crcOfFile(fd, 0);
        fs.closeSync(fd);
      }
      const ms = performance.now() - startMs;
      if (bytes !== sizeBytes) throw new Error(`${bytes} of ${sizeBytes} bytes`);
      return { bytes, records: files.length, ms };
    },
    close: () => Promise.resolve(),
  };
}
