/**
 * The event loop while segments roll and retention deletes them: small segments, a small
 * `retentionBytes`, and `appendBatch` at `os`, either paced by a Poisson schedule or as fast as a
 * few callers, each awaiting its own call, can. See `load/stall-watch.ts` for what a stall is.
 *
 * Work, not time, is fixed, so that every run rolls and deletes as often; too few deletions fail it.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { openLog, type Log } from '../../src/index.ts';
import { SeededRandom } from '../../src/core/random.ts';
import type { Job } from '../core/job.ts';
import { poissonArrivals } from '../load/arrivals.ts';
import { runOpenLoop } from '../load/open-loop.ts';
import { StallWatch } from '../load/stall-watch.ts';
import { makeRecords } from './records.ts';

export type StallParameters = {
  readonly segmentBytes: number;
  readonly retainedBytes: number;
  readonly valueBytes: number;
  readonly recordsPerCall: number;
  readonly calls: number;
  /** Calls per second; null: as fast as the callers can. */
  readonly ratePerSecond: number | null;
  /** Callers, when there is no rate. */
  readonly callsInFlight: number;
  /** Fewer deleted segments in a run are an error. */
  readonly deletedMin: number;
};

const SEED = 1;

export async function openJob(directory: string, parameters: StallParameters): Promise<Job> {
  const { segmentBytes, retainedBytes, recordsPerCall, calls, deletedMin } = parameters;
  const path = join(directory, 'log');
  const load = loadOf(parameters);
  return {
    async run() {
      const log = await openLog(path, {
        durability: 'os',
        segmentBytesMax: segmentBytes,
        retentionBytes: retainedBytes,
      });
      const startMs = performance.now();
      const watch = new StallWatch();
      await load(log);
      const ms = performance.now() - startMs;
      // Behind a slow disk nothing may be synced yet, and so nothing deleted.
      await log.sync();
      await log.retain();
      const figures = watch.stop();
      const { segmentCount, retainedAway, lastError } = log.stats();
      const records = log.endOffset;
      await log.close();
      rmSync(path, { recursive: true });
      const deletedSegments = retainedAway.size;
      const rolls = deletedSegments + segmentCount - 1;
      if (lastError !== null) throw lastError as Error;
      if (records !== calls * recordsPerCall || deletedSegments < deletedMin) {
        throw new Error(`${records} records, ${deletedSegments} segments deleted of ${rolls}`);
      }
      const bytes = records * parameters.valueBytes;
      return { bytes, records, ms, extra: { ...figures, rolls, deletedSegments } };
    },
    close: () => Promise.resolve(),
  };
}

function loadOf(parameters: StallParameters): (log: Log<Uint8Array>) => Promise<unknown> {
  const { valueBytes, recordsPerCall, calls, ratePerSecond, callsInFlight } = parameters;
  const input = makeRecords(recordsPerCall, { valueBytes });
  if (ratePerSecond === null) {
    return async (log) => {
      let left = calls;
      const caller = async () => {
        while (left-- > 0) await log.appendBatch(input);
      };
      await Promise.all(Array.from({ length: callsInFlight }, caller));
    };
  }
  const arrivals = poissonArrivals(calls, ratePerSecond, new SeededRandom(SEED));
  return (log) =>
    runOpenLoop({
      arrivals,
      call: async () => {
        await log.appendBatch(input);
      },
    });
}
