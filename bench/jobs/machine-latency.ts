/**
 * *F* as an open loop: 4 KiB `fs.write` and `fs.fdatasync` to a growing file at a fixed mean rate,
 * on the schedule and with the generator of the job `latency`. One at a time, in order of arrival:
 * what arrives meanwhile waits, and its wait counts. Nothing is grouped.
 */
import fs from 'node:fs';
import { join } from 'node:path';
import { SeededRandom } from '../../src/core/random.ts';
import type { Job } from '../core/job.ts';
import { poissonArrivals } from '../load/arrivals.ts';
import { LatencyHistogram } from '../load/latency-histogram.ts';
import { runOpenLoop } from '../load/open-loop.ts';
import { callback } from './callback.ts';

const BLOCK_BYTES = 4096;
const SEED = 1;

export type MachineLatencyParameters = {
  readonly ratePerSecond: number;
  readonly seconds: number;
};

export async function openJob(
  directory: string,
  { ratePerSecond, seconds }: MachineLatencyParameters,
): Promise<Job> {
  const path = join(directory, 'blocks');
  const block = Buffer.alloc(BLOCK_BYTES, 0x5a);
  const calls = Math.max(1, Math.round(ratePerSecond * seconds));
  const arrivals = poissonArrivals(calls, ratePerSecond, new SeededRandom(SEED));
  return {
    async run() {
      const fd = fs.openSync(path, 'wx');
      const histogram = new LatencyHistogram();
      let startMs = 0;
      let previous = Promise.resolve();
      const writeSynced = async (n: number) => {
        await callback((done) => fs.write(fd, block, 0, BLOCK_BYTES, n * BLOCK_BYTES, done));
        await callback((done) => fs.fdatasync(fd, done));
        histogram.record(performance.now() - startMs - (arrivals[n] as number));
      };
      const call = (n: number) => (previous = previous.then(() => writeSynced(n)));
      const loop = runOpenLoop({ arrivals, call }, (atMs) => (startMs = atMs));
      const { elapsedMs, lateCount, lateMaxMs } = await loop;
      const bytes = fs.fstatSync(fd).size;
      fs.closeSync(fd);
      fs.unlinkSync(path);
      if (bytes !== calls * BLOCK_BYTES) throw new Error(`${bytes} bytes of ${calls} blocks`);
      const extra = {
        ...histogram.figures(),
        offeredPerSecond: ratePerSecond,
        achievedPerSecond: calls / (elapsedMs / 1e3),
        latePerSecond: lateCount / (elapsedMs / 1e3),
        lateMaxMs,
        samples: calls,
      };
      return { bytes, records: calls, ms: elapsedMs, extra };
    },
    close: () => Promise.resolve(),
  };
}
