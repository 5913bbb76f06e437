/**
 * From a send at level `sync` to its handler, in a store that has nothing else to do: an open loop at
 * a low rate (see `load/open-loop.ts`) and one worker whose handler waits. A record is due at its time
 * of a Poisson schedule and is measured from there to the first line of the handler. The schedule is
 * the one of `machine-latency` at the same rate, which writes 4 KiB and syncs them instead.
 *
 * The payload says which record it is. That the handler's record is acknowledged meanwhile is part of
 * the load, and no part of the figure.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { openStore, type Delivery } from '../../src/index.ts';
import { assert } from '../../src/core/assert.ts';
import { SeededRandom } from '../../src/core/random.ts';
import type { Job } from '../core/job.ts';
import { poissonArrivals } from '../load/arrivals.ts';
import { LatencyHistogram } from '../load/latency-histogram.ts';
import { runOpenLoop } from '../load/open-loop.ts';
import { checkQueue, QUEUE_OPTIONS } from './queue-filled.ts';
import { VALUE_BYTE } from './records.ts';

const SEED = 1;

export type QueueLatencyParameters = {
  readonly valueBytes: number;
  readonly ratePerSecond: number;
  readonly seconds: number;
};

export async function openJob(
  directory: string,
  { valueBytes, ratePerSecond, seconds }: QueueLatencyParameters,
): Promise<Job> {
  const path = join(directory, 'store');
  const calls = Math.max(1, Math.round(ratePerSecond * seconds));
  const arrivals = poissonArrivals(calls, ratePerSecond, new SeededRandom(SEED));
  const payloadOf = (call: number) => {
    const value = Buffer.alloc(valueBytes, VALUE_BYTE);
    value.writeUInt32LE(call);
    return value;
  };
  return {
    async run() {
      const store = await openStore(path);
      const queue = await store.queue('queue', QUEUE_OPTIONS);
      const histogram = new LatencyHistogram();
      const seen = new Set<number>();
      let startMs = 0;
      let allHandled = () => {};
      const handled = new Promise<void>((resolve) => (allHandled = resolve));
      const handler = ({ value }: Delivery<Uint8Array>) => {
        const nowMs = performance.now();
        const call = Buffer.from(value ?? []).readUInt32LE();
        seen.add(call);
        histogram.record(nowMs - startMs - (arrivals[call] ?? Number.NaN));
        if (seen.size === calls) allHandled();
        return Promise.resolve();
      };
      const worker = queue.work(handler, { concurrency: 1 });
      const call = async (n: number) => void (await queue.send(payloadOf(n)));
      const loop = runOpenLoop({ arrivals, call }, (atMs) => (startMs = atMs));
      const { elapsedMs, lateCount, lateMaxMs } = await loop;
      await handled;
      await worker.drain(); // Until the last one is acknowledged.
      assert(histogram.count === calls, 'every record was handled once');
      await checkQueue(queue, 0);
      await store.close();
      rmSync(path, { recursive: true });
      const extra = {
        ...histogram.figures(),
        offeredPerSecond: ratePerSecond,
        achievedPerSecond: calls / (elapsedMs / 1e3),
        latePerSecond: lateCount / (elapsedMs / 1e3),
        lateMaxMs,
        samples: calls,
      };
      return { bytes: calls * valueBytes, records: calls, ms: elapsedMs, extra };
    },
    close: () => Promise.resolve(),
  };
}
