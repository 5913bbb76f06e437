/**
 * `openLog` for writing after SIGKILL: each run opens a fresh copy of what one killed process left.
 *
 * Measured: `openLog` alone. Checked: every acknowledged record is there, in its place. Copying and
 * checking are outside of the time; the copy is in the page cache and synced.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { openLog, type Log } from '../../src/index.ts';
import { copyImage, crashImage } from '../crash/crash-image.ts';
import { crashKeyOf, type CrashPlan } from '../crash/crash-plan.ts';
import type { Job } from '../core/job.ts';

export type RecoverParameters = CrashPlan & Readonly<Record<string, string | number>>;

export async function openJob(directory: string, parameters: RecoverParameters): Promise<Job> {
  const image = await crashImage(directory, parameters);
  const { durability, segmentBytesMax } = parameters;
  const path = join(directory, 'copy');
  return {
    async run() {
      copyImage(image, path);
      const startMs = performance.now();
      const log = await openLog(path, { durability, segmentBytesMax });
      const ms = performance.now() - startMs;
      const { verifiedBytes, rewrittenBytes, cutBytes } = log.recovery;
      const records = log.endOffset;
      await checkRecords(log, image.ackedOffset);
      await log.close();
      rmSync(path, { recursive: true });
      return { bytes: verifiedBytes, records, ms, extra: { rewrittenBytes, cutBytes } };
    },
    close: () => Promise.resolve(),
  };
}

async function checkRecords(log: Log<Uint8Array>, ackedOffset: number): Promise<void> {
  let offset = 0;
  const cursor = log.cursor();
  while (await cursor.nextBatch()) {
    while (cursor.next()) {
      const key = Buffer.from(cursor.keyView() ?? []).toString();
      if (cursor.offset !== offset || key !== crashKeyOf(offset)) {
        throw new Error(`offset ${offset} is ${cursor.offset}, of ${key}`);
      }
      offset++;
    }
  }
  await cursor.close();
  if (offset !== log.endOffset || offset < ackedOffset) {
    throw new Error(`${offset} records recovered, ${ackedOffset} were acknowledged`);
  }
}
