/**
 * From a send at level `sync` to its handler, in a store that has nothing else to do: an open loop at
 * a low rate (see `load/open-loop.ts`) and one worker whose handler waits. A record is due at its time
 * of a Poisson schedule and is measured from there to the first line of the handler. The schedule is
 * the one of `machine-latency` at the same rate, which writes 4 KiB and syncs them instead.
 *
 * With `isPublished` a record is published to an exchange, and the worker is that of a queue behind it.
 *
 * The payload says which record it is. That the handler's record is acknowledged meanwhile is part of
 * the load, and no part of the figure.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { openStore, type Delivery, type Store } from '../../src/index.ts';
import { assert, present } from '../../src/core/assert.ts';
import { SeededRandom } from '../../src/core/random.ts';
import type { Job } from '../core/job.ts';
import { poissonArrivals } from '../load/arrivals.ts';
import { LatencyHistogram } from '../load/latency-histogram.ts';
import { runOpenLoop } from '../load/open-loop.ts';
import { makeExchange } from './exchange-load.ts';
import { checkQueue, QUEUE_OPTIONS } from './queue-filled.ts';
import { VALUE_BYTE } from './records.ts';

const SEED = 1;

export type QueueLatencyParameters = {
  readonly valueBytes: number;
  readonly ratePerSecond: number;
  readonly seconds: number;
  /** Published to an exchange with one binding, and handled behind it; else sent to the queue. */
  readonly isPublished: boolean;
};

export async function openJob(
  directory: string,
  { valueBytes, ratePerSecond, seconds, isPublished }: QueueLatencyParameters,
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
      const { queue, send } = await (isPublished ? behindExchange(store) : alone(store));
      const histogram = new LatencyHistogram();
      const seen = new Set<number>();
      let startMs = 0;
      let allHandled = () => {};
      const handled = new Promise<void>((resolve) => (allHandled = resolve));
      const handler = ({ value }: Delivery<Uint8Array>) => {
        const nowMs = performance.now();
        if (value?.length === 0) return Promise.resolve(); // The first, of nobody.
        const call = Buffer.from(value ?? []).readUInt32LE();
        seen.add(call);
        histogram.record(nowMs - startMs - (arrivals[call] ?? Number.NaN));
        if (seen.size === calls) allHandled();
        return Promise.resolve();
      };
      const worker = queue.work(handler, { concurrency: 1 });
      const call = async (n: number) => void (await send(payloadOf(n)));
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

async function alone(store: Store) {
  const queue = await store.queue('queue', QUEUE_OPTIONS);
  return { queue, send: (value: Uint8Array) => queue.send(value) };
}

async function behindExchange(store: Store) {
  const { exchange, queues } = await makeExchange(store, { load: 'flights', bindings: 1 });
  const { queue } = present(queues[0], 'one for each binding');
  const options = { routingKey: 'flight.a' };
  return { queue, send: (value: Uint8Array) => exchange.publish(value, options) };
}
