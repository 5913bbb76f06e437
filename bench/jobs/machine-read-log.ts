/**
 * *R* over a log: 1 MiB `fs.read` calls, one in flight, and `zlib.crc32` over each block, through all
 * segment files of the log that the other sides of the contest read. For logs so large that a file
 * beside them would not fit the page cache, too.
 */
import type { Job } from '../core/job.ts';
import { readSegments } from './raw-read.ts';
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
  return { run: () => readSegments(path), close: () => Promise.resolve() };
}
