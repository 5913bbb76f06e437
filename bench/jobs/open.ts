/**
 * The time of `openLog` of a log that was closed cleanly, for writing, defaults throughout.
 *
 * The log is written once; it and its directory are in the page cache, as after a restart of a
 * process, not of a machine. A run opens it `opens` times and reports the median: one open takes
 * milliseconds. Each is closed again outside of the time. Opening appends nothing, so all opens
 * find the same log.
 */
import { join } from 'node:path';
import { openLog } from '../../src/index.ts';
import { median } from '../core/statistics.ts';
import type { Job } from '../core/job.ts';
import { writeLog } from './records.ts';

export type OpenParameters = {
  readonly records: number;
  readonly valueBytes: number;
  /** Per run. */
  readonly opens: number;
};

export async function openJob(
  directory: string,
  { records, valueBytes, opens }: OpenParameters,
): Promise<Job> {
  const path = join(directory, 'log');
  await writeLog(path, records, { valueBytes });
  return {
    async run() {
      const times: number[] = [];
      let verifiedBytes = 0;
      let bytes = 0;
      let segments = 0;
      for (let n = 0; n < opens; n++) {
        const startMs = performance.now();
        const log = await openLog(path);
        times.push(performance.now() - startMs);
        const { endOffset, recovery } = log;
        const stats = log.stats();
        await log.close();
        if (endOffset !== records || recovery.outcome !== 'clean') {
          throw new Error(`opened ${recovery.outcome}, ${endOffset} of ${records} records`);
        }
        verifiedBytes = recovery.verifiedBytes;
        bytes = stats.sizeBytes;
        segments = stats.segmentCount;
      }
      const extra = { minMs: Math.min(...times), maxMs: Math.max(...times) };
      return { bytes, records, ms: median(times), extra: { ...extra, verifiedBytes, segments } };
    },
    close: () => Promise.resolve(),
  };
}
