/**
 * Reads single records by `log.read(offset)` at uniformly random offsets, a number of calls at a time.
 *
 * With a cache that holds the whole log, every batch is read once before the first run, so the runs
 * read verified batches in memory. With `cacheBytes: 0`, or a log larger than the cache, each read
 * gets its batch from the page cache (the log was just written), verifies its CRC and finds the
 * record in it. Offsets come from a seed, and are drawn outside of the measured time.
 */
import { join } from 'node:path';
import { openLog, type Log, type LogOptions } from '../../src/index.ts';
import { assert } from '../../src/core/assert.ts';
import { randomBelow, SeededRandom } from '../../src/core/random.ts';
import type { Job } from '../core/job.ts';
import { VALUE_BYTE, writeLog } from './records.ts';

export type RandomParameters = {
  readonly valueBytes: number;
  /** In the log. */
  readonly records: number;
  /** null = the default of `openLog`. */
  readonly batchBytesMax: number | null;
  /** null = the default of `openLog`. */
  readonly cacheBytes: number | null;
  /** Read every record once before the first run. */
  readonly warm: boolean;
  /** Per run. */
  readonly reads: number;
  readonly callsInFlight: number;
  readonly seed: number;
};

export async function openJob(directory: string, parameters: RandomParameters): Promise<Job> {
  const { valueBytes, records, reads, callsInFlight, seed, warm } = parameters;
  const path = join(directory, 'log');
  const options = logOptions(parameters);
  await writeLog(path, records, { valueBytes, options });
  const log = await openLog(path, options);
  const bytesPerRecord = log.stats().sizeBytes / records;
  if (warm) await readAll(log, { offsets: Float64Array.from({ length: records }, (_, n) => n) });
  const random = new SeededRandom(seed);
  const offsets = Float64Array.from({ length: reads }, () => randomBelow(random, records));
  return {
    async run() {
      const startMs = performance.now();
      const found = await readAll(log, { offsets, callsInFlight });
      const ms = performance.now() - startMs;
      assert(found === reads, 'every record was found');
      return { bytes: Math.round(reads * bytesPerRecord), records: reads, ms };
    },
    close: () => log.close(),
  };
}

function logOptions({ batchBytesMax, cacheBytes }: RandomParameters): LogOptions<Uint8Array> {
  return {
    ...(batchBytesMax === null ? {} : { batchBytesMax }),
    ...(cacheBytes === null ? {} : { cacheBytes }),
  };
}

/** How many of the reads gave the record that was asked for, with its value. */
async function readAll(
  log: Log<Uint8Array>,
  { offsets, callsInFlight = 1 }: { offsets: Float64Array; callsInFlight?: number },
): Promise<number> {
  let next = 0;
  let found = 0;
  const caller = async () => {
    while (next < offsets.length) {
      const offset = offsets[next++] as number; // next was below the length
      const record = await log.read(offset);
      if (record?.offset === offset && record.valueView()?.[0] === VALUE_BYTE) found++;
    }
  };
  await Promise.all(Array.from({ length: callsInFlight }, caller));
  return found;
}
